//! When a way's links last sent and heard something.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Times of the last datagrams of links, in both directions. Written for each batch, so nothing but relaxed stores.
#[derive(Debug)]
pub(crate) struct Pulse {
    start: Instant,
    /// Microseconds since `start`, plus one; zero is never.
    sent: AtomicU64,
    heard: AtomicU64,
    watcher_sleeps: AtomicBool,
    woken: Notify,
    challenged: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            sent: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            watcher_sleeps: AtomicBool::new(false),
            woken: Notify::new(),
            challenged: AtomicBool::new(false),
        }
    }
}

/// How long ago something happened, or that it never did.
pub(crate) type Ago = Option<Duration>;

impl Pulse {
    pub(crate) fn sent(&self, now: Instant) {
        self.sent.store(self.stamp(now), Ordering::Relaxed);
        self.wake_watcher();
    }

    pub(crate) fn heard(&self, now: Instant) {
        self.heard.store(self.stamp(now), Ordering::Relaxed);
        self.wake_watcher();
    }

    /// The relay challenged: it is alive and knows our route.
    pub(super) fn challenged(&self) {
        self.challenged.store(true, Ordering::Relaxed);
    }

    /// Whether the relay challenged since the last call.
    pub(crate) fn take_challenged(&self) -> bool {
        self.challenged.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn sent_ago(&self, now: Instant) -> Ago {
        self.ago(&self.sent, now)
    }

    pub(crate) fn heard_ago(&self, now: Instant) -> Ago {
        self.ago(&self.heard, now)
    }

    /// Resolves when a link sends or hears something.
    pub(crate) async fn stirs(&self) {
        self.watcher_sleeps.store(true, Ordering::SeqCst);
        self.woken.notified().await;
    }

    /// Wakes whoever watches, because what it watches has changed.
    pub(crate) fn wake_watcher(&self) {
        if self.watcher_sleeps.load(Ordering::Relaxed)
            && self.watcher_sleeps.swap(false, Ordering::SeqCst)
        {
            self.woken.notify_one();
        }
    }

    fn stamp(&self, now: Instant) -> u64 {
        let micros = now.saturating_duration_since(self.start).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn ago(&self, stamp: &AtomicU64, now: Instant) -> Ago {
        match stamp.load(Ordering::Relaxed) {
            0 => None,
            stamp => Some(Duration::from_micros(self.stamp(now).saturating_sub(stamp))),
        }
    }
}
