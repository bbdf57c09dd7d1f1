//! What the local listeners of a profile are served with, and how they end.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::carry::{Carrier, Streams};
use crate::loopback::Closing;

/// Shared by the listeners of a profile.
#[derive(Clone)]
pub(super) struct Local {
    streams: Arc<dyn Streams>,
    /// Owns what accepts.
    pub(super) listening: TaskTracker,
    /// Owns what was accepted.
    pub(super) open: TaskTracker,
    /// Cancelled when another agent is to have the ports.
    pub(super) gently: CancellationToken,
    stop: CancellationToken,
}

impl Local {
    /// Nothing is open yet; `stop` ends everything.
    pub(super) fn new(streams: Arc<dyn Streams>, stop: CancellationToken) -> Self {
        Self {
            streams,
            listening: TaskTracker::new(),
            open: TaskTracker::new(),
            gently: CancellationToken::new(),
            stop,
        }
    }

    /// What carries the requests of one listener.
    pub(super) fn carrier(&self) -> Carrier {
        Carrier::new(self.streams.clone(), self.open.clone())
    }

    /// What ends one listener.
    pub(super) fn closing(&self) -> Closing {
        Closing {
            gently: self.gently.clone(),
            now: self.stop.child_token(),
        }
    }

    /// Closes the ports; what is open goes on.
    pub(super) async fn give_up(&self) {
        self.gently.cancel();
        self.listening.close();
        self.listening.wait().await;
    }

    /// Waits until nothing is open.
    pub(super) async fn emptied(&self) {
        self.open.close();
        self.open.wait().await;
    }
}
