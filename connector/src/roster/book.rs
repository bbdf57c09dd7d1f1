//! The book: statements come in, are verified, kept and told to who watches.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::roster::{Appended, Roster};
use adit_proto::statement::{Head, StatementError};
use adit_proto::wire::roster::Statement;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use super::file::StatementFile;
use super::origin::Origin;
use super::policy_text::PolicyText;
use super::{Known, PolicyState};
use crate::session::Refusal;

/// How long an offer, or a request, waits for a statement or a policy's text.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why statements are refused, or the book cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The file cannot be used.
    #[error("the roster at {} cannot be kept", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A statement that does not verify.
    #[error("statement {number} is refused")]
    Refused {
        /// Its number.
        number: u64,
        /// Why.
        source: StatementError,
    },
    /// Another branch than the one seen first, or than the configuration names.
    #[error("statement {number} is not the one that is known: there are two histories")]
    Fork {
        /// Its number.
        number: u64,
    },
    /// Statements are missing in between.
    #[error("statement {number} came and {wanted} is the next")]
    Gap {
        /// The number that came.
        number: u64,
        /// The number that is missing.
        wanted: u64,
    },
}

impl BookError {
    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::File { .. } | Self::Gap { .. } => Reason::RosterStale,
            Self::Refused { source, .. } => source.reason(),
            Self::Fork { .. } => Reason::RosterFork,
        }
    }
}

/// Statements that were new.
pub type Added = Vec<Appended>;

/// Roster and policy, and the file behind them.
#[derive(Debug)]
pub struct Book {
    origin: Origin,
    path: PathBuf,
    inner: Mutex<Inner>,
    /// `None` until the roster has reached the configured head.
    known: watch::Sender<Option<Arc<Known>>>,
    /// The newest statement that somebody else is known to have.
    wanted: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    file: StatementFile,
    roster: Option<Roster>,
    statements: Vec<Statement>,
    /// How many of them, the newest ones, are not in the file yet.
    unwritten: usize,
    policy: PolicyText,
    epoch: u64,
}

impl Inner {
    /// Writes what is not in the file yet, all of it or nothing.
    fn write(&mut self) -> std::io::Result<()> {
        let from = self.statements.len().saturating_sub(self.unwritten);
        let new = self.statements.get(from..).unwrap_or_default();
        self.file.append(new)?;
        self.unwritten = 0;
        Ok(())
    }
}

impl Book {
    /// Opens the book in `dir` and verifies what it holds. Blocks.
    ///
    /// # Errors
    /// [`BookError`]: what is on the disk is no roster, or not the one of the configuration.
    pub fn open(dir: &Path, origin: Origin) -> Result<Self, BookError> {
        let path = dir.join("statements");
        let (file, statements) = StatementFile::open(&path).map_err(|source| BookError::File {
            path: path.clone(),
            source,
        })?;
        let mut roster = None;
        for statement in &statements {
            origin.append(&mut roster, statement)?;
        }
        let book = Self {
            origin,
            path,
            inner: Mutex::new(Inner {
                file,
                roster,
                statements,
                unwritten: 0,
                policy: PolicyText::default(),
                epoch: 0,
            }),
            known: watch::Sender::new(None),
            wanted: watch::Sender::new(0),
        };
        book.publish(&mut book.inner.lock());
        Ok(book)
    }

