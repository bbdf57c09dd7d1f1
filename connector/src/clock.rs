//! The one place that reads clocks.
//!
//! Two of them: the wall clock, to judge what others state, and CLOCK_BOOTTIME, to count lives. The latter goes on while
//! a machine sleeps and does not jump when somebody sets the time.

use std::fmt;
use std::time::Duration;

use adit_proto::time::UnixMillis;
use rustix::time::{ClockId, clock_gettime};

/// A point on CLOCK_BOOTTIME: comparable within one boot of this machine only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boot(pub Duration);

impl Boot {
    /// This point plus `span`.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// This point less `span`, at least the boot.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Tells the time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock.
    fn wall(&self) -> UnixMillis;
    /// CLOCK_BOOTTIME.
    fn boot(&self) -> Boot;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> UnixMillis {
        UnixMillis(u64::try_from(read(ClockId::Realtime).as_millis()).unwrap_or(u64::MAX))
    }

    fn boot(&self) -> Boot {
        Boot(read(ClockId::Boottime))
    }
}

/// Both clocks start at zero and never show a time before it.
fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// A clock that stands still until a test moves it.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct TestClock {
    wall: std::sync::atomic::AtomicU64,
    boot: std::sync::atomic::AtomicU64,
}

#[cfg(test)]
impl TestClock {
    /// A clock at `wall`, one hour after the boot.
    pub(crate) fn at(wall: UnixMillis) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            wall: wall.0.into(),
            boot: 3_600_000.into(),
        })
    }

    /// Sets the wall clock by so many seconds, as somebody does who mends it.
    pub(crate) fn jump(&self, seconds: i64) {
        let by = seconds.wrapping_mul(1000).cast_unsigned();
        self.wall
            .fetch_add(by, std::sync::atomic::Ordering::Relaxed);
    }

    /// Moves both clocks on.
    pub(crate) fn advance(&self, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap();
        self.wall
            .fetch_add(ms, std::sync::atomic::Ordering::Relaxed);
        self.boot
            .fetch_add(ms, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Clock for TestClock {
    fn wall(&self) -> UnixMillis {
        UnixMillis(self.wall.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn boot(&self) -> Boot {
        Boot(Duration::from_millis(
            self.boot.load(std::sync::atomic::Ordering::Relaxed),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clocks_go_forward() {
        let (wall, boot) = (SystemClock.wall(), SystemClock.boot());
        assert!(wall.0 > 1_700_000_000_000);
        assert!(SystemClock.boot() >= boot);
    }
}
