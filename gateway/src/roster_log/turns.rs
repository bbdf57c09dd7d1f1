//! The queue of who appends next.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use adit_proto::key::Fingerprint;
use adit_proto::statement::Head;
use adit_proto::time::UnixMillis;
use parking_lot::Mutex;
use tokio::sync::{Mutex as Queue, OwnedMutexGuard, Semaphore};
use tokio::time::Instant;

use super::{RosterLog, TurnError};

/// How many wait in line; with 5 s for each the last one of more would wait longer than anybody stays.
const WAITING: usize = 512;

/// The name of a turn, which only its holder gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TurnId([u8; 16]);

/// A text that is no turn's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a turn")]
pub struct TurnIdError;

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TurnId {
    type Err = TurnIdError;

    fn from_str(text: &str) -> Result<Self, TurnIdError> {
        let number = u128::from_str_radix(text, 16).map_err(|_| TurnIdError)?;
        let id = Self(number.to_be_bytes());
        // One text for each: no sign, no upper case, no missing zeros.
        (id.to_string() == text).then_some(id).ok_or(TurnIdError)
    }
}

/// What its holder signs on.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Its name.
    pub id: TurnId,
    /// The head to sign on; none before genesis.
    pub head: Head,
    /// The gateway's time.
    pub now: UnixMillis,
    /// When it is over, by the gateway's clock.
    pub deadline: UnixMillis,
}

/// Who waits, and whose turn it is.
#[derive(Debug)]
pub(super) struct Turns {
    /// First come, first served: tokio's mutex is fair.
    queue: Arc<Queue<()>>,
    places: Semaphore,
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    id: TurnId,
    holder: Fingerprint,
    until: Instant,
    place: OwnedMutexGuard<()>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            queue: Arc::default(),
            places: Semaphore::new(WAITING),
            held: Mutex::new(None),
        }
    }
}

impl Turns {
    /// Ends a turn and gives its place to the caller, if it is this holder's and not over.
    pub(super) fn take(&self, id: TurnId, holder: &Fingerprint) -> Option<OwnedMutexGuard<()>> {
        let held = self
            .held
            .lock()
            .take_if(|held| held.id == id && held.holder == *holder)?;
        (Instant::now() <= held.until).then_some(held.place)
    }

    fn end(&self, id: TurnId) {
        drop(self.held.lock().take_if(|held| held.id == id));
    }
}

impl RosterLog {
    /// Waits in line and gets a turn, at the store's head. `holder` is the key that will hand the statement in.
    ///
    /// # Errors
    /// [`TurnError::Full`] at once if too many wait.
    ///
    /// # Cancel safety
    /// Dropping it leaves the line. A turn that was given and not used is over in 5 s.
    pub async fn turn(&self, holder: Fingerprint) -> Result<Turn, TurnError> {
        let _waiting = self
            .turns
            .places
            .try_acquire()
            .map_err(|_| TurnError::Full)?;
        let place = self.turns.queue.clone().lock_owned().await;
        self.refresh().await?;
        let parts = &self.parts;
        let (now, id) = (parts.clock.now(), TurnId(parts.entropy.bytes()));
        let until = Instant::now() + parts.turn;
        let held = Held {
            id,
            holder,
            until,
            place,
        };
        *self.turns.held.lock() = Some(held);
        let turns = Arc::clone(&self.turns);
        parts.tasks.spawn(async move {
            tokio::time::sleep_until(until).await;
            turns.end(id);
        });
        Ok(Turn {
            id,
            head: self.head(),
            now,
            deadline: now.after(parts.turn),
        })
    }

    /// Ends a turn before its time.
    pub fn give_up(&self, id: TurnId) {
        self.turns.end(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_one_text() {
        let id = TurnId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "ab",
            "+babababababababababababababababa",
            &id.to_string().to_uppercase(),
        ] {
            assert_eq!(bad.parse::<TurnId>(), Err(TurnIdError), "{bad}");
        }
    }
}
