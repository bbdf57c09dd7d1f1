//! How often each of many may do something: a bucket of tokens for each, in bounded memory.

mod beyond;

use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

pub use beyond::{Beyond, CountedLimits};

/// How many sources are remembered; while as many are active, new ones get nothing. About 4 MiB.
const SOURCES: usize = 1 << 16;
/// The least time between two sweeps of a full table: for each datagram of a flood it would cost more than the answer.
const SWEEP: Duration = Duration::from_millis(100);

/// How often.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// How many times at once.
    pub burst: u32,
    /// The wait for each further time; not zero.
    pub each: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u32,
    filled: Instant,
}

/// Buckets by source.
#[derive(Debug)]
pub struct Limits<S> {
    rate: Rate,
    buckets: Mutex<Buckets<S>>,
}

#[derive(Debug)]
struct Buckets<S> {
    by_source: FxHashMap<S, Bucket>,
    swept: Option<Instant>,
}

/// Says that a source may do it once more.
#[derive(Debug, PartialEq, Eq)]
pub struct WithinLimit;

impl<S: Copy + Eq + Hash> Limits<S> {
    /// Full buckets for everybody.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: Mutex::new(Buckets {
                by_source: FxHashMap::default(),
                swept: None,
            }),
        }
    }

    /// Takes a token of `source`; `None` if it has none, or if more sources are active than are remembered.
    pub fn take(&self, source: S, now: Instant) -> Option<WithinLimit> {
        let Rate { burst, each } = self.rate;
        let mut buckets = self.buckets.lock();
        // After this long a source has its whole burst again, and need not be remembered.
        let full_again = each.saturating_mul(burst);
        if !buckets.by_source.contains_key(&source) && !buckets.make_room(now, full_again) {
            return None;
        }
        let bucket = buckets.by_source.entry(source).or_insert(Bucket {
            left: burst,
            filled: now,
        });
        let earned = now.duration_since(bucket.filled).as_micros() / each.as_micros().max(1);
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            bucket.left = bucket.left.saturating_add(earned).min(burst);
            bucket.filled = now;
        }
        bucket.left = bucket.left.checked_sub(1)?;
        Some(WithinLimit)
    }
}

impl<S> Buckets<S> {
    /// Whether there is room for one more source; forgets those that have their burst again.
    fn make_room(&mut self, now: Instant, full_again: Duration) -> bool {
        let due = |swept| now.duration_since(swept) >= SWEEP;
        if self.by_source.len() >= SOURCES && self.swept.is_none_or(due) {
            self.swept = Some(now);
            self.by_source
                .retain(|_, bucket| now.duration_since(bucket.filled) < full_again);
        }
        self.by_source.len() < SOURCES
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const BURST: u32 = 32;
    const EACH: Duration = Duration::from_micros(62_500);
    const FULL_AGAIN: Duration = Duration::from_secs(2);
    const RATE: Rate = Rate {
        burst: BURST,
        each: EACH,
    };

    fn source(port: u16) -> SocketAddr {
        ([192, 0, 2, 7], port).into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_gets_a_burst_and_then_so_many_a_second() {
        let limits = Limits::new(RATE);
        let take = |port| limits.take(source(port), Instant::now());
        for _ in 0..BURST {
            assert!(take(1).is_some());
        }
        assert_eq!(take(1), None);
        assert!(take(2).is_some(), "another source is not held up");
        tokio::time::advance(EACH).await;
        assert!(take(1).is_some());
        assert_eq!(take(1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn u3_many_sources_take_bounded_memory_and_are_forgotten() {
        let limits = Limits::new(RATE);
        for many in 0..SOURCES {
            let port = u16::try_from(many % 65_536).unwrap();
            assert!(limits.take(source(port), Instant::now()).is_some());
        }
        let late: SocketAddr = ([192, 0, 2, 8], 1).into();
        assert_eq!(limits.take(late, Instant::now()), None);
        tokio::time::advance(FULL_AGAIN).await;
        assert!(limits.take(late, Instant::now()).is_some());
        assert_eq!(limits.buckets.lock().by_source.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn u3_a_full_table_is_not_swept_for_each_datagram() {
        let limits = Limits::new(RATE);
        for port in 0..=u16::MAX {
            assert!(limits.take(source(port), Instant::now()).is_some());
        }
        let late: SocketAddr = ([192, 0, 2, 8], 1).into();
        tokio::time::advance(FULL_AGAIN.saturating_sub(SWEEP / 2)).await;
        assert_eq!(
            limits.take(late, Instant::now()),
            None,
            "nothing is old yet"
        );
        tokio::time::advance(SWEEP / 2).await;
        assert_eq!(limits.take(late, Instant::now()), None, "swept just now");
        tokio::time::advance(SWEEP / 2).await;
        assert!(limits.take(late, Instant::now()).is_some());
    }
}
