//! The book: statements come in, are verified, kept and told to who watches.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::label::Hash;
use adit_proto::roster::{Appended, Roster};
use adit_proto::statement::{Head, StatementError, hash_of};
use adit_proto::wire::roster::Statement;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use super::file::StatementFile;
use super::policy_text::PolicyText;
use super::{Known, PolicyState};
use crate::config::ConfiguredHead;
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

/// What is trusted because an admin wrote it into the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The hash of the first statement.
    pub genesis: Hash,
    /// The head at the time of the installation.
    pub head: ConfiguredHead,
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
    policy: PolicyText,
    epoch: u64,
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
            append(&mut roster, statement, &origin)?;
        }
        let book = Self {
            origin,
            path,
            inner: Mutex::new(Inner {
                file,
                roster,
                statements,
                policy: PolicyText::default(),
                epoch: 0,
            }),
            known: watch::Sender::new(None),
            wanted: watch::Sender::new(0),
        };
        book.publish(&mut book.inner.lock());
        Ok(book)
    }

    /// Takes statements in their order. Those that are known already are compared. Blocks on the disk.
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
            match append(&mut roster, &statement, &self.origin) {
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
            self.keep(&mut inner, roster, new)?;
        }
        refused.map_or(Ok(added), Err)
    }

    /// Writes what is new before it counts.
    fn keep(
        &self,
        inner: &mut Inner,
        roster: Option<Roster>,
        mut new: Vec<Statement>,
    ) -> Result<(), BookError> {
        inner.file.append(&new).map_err(|source| BookError::File {
            path: self.path.clone(),
            source,
        })?;
        inner.roster = roster;
        inner.statements.append(&mut new);
        self.publish(inner);
        Ok(())
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

/// Takes one statement; `None` if it was known already.
fn append(
    roster: &mut Option<Roster>,
    statement: &Statement,
    origin: &Origin,
) -> Result<Option<Appended>, BookError> {
    let number = statement.number;
    let refused = |source| BookError::Refused { number, source };
    let fork = BookError::Fork { number };
    let Some(known) = roster else {
        if number != 1 {
            return Err(BookError::Gap { number, wanted: 1 });
        }
        let founded = Roster::found(statement).map_err(refused)?;
        let head = founded.head();
        if head.hash != origin.genesis || (origin.head.number == 1 && head.hash != origin.head.hash)
        {
            return Err(fork);
        }
        *roster = Some(founded);
        return Ok(Some(Appended {
            number,
            hash: head.hash,
            kind: Some(adit_proto::statement::Kind::Genesis),
            time: head.time,
        }));
    };
    if let Some(own) = known.hash_at(number) {
        // A first statement is hashed as if there was no genesis before it.
        let genesis = if number == 1 {
            [0; 32]
        } else {
            known.genesis()
        };
        let hash = hash_of(&genesis, statement).map_err(refused)?;
        return if hash == *own { Ok(None) } else { Err(fork) };
    }
    let wanted = known.number() + 1;
    if number != wanted {
        return Err(BookError::Gap { number, wanted });
    }
    let appended = known.append(statement).map_err(refused)?;
    if number == origin.head.number && appended.hash != origin.head.hash {
        return Err(fork);
    }
    Ok(Some(appended))
}

fn behind() -> Refusal {
    Refusal::new(
        Reason::RosterStale,
        "the roster has not come as far as it must",
    )
}
