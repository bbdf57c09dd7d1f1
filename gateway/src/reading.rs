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

/// The newest reading; `None` before the first. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Readings(watch::Receiver<Option<Reading>>);

impl Readings {
    /// The newest reading.
    #[must_use]
    pub fn newest(&self) -> Option<Reading> {
        *self.0.borrow()
    }
}

/// Reads the store again and again.
#[derive(Debug)]
pub struct Reader {
    store: Store,
    roster: Arc<RosterLog>,
    suspensions: Arc<Suspensions>,
    newest: watch::Sender<Option<Reading>>,
}

impl Reader {
    /// Makes a reader and what it tells.
    #[must_use]
    pub fn new(services: &Services) -> (Self, Readings) {
        let (newest, readings) = watch::channel(None);
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
        self.newest.send_replace(Some(Reading { newest, at }));
        Ok(())
    }
}
