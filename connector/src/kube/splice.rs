//! What follows a 101: raw bytes both ways, however long. They belong to client and pod and are not read here.

use adit_proto::Reason;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;

use super::answer::Outcome;
use super::upstream::Raw;
use crate::h1::Ending;
use crate::metered::{Meter, Metered};

/// Both ends of a stream that switched protocols.
#[derive(Debug)]
pub(super) struct Splice {
    client: OnUpgrade,
    upstream: Metered<Raw, Outcome>,
    /// Frees a connection to the API server.
    _slot: OwnedSemaphorePermit,
}

impl Meter for Outcome {
    fn received(&mut self, bytes: u64) {
        self.received
            .bytes
            .fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    }

    fn sent(&mut self, bytes: u64) {
        self.event.sent_bytes += bytes;
    }
}

impl Splice {
    pub(super) fn new(
        client: OnUpgrade,
        upstream: Raw,
        outcome: Outcome,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            client,
            upstream: Metered::new(upstream, outcome),
            _slot: slot,
        }
    }

    /// Carries bytes until both ends have closed, each direction by itself.
    ///
    /// # Cancel safety
    /// Dropping it cuts both sides off.
    pub(super) async fn run(mut self, ending: &impl Ending) {
        let Ok(client) = self.client.await else {
            return;
        };
        ending.pass_through();
        let carried = self.upstream.carry(&mut TokioIo::new(client)).await;
        self.upstream.meter.whole = carried.is_ok();
        if self.upstream.is_broken() {
            ending.cut_off(Reason::TargetOffline);
            let reason = &mut self.upstream.meter.event.reason;
            Reason::TargetOffline.as_str().clone_into(reason);
        }
    }
}
