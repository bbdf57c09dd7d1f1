//! The lease: how long things go on without a gateway that reads its store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Boot;

/// The longest lease that is believed. A gateway that lies can repeat short ones for ever; one that was cut off, or
/// wrongly configured, is held to this.
const LEASE_MAX: Duration = Duration::from_mins(5);

/// The lease that counts: of several gateways, the one with the youngest reading.
#[derive(Debug, Default)]
pub struct Lease {
    /// Milliseconds of CLOCK_BOOTTIME.
    until: AtomicU64,
}

impl Lease {
    /// Extends it: a gateway read its store `age` ago, and that is good for `length`. Counted from the reading, so a
    /// gateway that is cut off from its store extends nothing.
    pub fn extend(&self, now: Boot, age: Duration, length: Duration) {
        let until = now.before(age).after(length.min(LEASE_MAX));
        self.until.fetch_max(millis(until), Ordering::AcqRel);
    }

    /// Whether it has run out.
    #[must_use]
    pub fn has_run_out(&self, now: Boot) -> bool {
        millis(now) >= self.until.load(Ordering::Acquire)
    }
}

fn millis(point: Boot) -> u64 {
    u64::try_from(point.0.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(seconds: u64) -> Boot {
        Boot(Duration::from_secs(seconds))
    }

    #[test]
    fn a_lease_is_counted_from_the_reading() {
        let lease = Lease::default();
        assert!(lease.has_run_out(at(0)));
        lease.extend(at(1000), Duration::from_secs(20), MINUTE);
        assert!(!lease.has_run_out(at(1039)));
        assert!(lease.has_run_out(at(1040)));
    }

    #[test]
    fn a_gateway_cut_off_from_its_store_extends_nothing() {
        let lease = Lease::default();
        lease.extend(at(1000), Duration::ZERO, MINUTE);
        for later in 1..=60 {
            lease.extend(at(1000 + later), Duration::from_secs(later), MINUTE);
        }
        assert!(lease.has_run_out(at(1060)));
    }

    #[test]
    fn the_youngest_reading_of_several_gateways_counts() {
        let lease = Lease::default();
        lease.extend(at(1000), Duration::from_secs(1), MINUTE);
        lease.extend(at(1000), Duration::from_secs(50), MINUTE);
        assert!(!lease.has_run_out(at(1058)));
        assert!(lease.has_run_out(at(1059)));
    }

    #[test]
    fn a_lease_of_a_year_is_not_believed() {
        let lease = Lease::default();
        lease.extend(at(1000), Duration::ZERO, Duration::from_hours(8760));
        assert!(lease.has_run_out(at(1300)));
    }
}
