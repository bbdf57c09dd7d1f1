//! How much a source without a connection may ask for: stateless resets and challenges.
//!
//! quinn's own limit on resets is one for the whole endpoint, which would make ten thousand parties wait in line after a
//! restart. Neither answer is longer than its question, so this bounds work and noise, not amplification.

use std::net::SocketAddr;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

/// How many datagrams a source may send at once.
const BURST: u32 = 32;
/// How long a source waits for each further one: 16 a second.
const EACH: Duration = Duration::from_micros(62_500);
/// After this long a source has its whole burst again, and need not be remembered.
const FULL_AGAIN: Duration = Duration::from_secs(2);
/// How many sources are remembered; while as many are active, new ones get nothing. About 4 MiB.
const SOURCES: usize = 1 << 16;
/// The least time between two sweeps of a full table: for each datagram of a flood it would cost more than the answer.
const SWEEP: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u32,
    filled: Instant,
}

/// Buckets by source address.
#[derive(Debug, Default)]
pub(super) struct SourceLimits(Mutex<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    by_source: FxHashMap<SocketAddr, Bucket>,
    swept: Option<Instant>,
}

/// Says that one more datagram of a source may pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WithinLimit;

impl SourceLimits {
    pub(super) fn take(&self, source: SocketAddr, now: Instant) -> Option<WithinLimit> {
        let mut buckets = self.0.lock();
        if !buckets.by_source.contains_key(&source) && !buckets.make_room(now) {
            return None;
        }
        let bucket = buckets.by_source.entry(source).or_insert(Bucket {
            left: BURST,
            filled: now,
        });
        let earned = now.duration_since(bucket.filled).as_micros() / EACH.as_micros();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            bucket.left = bucket.left.saturating_add(earned).min(BURST);
            bucket.filled = now;
        }
        bucket.left = bucket.left.checked_sub(1)?;
        Some(WithinLimit)
    }
}

impl Buckets {
    /// Whether there is room for one more source; forgets those that have their burst again.
    fn make_room(&mut self, now: Instant) -> bool {
        let due = |swept| now.duration_since(swept) >= SWEEP;
        if self.by_source.len() >= SOURCES && self.swept.is_none_or(due) {
            self.swept = Some(now);
            self.by_source
                .retain(|_, bucket| now.duration_since(bucket.filled) < FULL_AGAIN);
        }
        self.by_source.len() < SOURCES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(port: u16) -> SocketAddr {
        ([192, 0, 2, 7], port).into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_gets_a_burst_and_then_so_many_a_second() {
        let limits = SourceLimits::default();
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
        let limits = SourceLimits::default();
        for many in 0..SOURCES {
            let port = u16::try_from(many % 65_536).unwrap();
            assert!(limits.take(source(port), Instant::now()).is_some());
        }
        let late: SocketAddr = ([192, 0, 2, 8], 1).into();
        assert_eq!(limits.take(late, Instant::now()), None);
        tokio::time::advance(FULL_AGAIN).await;
        assert!(limits.take(late, Instant::now()).is_some());
        assert_eq!(limits.0.lock().by_source.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn u3_a_full_table_is_not_swept_for_each_datagram() {
        let limits = SourceLimits::default();
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