    /// Takes statements in their order. Those that are known already are compared. Blocks on the disk; what a full disk
    /// does not take counts too, and is written by [`Self::flush`] when there is room.
    ///
    /// # Errors
    /// [`BookError`]; what came before the refused one is kept, so that a revocation counts whatever follows it. Of a
    /// batch that shows another history nothing is.
    pub fn add(&self, statements: Vec<Statement>) -> Result<Added, BookError> {
        let mut inner = self.inner.lock();
        let mut roster = inner.roster.clone();
        let (mut added, mut new) = (Vec::new(), Vec::new());
        let mut refused = None;
        for statement in statements {
            match self.origin.append(&mut roster, &statement) {
                Ok(Some(appended)) => {
                    added.push(appended);
                    new.push(statement);
                }
                Ok(None) => {}
                Err(fork @ BookError::Fork { .. }) => return Err(fork),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        if !new.is_empty() {
            inner.unwritten += new.len();
            inner.statements.append(&mut new);
            inner.roster = roster;
            let first = inner.unwritten == added.len();
            let kept = inner.write();
            // What cannot be kept counts all the same: a full disk must not let somebody in who was revoked.
            self.publish(&mut inner);
            if let (Err(error), true) = (kept, first) {
                let error = &error as &dyn std::error::Error;
                let path = self.path.display();
                tracing::error!(error, %path, "new statements are not on the disk, and are lost with this process");
            }
        }
        refused.map_or(Ok(added), Err)
    }

    /// Tries to write what could not be written when it came. Blocks on the disk.
    pub fn flush(&self) {
        let mut inner = self.inner.lock();
        if inner.unwritten > 0 && inner.write().is_ok() {
            tracing::info!(path = %self.path.display(), "the roster is on the disk again");
        }
    }

    /// Has what comes written to another file, and returns the one before it.
    #[cfg(test)]
    pub(super) fn change_file(&self, file: std::fs::File) -> std::fs::File {
        std::mem::replace(&mut self.inner.lock().file.file, file)
    }

    /// Takes the text of a policy. It counts once it is what the roster's newest policy statement names.
    pub fn policy_text(&self, number: u64, text: String) {
        let mut inner = self.inner.lock();
        inner.policy.came(number, text);
        self.publish(&mut inner);
    }

    /// The newest statement held; [`Head::none`] before the first.
    #[must_use]
    pub fn head(&self) -> Head {
        self.inner
            .lock()
            .roster
            .as_ref()
            .map_or_else(Head::none, Roster::head)
    }

    /// Roster and policy, as they are now.
    ///
    /// # Errors
    /// [`Refusal`] until the roster has reached the configured head.
    pub fn known(&self) -> Result<Arc<Known>, Refusal> {
        self.known.borrow().clone().ok_or_else(behind)
    }

    /// Tells of each change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Known>>> {
        self.known.subscribe()
    }

    /// Waits until the roster has `number`, whose hash must be `hash`, and the newest policy's text is there.
    ///
    /// # Errors
    /// [`Refusal`]: `roster_stale` after 2 s, `roster_fork` for another hash.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn reach(&self, number: u64, hash: &[u8]) -> Result<Arc<Known>, Refusal> {
        let mut watch = self.known.subscribe();
        let there = |known: &Option<Arc<Known>>| {
            known
                .as_ref()
                .is_some_and(|known| known.roster().number() >= number && !known.awaits_policy())
        };
        let known = match timeout(PATIENCE, watch.wait_for(there)).await {
            Ok(Ok(known)) => known.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        let known = known.ok_or_else(behind)?;
        match known.roster().hash_at(number) {
            Some(own) if own.as_slice() == hash => Ok(known),
            _ => Err(Refusal::new(
                Reason::RosterFork,
                "the offer rests on another history of the roster",
            )),
        }
    }

    /// Says that statement `number` is told to exist: whoever talks to a gateway asks for it, each time anew, since a
    /// request may be lost and a device may claim any number.
    pub fn want(&self, number: u64) {
        self.wanted.send_replace(number);
    }

    /// Tells of statements that are wanted.
    #[must_use]
    pub fn wanted(&self) -> watch::Receiver<u64> {
        self.wanted.subscribe()
    }

    /// Waits until the roster has `number`.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn reached(&self, number: u64) {
        let there = |known: &Option<Arc<Known>>| {
            known
                .as_ref()
                .is_some_and(|known| known.roster().number() >= number)
        };
        // The sender lives as long as this book.
        let _ = self.known.subscribe().wait_for(there).await;
    }

    /// Waits until no policy's text is missing, for 2 s at most.
    ///
    /// # Errors
    /// [`Refusal`] until the roster has reached the configured head.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn settled(&self) -> Result<Arc<Known>, Refusal> {
        let known = self.known()?;
        if !known.awaits_policy() {
            return Ok(known);
        }
        let mut watch = self.known.subscribe();
        let settled =
            |known: &Option<Arc<Known>>| known.as_ref().is_some_and(|known| !known.awaits_policy());
        // Late or not, what is known then decides.
        let _ = timeout(PATIENCE, watch.wait_for(settled)).await;
        self.known()
    }

    /// Statements after `number` in a client's view, at most as many as fit into `bytes`.
    #[must_use]
    pub fn for_client(&self, number: u64, bytes: usize) -> Vec<Statement> {
        use prost::Message;
        let inner = self.inner.lock();
        let Some(roster) = &inner.roster else {
            return Vec::new();
        };
        let skip = usize::try_from(number).unwrap_or(usize::MAX);
        let mut room = bytes;
        inner
            .statements
            .iter()
            .skip(skip)
            .map(|statement| roster.client_view(statement))
            .take_while(|statement| {
                let left = room.checked_sub(statement.encoded_len());
                room = left.unwrap_or_default();
                left.is_some()
            })
            .collect()
    }

    /// Tells who watches, once the roster is as new as the configuration says.
    fn publish(&self, inner: &mut Inner) {
        let Some(roster) = &inner.roster else { return };
        if roster.number() < self.origin.head.number {
            return;
        }
        inner.epoch += 1;
        let before = match self.known.borrow().as_deref() {
            Some(Known {
                policy: PolicyState::Active(active),
                ..
            }) => PolicyState::Active(active.clone()),
            Some(Known {
                policy: PolicyState::Unusable(number),
                ..
            }) => PolicyState::Unusable(*number),
            Some(_) | None => PolicyState::None,
        };
        let policy = inner.policy.settle(roster, before);
        self.known.send_replace(Some(Arc::new(Known {
            roster: roster.clone(),
            policy,
            epoch: inner.epoch,
        })));
    }
}

fn behind() -> Refusal {
    Refusal::new(
        Reason::RosterStale,
        "the roster has not come as far as it must",
    )
}
