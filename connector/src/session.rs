//! Sessions: what a user may reach now, as this connector has verified it.
//!
//! ```text
//! Offer ─ offer::read ─▶ Claim ─ offer::decide ─▶ Verified ─▶ Session { Claim, Standing } ─▶ ended, once, with a Reason
//!                          ▲                                     │
//!                          └──── decided anew ◀── statement, policy, route moved, time
//! ```
//!
//! The gateway's word is the claim; the standing is the connector's own. Ending a session resets its streams at once.

pub mod lease;
pub mod offer;
mod proxying;
mod refusal;
mod standing;
pub mod table;
mod user_streams;

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::key::Fingerprint;
use adit_proto::target::Target;
use adit_proto::wire::audit::Actor;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::clock::Boot;
use offer::Claim;

pub use proxying::Proxying;
pub use refusal::Refusal;
pub use standing::Standing;
pub use table::Table;
use user_streams::UserStreams;

/// When a session ends by itself.
#[derive(Clone, Copy, Debug)]
struct Life {
    expires: Boot,
    /// Why it ends then: its own end or its sign-in's.
    expiry: Reason,
    idle: Duration,
}

/// A session. It is served from acceptance until it has ended, which happens once.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    target: Target,
    device: Fingerprint,
    claim: ArcSwap<Claim>,
    standing: ArcSwap<Standing>,
    life: Mutex<Life>,
    streams: AtomicUsize,
    user_streams: UserStreams,
    /// Milliseconds of CLOCK_BOOTTIME when the last stream ended.
    used: AtomicU64,
    reason: OnceLock<Reason>,
    end: CancellationToken,
}

impl Session {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Its one target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The fingerprint of the device key whose link may carry it.
    #[must_use]
    pub fn device(&self) -> Fingerprint {
        self.device
    }

    /// Who acts, for audit.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.standing.load().actor().clone()
    }

    /// Why it ended; `None` while it lives.
    #[must_use]
    pub fn ended(&self) -> Option<Reason> {
        self.reason.get().copied()
    }

    /// Why something in it was cut off, for audit; empty as long as it lives: then whoever asked for it gave it up.
    #[must_use]
    pub fn cut(&self) -> &'static str {
        self.ended().map_or("", Reason::as_str)
    }

    /// Waits for its end.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn over(&self) -> Reason {
        self.end.cancelled().await;
        // Set before the token.
        self.ended().unwrap_or(Reason::SessionRevoked)
    }

    /// Ends it. `false` if it had ended already.
    fn end(&self, reason: Reason) -> bool {
        let first = self.reason.set(reason).is_ok();
        self.end.cancel();
        first
    }

    /// Why it ends at `now` by itself.
    fn due(&self, now: Boot) -> Option<Reason> {
        let life = *self.life.lock();
        if now >= life.expires {
            return Some(life.expiry);
        }
        let unused = self.streams.load(Ordering::Acquire) == 0;
        let used = Boot(Duration::from_millis(self.used.load(Ordering::Acquire)));
        (unused && now.since(used) >= life.idle).then_some(Reason::SessionIdle)
    }

    /// Takes note of where its device is now, if it is at the end of `route`. `false` if it is not.
    fn moved(&self, route: u64, source: IpAddr) -> bool {
        // An offer may bring another claim meanwhile, which must not be lost.
        let before = self.claim.rcu(|claim| {
            let mut claim = Claim::clone(claim);
            if claim.device_route == route {
                claim.source = source;
            }
            claim
        });
        before.device_route == route
    }

    fn touch(&self, now: Boot) {
        let ms = u64::try_from(now.0.as_millis()).unwrap_or(u64::MAX);
        self.used.fetch_max(ms, Ordering::AcqRel);
    }
}
