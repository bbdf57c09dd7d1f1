//! Readings of the store: what a lease may rest on.
//!
//! A gateway that cannot read its store extends nothing: leases carry the age of the last reading.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::roster_log::RosterLog;
use crate::services::Services;
use crate::store::Store;
use crate::store::statements::Newest;
use crate::suspension::Suspensions;

/// How often the store is asked for news of other gateways: a revocation must be known within a second.
const EVERY: Duration = Duration::from_millis(500);

/// What the store said, and when it was asked.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The newest numbers. The roster and the suspensions of this process are at least as new.
    pub newest: Newest,
    at: Instant,
}

impl Reading {
    /// Its age. Counted from the question, not from the answer.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.at.elapsed()
    }
}

/// The newest reading. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Readings(watch::Receiver<Reading>);

impl Readings {
    /// The newest reading.
    #[must_use]
    pub fn newest(&self) -> Reading {
        *self.0.borrow()
    }

    /// What the newest reading leaves of a lease.
    #[must_use]
    pub fn left_of(&self, lease: Duration) -> Duration {
        lease.saturating_sub(self.newest().age())
    }
}

/// Reads the store again and again.
#[derive(Debug)]
pub struct Reader {
    store: Store,
    roster: Arc<RosterLog>,
    suspensions: Arc<Suspensions>,
    newest: watch::Sender<Reading>,
}

impl Reader {
    /// Makes a reader and what it tells. The first reading is the one that the parts were opened with.
    #[must_use]
    pub fn new(services: &Services) -> (Self, Readings) {
        let (newest, readings) = watch::channel(Reading {
            newest: Newest {
                statement: services.roster.head().number,
                suspension: services.suspensions.current().number(),
            },
            at: Instant::now(),
        });
        let reader = Self {
            store: services.store.clone(),
            roster: Arc::clone(&services.roster),
            suspensions: Arc::clone(&services.suspensions),
            newest,
        };
        (reader, Readings(readings))
    }

    /// Reads until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut every = interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = every.tick() => {}
            }
            match self.read().await {
                Ok(()) => failing = false,
                Err(error) => {
                    // Said once, not twice a second.
                    if !failing {
                        let error = &*error;
                        tracing::error!(error, "the store cannot be read; leases run out");
                    }
                    failing = true;
                }
            }
        }
    }

    async fn read(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let at = Instant::now();
        let newest = self.store.newest().await?;
        if newest.statement > self.roster.head().number {
            self.roster.refresh().await?;
        }
        if newest.suspension > self.suspensions.current().number() {
            self.suspensions.refresh().await?;
        }
        self.newest.send_replace(Reading { newest, at });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_old_reading_leaves_little_of_a_lease_and_then_nothing() {
        let (statement, suspension) = (1, 0);
        let (_reader, readings) = watch::channel(Reading {
            newest: Newest {
                statement,
                suspension,
            },
            at: Instant::now(),
        });
        let (readings, lease) = (Readings(readings), Duration::from_mins(1));
        assert_eq!(readings.left_of(lease), lease);
        tokio::time::advance(lease / 4).await;
        assert_eq!(readings.left_of(lease), lease * 3 / 4);
        tokio::time::advance(lease).await;
        assert_eq!(readings.left_of(lease), Duration::ZERO);
    }
}
