//! The broker: opens sessions, ends them, and keeps their pairs of routes announced.
//!
//! ```text
//! open ──judged──▶ stored ──offer──▶ accepted ──pair announced──▶ live ──▶ ended (once, with a reason)
//!   └─ denied       └──────── refused, or 2.5 s pass ──────────────────────▶
//! ```
//!
//! The gateway's word only ever denies more: a connector judges each offer itself and believes nothing of it. A session
//! is stored before anybody is told of it, so a gateway that restarts goes on with it. Each new statement, policy,
//! suspension and address has the sessions that it may concern judged anew.

mod counts;
mod ending;
mod judge;
mod listing;
mod open;
mod renew;
mod resume;
mod table;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::key::PublicKey;
use adit_proto::wire::control::offer_answer::Answer;
use adit_transport::cid::RouteId;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use listing::{ClusterSeen, ServiceSeen};

use crate::audit::Audit;
use crate::clock::{Clock, Entropy};
use crate::config::{Limits, Lives};
use crate::policy_in_force::Policies;
use crate::registry::{LiveId, Registry};
use crate::relay::Relay;
use crate::roster_log::RosterLog;
use crate::state::Keys;
use crate::store::Store;
use crate::store::sessions::Session;
use crate::suspension::Suspensions;
use table::Table;

/// How long a connector has to answer an offer: it waits up to 2 s for its roster, and the way there and back.
const ANSWER: Duration = Duration::from_millis(2_500);
/// How long a connector has to confirm that it ended a session, before the relay stops forwarding for it.
const CONFIRM: Duration = Duration::from_millis(500);

/// Why something is denied: what the caller is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Denied {
    /// The reason that is shown.
    pub reason: Reason,
    /// A sentence for who is denied. It says nothing that he may not know.
    pub detail: String,
}

impl Denied {
    /// With the reason's own sentence.
    #[must_use]
    pub fn of(reason: Reason) -> Self {
        Self::with(reason, reason.repair())
    }

    /// What is not in the gateway's own log does not happen.
    pub(crate) fn unrecorded() -> Self {
        let detail = "the gateway's audit log cannot be written";
        Self::with(Reason::AuditUnavailable, detail)
    }

    /// With a sentence.
    #[must_use]
    pub fn with(reason: Reason, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { reason, detail }
    }
}

/// A session that a client may use now.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The session.
    pub session: Session,
    /// The key that the other end of the link must prove.
    pub cluster_key: PublicKey,
    /// Where the link is dialled to.
    pub route: RouteId,
}

/// What the broker works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// How long things live.
    pub lives: Lives,
    /// How many sessions there may be.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
    /// For ids.
    pub entropy: Entropy,
    /// The deployment's keys: route ids are made with them.
    pub keys: Keys,
    /// Where sessions are kept.
    pub store: Store,
    /// Where decisions are noted.
    pub audit: Arc<Audit>,
    /// Who is who.
    pub roster: Arc<RosterLog>,
    /// Whom the gateway denies.
    pub suspensions: Arc<Suspensions>,
    /// What is allowed.
    pub policies: Arc<Policies>,
    /// Who is here.
    pub registry: Arc<Registry>,
    /// What forwards.
    pub relay: Arc<Relay>,
    /// Owner of timers.
    pub tasks: TaskTracker,
    /// Ends them.
    pub stopping: CancellationToken,
}

/// The broker.
#[derive(Debug)]
pub struct Broker {
    parts: Parts,
    table: Mutex<Table>,
    offers: Mutex<HashMap<SessionId, Offered>>,
    unconfirmed: Mutex<HashMap<SessionId, Unconfirmed>>,
}

/// An offer that waits for its answer.
#[derive(Debug)]
struct Offered {
    /// Whom it was sent to: nobody else's answer counts.
    to: LiveId,
    answer: oneshot::Sender<Answer>,
}

/// An end that the connector has not confirmed.
#[derive(Debug)]
struct Unconfirmed {
    /// The connector's: nobody else confirms.
    route: RouteId,
    confirm: oneshot::Sender<()>,
}

impl Broker {
    /// Makes a broker without sessions; [`Broker::resume`] adds those of the store.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            table: Mutex::default(),
            offers: Mutex::default(),
            unconfirmed: Mutex::default(),
        }
    }

    /// The live sessions, oldest first.
    #[must_use]
    pub fn live(&self) -> Vec<Session> {
        let mut sessions = self.table.lock().sessions();
        sessions.sort_by_key(|session| (session.opened, session.id));
        sessions
    }
}
