//! The roster as this machine follows it: verified here, kept in a file, never shorter than it was.
//!
//! Statements come from the gateway and, where that withholds, from connectors; neither is believed. The file holds
//! each statement as it came, in order, and is verified whole when it is read.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::frame::{self, FrameError, Limit};
use adit_proto::key::PublicKey;
use adit_proto::label::Hash;
use adit_proto::roster::{Relation, Roster, View};
use adit_proto::statement::{Head, StatementError, hash_of};
use adit_proto::target::Name;
use adit_proto::wire::roster::Statement;
use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::exit::Failure;
use crate::private_file::{self, PrivateFileError};

/// The file of the statements in a profile's directory.
const FILE: &str = "roster";

/// Why statements are not taken.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// The log begins with another genesis than the one that this machine enrolled in.
    #[error("the log has another genesis statement than this machine enrolled in")]
    Genesis,
    /// A statement does not verify.
    #[error("statement {number} does not verify")]
    Statement {
        /// Its number.
        number: u64,
        /// Why.
        source: StatementError,
    },
    /// Another statement is known under a number.
    #[error("two different statements have number {0}")]
    Fork(u64),
    /// Statements are missing in between.
    #[error("statements between {held} and {number} are missing")]
    Gap {
        /// The newest number held.
        held: u64,
        /// The number that came.
        number: u64,
    },
    /// The file is damaged before its end.
    #[error("the file of the roster is damaged: remove {} to have it fetched anew", .0.display())]
    Damaged(PathBuf),
    /// The file cannot be used.
    #[error("the file of the roster cannot be used")]
    File(#[from] PrivateFileError),
}

impl RosterError {
    /// The reason that names it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Genesis | Self::Fork(_) => Reason::RosterFork,
            Self::Statement { source, .. } => source.reason(),
            Self::Gap { .. } | Self::Damaged(_) | Self::File(_) => Reason::RosterStale,
        }
    }
}

impl From<RosterError> for Failure {
    fn from(error: RosterError) -> Self {
        Self::of(error.reason(), format!("the roster is refused: {error}"))
    }
}

/// The roster that is followed.
#[derive(Debug)]
pub struct Followed {
    genesis: Hash,
    file: PathBuf,
    /// Held by whoever appends, so that file and roster agree; whether the file is written.
    appending: Mutex<bool>,
    current: watch::Sender<Option<Arc<Roster>>>,
}

impl Followed {
    /// Reads the log in `directory`, which must begin with the statement of the hash `genesis`, and verifies it whole.
    ///
    /// # Errors
    /// [`RosterError`]. A last statement that was not written whole is left out, and fetched again.
    pub fn load(directory: &Path, genesis: Hash) -> Result<Self, RosterError> {
        let file = directory.join(FILE);
        let mut bytes = BytesMut::from(private_file::read(&file)?.unwrap_or_default().as_slice());
        let (mut roster, mut whole) = (None, BytesMut::new());
        loop {
            match frame::take::<Statement>(&mut bytes, Limit::PARTY) {
                Ok(Some(statement)) => {
                    put(&statement, &mut whole);
                    follow(genesis, &mut roster, &statement)?;
                }
                // A crash leaves a part of a statement, or zeros.
                Ok(None) => break,
                Err(FrameError::Length { length: 0, .. }) if bytes.iter().all(|it| *it == 0) => {
                    break;
                }
                Err(_) => return Err(RosterError::Damaged(file)),
            }
        }
        if !bytes.is_empty() {
            private_file::replace(&file, &whole)?;
        }
        let current = watch::Sender::new(roster.map(Arc::new));
        let appending = Mutex::new(true);
        Ok(Self {
            genesis,
            file,
            appending,
            current,
        })
    }

