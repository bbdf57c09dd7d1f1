//! The gateway's copy of the roster: the order of statements, the queue of who appends next, and who is told.
//!
//! ```text
//! turn() waits in line ──▶ Turn (the head, 5 s) ──append()──▶ verified ──▶ stored under its number ──▶ watchers
//!                              └── 5 s pass, or give_up(): the next one has its turn
//! ```
//!
//! Nothing is stored that does not verify, and nothing is shown that is not stored. Another gateway's statements are
//! read from the store by [`RosterLog::refresh`]; of two that append the same number the store lets one in.

mod append;
mod error;
#[cfg(test)]
mod tests;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use adit_proto::key::PublicKey;
use adit_proto::roster::Roster;
use adit_proto::statement::Head;
use adit_proto::wire::roster::Statement;
use prost::Message;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub use error::{AppendError, RosterLogError, TurnError};
pub use turns::{Turn, TurnId, TurnIdError};

use crate::audit::Audit;
use crate::clock::{Clock, Entropy};
use crate::store::statements::StoredStatement;
use crate::store::{Store, StoreError};
use turns::Turns;

/// Statements read from the store at once.
const PAGE: u32 = 256;
/// Bytes of statements in one answer: with the frame around them below the frame's limit of 1 MiB.
const PAGE_BYTES: usize = 900 << 10;

/// What a genesis statement must say to be this deployment's.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The gateways' key.
    pub gateways_key: PublicKey,
    /// Its successor.
    pub gateways_next_key: PublicKey,
    /// The RP ID.
    pub rp_id: String,
    /// The origins.
    pub origins: Vec<String>,
}

/// What the log is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where statements are.
    pub store: Store,
    /// The time of the gateway, which a statement's must be near.
    pub clock: Clock,
    /// For the ids of turns.
    pub entropy: Entropy,
    /// Where appended and refused statements are noted.
    pub audit: Arc<Audit>,
    /// What a genesis must say.
    pub founding: Founding,
    /// How long a turn lasts.
    pub turn: Duration,
    /// Owner of the timers of turns.
    pub tasks: TaskTracker,
}

/// The log.
#[derive(Debug)]
pub struct RosterLog {
    parts: Parts,
    current: watch::Sender<Option<Arc<Roster>>>,
    turns: Arc<Turns>,
    /// One reading of the store at a time.
    refreshing: tokio::sync::Mutex<()>,
}

impl RosterLog {
    /// Reads and verifies what the store holds.
    ///
    /// # Errors
    /// [`RosterLogError::Refused`] with the number of the first statement that does not verify: the database was
    /// tampered with. [`RosterLogError::Foreign`] for another deployment's log.
    pub async fn open(parts: Parts) -> Result<Self, RosterLogError> {
        let turns = Arc::new(Turns::default());
        let log = Self {
            parts,
            current: watch::Sender::new(None),
            turns,
            refreshing: tokio::sync::Mutex::new(()),
        };
        log.refresh().await?;
        Ok(log)
    }

    /// The roster as it is now; `None` before genesis.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Roster>> {
        self.current.borrow().clone()
    }

    /// The head; none before genesis.
    #[must_use]
    pub fn head(&self) -> Head {
        head_of(self.current.borrow().as_deref())
    }

    /// Follows the roster: a change is a new statement, and the newest counts.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Option<Arc<Roster>>> {
        self.current.subscribe()
    }

    /// Statements from number `from` on, as many as fit one frame.
    ///
    /// # Errors
    /// As every call of the store; [`StoreError::Corrupt`] for one that is not a statement.
    pub async fn statements_from(&self, from: u64) -> Result<Vec<Statement>, StoreError> {
        let rows = self.parts.store.statements_from(from, PAGE).await?;
        let mut bytes = 0;
        rows.iter()
            .take_while(|row| {
                let first = bytes == 0;
                bytes += row.statement.len() + 8;
                first || bytes <= PAGE_BYTES
            })
            .map(|row| decode(&row.statement))
            .collect()
    }

    /// Reads and verifies what other gateways appended.
    ///
    /// # Errors
    /// As [`RosterLog::open`].
    pub async fn refresh(&self) -> Result<(), RosterLogError> {
        let _one = self.refreshing.lock().await;
        loop {
            let held = self.snapshot();
            let next = head_of(held.as_deref()).number + 1;
            let rows = self.parts.store.statements_from(next, PAGE).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut grown = held.as_deref().cloned();
            self.parts.founding.grow(&mut grown, &rows)?;
            self.publish(grown.map(Arc::new));
        }
    }

    /// Reads and verifies what a store holds, for who only looks.
    ///
    /// # Errors
    /// As [`RosterLog::open`].
    pub async fn read(
        store: &Store,
        founding: &Founding,
    ) -> Result<Option<Roster>, RosterLogError> {
        let mut grown = None;
        loop {
            let next = head_of(grown.as_ref()).number + 1;
            let rows = store.statements_from(next, PAGE).await?;
            if rows.is_empty() {
                return Ok(grown);
            }
            founding.grow(&mut grown, &rows)?;
        }
    }

    /// Shows a roster, unless a newer one is shown already.
    fn publish(&self, grown: Option<Arc<Roster>>) {
        let number = head_of(grown.as_deref()).number;
        self.current.send_if_modified(|held| {
            let newer = head_of(held.as_deref()).number < number;
            if newer {
                *held = grown;
            }
            newer
        });
    }
}

impl Founding {
    /// Adds statements of the store to a roster that it has or not yet.
    fn grow(
        &self,
        grown: &mut Option<Roster>,
        rows: &[StoredStatement],
    ) -> Result<(), RosterLogError> {
        for row in rows {
            let statement = decode(&row.statement)?;
            let number = row.number;
            let refused = |source| RosterLogError::Refused { number, source };
            if let Some(roster) = grown {
                roster.append(&statement).map_err(refused)?;
            } else {
                let founded = Roster::found(&statement).map_err(refused)?;
                self.check(&founded).map_err(RosterLogError::Foreign)?;
                *grown = Some(founded);
            }
        }
        Ok(())
    }

    /// Compares what a genesis says with this deployment.
    fn check(&self, founded: &Roster) -> Result<(), &'static str> {
        let gateways = founded.gateways();
        let party = founded.relying_party();
        if gateways.current != self.gateways_key {
            return Err("gateways' key");
        }
        if gateways.next != self.gateways_next_key {
            return Err("gateways' next key");
        }
        if party.rp_id() != self.rp_id {
            return Err("RP ID");
        }
        if self
            .origins
            .iter()
            .any(|origin| !party.origins().contains(origin))
        {
            return Err("origins");
        }
        Ok(())
    }
}

fn head_of(roster: Option<&Roster>) -> Head {
    roster.map_or_else(Head::none, Roster::head)
}

fn decode(statement: &[u8]) -> Result<Statement, StoreError> {
    let (table, column) = ("statements", "statement");
    Statement::decode(statement).map_err(|_| StoreError::Corrupt { table, column })
}
