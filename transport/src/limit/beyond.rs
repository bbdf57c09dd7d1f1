//! Limits that count what is beyond them.

use std::hash::Hash;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::{Limits, Rate, WithinLimit};

/// Limits by source, and for each source that was beyond them how often, with what is to be said of it.
#[derive(Debug)]
pub struct CountedLimits<S, W> {
    limits: Limits<S>,
    beyond: Mutex<FxHashMap<S, Beyond<W>>>,
}

/// How often a source was beyond its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond<W> {
    /// What was given with the first time.
    pub what: W,
    /// How often.
    pub count: u64,
}

impl<S: Copy + Eq + Hash, W: Clone> CountedLimits<S, W> {
    /// Full buckets for everybody.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            limits: Limits::new(rate),
            beyond: Mutex::default(),
        }
    }

    /// Takes a token of `source`; without one it is counted.
    pub fn take(&self, source: S, what: &W, now: Instant) -> Option<WithinLimit> {
        let within = self.limits.take(source, now);
        if within.is_none() {
            let mut beyond = self.beyond.lock();
            let of_source = beyond.entry(source).or_insert_with(|| Beyond {
                what: what.clone(),
                count: 0,
            });
            of_source.count = of_source.count.saturating_add(1);
        }
        within
    }

    /// Those that were beyond their limit since this was asked last.
    pub fn beyond(&self) -> Vec<Beyond<W>> {
        std::mem::take(&mut *self.beyond.lock())
            .into_values()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_beyond_the_limit_is_counted_and_told_once() {
        let limits = CountedLimits::new(Rate {
            burst: 2,
            each: Duration::from_secs(1),
        });
        let now = Instant::now();
        let within = |source| limits.take(source, &"somebody", now).is_some();
        assert_eq!(
            [within(1), within(1), within(1), within(1)],
            [true, true, false, false]
        );
        assert!(within(2));
        let what = "somebody";
        assert_eq!(limits.beyond(), [Beyond { what, count: 2 }]);
        assert!(limits.beyond().is_empty());
    }
}