    /// Takes statements in order; those that are known already are compared.
    ///
    /// # Errors
    /// [`RosterError`]; what came before the refused one is kept.
    pub fn take(&self, statements: &[Statement]) -> Result<(), RosterError> {
        let kept = self.appending.lock();
        let held = self.current.borrow().clone();
        let mut roster = held.as_deref().cloned();
        let mut fresh = BytesMut::new();
        let mut refused = None;
        for statement in statements {
            match follow(self.genesis, &mut roster, statement) {
                Ok(Step::Appended) => put(statement, &mut fresh),
                Ok(Step::Known) => {}
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        if !fresh.is_empty() {
            if *kept {
                self.append(&fresh)?;
            }
            self.current.send_replace(roster.map(Arc::new));
        }
        refused.map_or(Ok(()), Err)
    }

    /// Leaves the file to another agent from now on. What comes is still verified and followed.
    pub fn keep_no_more(&self) {
        *self.appending.lock() = false;
    }

    fn append(&self, bytes: &[u8]) -> Result<(), RosterError> {
        let failed = |source| PrivateFileError::Io {
            operation: "write",
            path: self.file.clone(),
            source,
        };
        let mut file = private_file::append_to(&self.file)?;
        let before = file.metadata().map_err(failed)?.len();
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        if written.is_err() {
            // The next statement would follow half of this one.
            file.set_len(before).map_err(failed)?;
        }
        Ok(written.map_err(failed)?)
    }

    /// The roster, once there is one.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Roster>> {
        self.current.borrow().clone()
    }

    /// Tells of each change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Roster>>> {
        self.current.subscribe()
    }

    /// The newest statement that was verified.
    #[must_use]
    pub fn head(&self) -> Head {
        self.current()
            .map_or_else(Head::none, |roster| roster.head())
    }

    /// Waits until `wanted` is true of the roster.
    ///
    /// # Errors
    /// [`Reason::RosterStale`] after `patience`.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn wait_for(
        &self,
        patience: Duration,
        wanted: impl Fn(&Roster) -> bool,
    ) -> Result<Arc<Roster>, Failure> {
        let mut watch = self.watch();
        let there = watch.wait_for(|roster| roster.as_deref().is_some_and(&wanted));
        let found = timeout(patience, there).await.ok().and_then(Result::ok);
        let found = found.and_then(|roster| roster.clone());
        found.ok_or_else(|| {
            let message = "the gateway did not send what the roster should hold by now";
            Failure::of(Reason::RosterStale, message)
        })
    }

    /// The key of a cluster that is trusted, by this roster and nobody's word.
    #[must_use]
    pub fn cluster_key(&self, name: &Name) -> Option<PublicKey> {
        let roster = self.current()?;
        let cluster = roster.cluster(name)?;
        cluster.revoked.is_none().then(|| cluster.key.clone())
    }

    /// How another party's head lies to this log.
    #[must_use]
    pub fn relation(&self, head: &Head) -> Relation {
        self.current()
            .map_or(Relation::Ahead, |roster| roster.relation(head))
    }
}

enum Step {
    Appended,
    Known,
}

fn follow(
    genesis: Hash,
    roster: &mut Option<Roster>,
    statement: &Statement,
) -> Result<Step, RosterError> {
    let number = statement.number;
    let refused = |source| RosterError::Statement { number, source };
    let Some(roster) = roster else {
        let founded = Roster::found_as(statement, View::Client).map_err(refused)?;
        if founded.genesis() != genesis {
            return Err(RosterError::Genesis);
        }
        *roster = Some(founded);
        return Ok(Step::Appended);
    };
    let held = roster.number();
    if number > held + 1 {
        return Err(RosterError::Gap { held, number });
    }
    if number == held + 1 {
        roster.append(statement).map_err(refused)?;
        return Ok(Step::Appended);
    }
    let base = if number == 1 { [0; 32] } else { genesis };
    let hash = hash_of(&base, statement).map_err(refused)?;
    if roster.hash_at(number) == Some(&hash) {
        Ok(Step::Known)
    } else {
        Err(RosterError::Fork(number))
    }
}

fn put(statement: &Statement, buffer: &mut BytesMut) {
    if let Err(error) = frame::put(statement, Limit::PARTY, buffer) {
        // A verified statement is bounded by the roster's own limit, below a frame's.
        tracing::error!(%error, "A statement does not fit a frame.");
    }
}

#[cfg(test)]
mod tests;
