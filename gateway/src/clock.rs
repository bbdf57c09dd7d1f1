//! The one place of this program that reads the wall clock and takes randomness.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use adit_proto::time::UnixMillis;
use ring::rand::{SecureRandom, SystemRandom};

/// The wall clock, or one that a test sets. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `now` until [`Clock::set`] moves it, for tests.
    #[must_use]
    pub fn standing_at(now: UnixMillis) -> Self {
        Self(Some(Arc::new(AtomicU64::new(now.0))))
    }

    /// Moves a standing clock and all its clones; the system's clock stays what it is.
    pub fn set(&self, now: UnixMillis) {
        if let Some(time) = &self.0 {
            time.store(now.0, Ordering::Relaxed);
        }
    }

    /// Reads the time.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        match &self.0 {
            Some(time) => UnixMillis(time.load(Ordering::Relaxed)),
            None => system_now(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
fn system_now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Randomness of the operating system. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Entropy(SystemRandom);

impl Default for Entropy {
    fn default() -> Self {
        Self(SystemRandom::new())
    }
}

impl Entropy {
    /// Fills an array with random bytes.
    ///
    /// Ends the process if the system has no randomness: nothing that this program does may go on without.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        if self.0.fill(&mut bytes).is_err() {
            tracing::error!("the operating system gives no random bytes; the gateway ends");
            std::process::abort();
        }
        bytes
    }

    /// The generator for calls of `ring`.
    #[must_use]
    pub fn ring(&self) -> &dyn SecureRandom {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_clock_moves_with_its_clones() {
        let clock = Clock::standing_at(UnixMillis(5));
        let clone = clock.clone();
        clock.set(UnixMillis(9));
        assert_eq!(clone.now(), UnixMillis(9));
    }

    #[test]
    fn two_draws_differ() {
        let entropy = Entropy::default();
        assert_ne!(entropy.bytes::<16>(), entropy.bytes::<16>());
    }
}
