//! Sessions: opened through the API, kept for as long as they live, opened again by themselves.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::key::{Fingerprint, PublicKey};
use adit_proto::target::Target;
use adit_proto::time::UnixMillis;
use adit_transport::cid::RouteId;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{Api, ask};
use crate::clock;
use crate::exit::Failure;
use crate::flight::Flights;
use crate::roster::Followed;

/// A session that ends this soon is not used for something new.
const MARGIN: Duration = Duration::from_secs(2);
/// How long a cluster may be missing in the roster after the gateway named it.
const ROSTER_PATIENCE: Duration = Duration::from_secs(2);

/// A session as the gateway told it, and as far as the roster agrees.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// What it reaches.
    pub target: Target,
    /// The cluster's key, by the roster.
    pub cluster_key: PublicKey,
    /// The connector's process.
    pub instance: [u8; 16],
    /// Where it is.
    pub route: RouteId,
    /// When it ends.
    pub expires: UnixMillis,
    /// Cancelled when it ends; its streams end then.
    pub over: CancellationToken,
    why: Arc<OnceLock<Reason>>,
}

impl Session {
    /// Why it ended, once it did.
    #[must_use]
    pub fn ended(&self) -> Option<Reason> {
        self.why.get().copied()
    }

    fn end(&self, reason: Reason) {
        // The first reason is the one that its streams ended for.
        let _ = self.why.set(reason);
        self.over.cancel();
    }
}

#[derive(Deserialize)]
struct Told {
    session_id: String,
    cluster_key: String,
    instance: String,
    route: String,
    expires_ms: u64,
}

#[derive(Deserialize)]
struct Listed {
    sessions: Vec<ListedSession>,
}

#[derive(Deserialize)]
struct ListedSession {
    id: String,
    expires_ms: u64,
}

/// The sessions of this device.
pub struct Sessions {
    api: Arc<dyn Api>,
    roster: Arc<Followed>,
    held: Arc<Mutex<HashMap<Target, Session>>>,
    flights: Flights<Target, Result<Session, Failure>>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions")
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// No sessions; `tasks` owns the openings.
    #[must_use]
    pub fn new(api: Arc<dyn Api>, roster: Arc<Followed>, tasks: TaskTracker) -> Self {
        let held = Arc::default();
        let flights = Flights::new(tasks);
        Self {
            api,
            roster,
            held,
            flights,
        }
    }

    /// The session for `target`, opened if there is none.
    ///
    /// # Errors
    /// What the gateway said; [`Reason::EvidenceInvalid`] if it names another key than the roster's.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn get(&self, target: &Target) -> Result<Session, Failure> {
        if let Some(session) = self.held.lock().get(target)
            && session.expires > clock::now().after(MARGIN)
            && !session.over.is_cancelled()
        {
            return Ok(session.clone());
        }
        let begin = || {
            let (api, roster) = (self.api.clone(), self.roster.clone());
            let (held, target) = (self.held.clone(), target.clone());
            async move {
                let session = open(api.as_ref(), &roster, &target).await?;
                if let Some(old) = held.lock().insert(target, session.clone()) {
                    old.end(Reason::SessionExpired);
                }
                Ok(session)
            }
        };
        let opened = self.flights.join(target.clone(), begin).await;
        opened.unwrap_or_else(|| Err(Failure::new("the session could not be opened")))
    }

    /// Learns until when the sessions go on after a new sign-in. Those that the gateway does not name stay as they were.
    ///
    /// # Cancel safety
    /// Nothing is lost: a session that seems to end is opened anew when it is used.
    pub async fn renewed(&self) {
        let listed = ask(self.api.as_ref(), Method::GET, "/v1/sessions", None).await;
        let listed: Listed = match listed {
            Ok(listed) => listed,
            Err(failure) => {
                tracing::debug!(%failure, "The sessions could not be listed.");
                return;
            }
        };
        let mut held = self.held.lock();
        for session in held.values_mut() {
            let id = session.id.to_string();
            if let Some(told) = listed.sessions.iter().find(|told| told.id == id) {
                session.expires = UnixMillis(told.expires_ms);
            }
        }
    }

    /// Forgets a session that ended or does not work; the next use opens another.
    pub fn forget(&self, session: SessionId, reason: Reason) {
        self.end_where(reason, |held| held.id == session);
    }

    /// Forgets the sessions of one connector's process, which is gone.
    pub fn forget_instance(&self, cluster_key: &Fingerprint, instance: &[u8; 16]) {
        self.end_where(Reason::TargetOffline, |held| {
            held.instance == *instance && held.cluster_key.fingerprint() == *cluster_key
        });
    }

    /// Forgets every session: what they rest on has ended.
    pub fn forget_all(&self, reason: Reason) {
        self.end_where(reason, |_| true);
    }

    /// Ends sessions whose cluster the roster trusts no more.
    pub fn judge_by_roster(&self) {
        self.end_where(Reason::SessionRevoked, |held| {
            self.roster.cluster_key(held.target.cluster()).as_ref() != Some(&held.cluster_key)
        });
    }

    /// The sessions that are held.
    #[must_use]
    pub fn held(&self) -> Vec<Session> {
        self.held.lock().values().cloned().collect()
    }

    fn end_where(&self, reason: Reason, wanted: impl Fn(&Session) -> bool) {
        self.held.lock().retain(|_, held| {
            let ends = wanted(held);
            if ends {
                held.end(reason);
            }
            !ends
        });
    }
}

async fn open(api: &dyn Api, roster: &Followed, target: &Target) -> Result<Session, Failure> {
    let body = json!({"target": target.to_string()});
    let told: Told = ask(api, Method::POST, "/v1/sessions", Some(body)).await?;
    let cluster = target.cluster();
    // C15: the key of a link is the roster's. That the gateway names another is worth a word of its own.
    let named = STANDARD.decode(&told.cluster_key).unwrap_or_default();
    let known = |roster: &adit_proto::roster::Roster| {
        let known = roster.cluster(cluster);
        known.is_some_and(|known| known.revoked.is_none() && known.key.spki() == named.as_slice())
    };
    if roster.wait_for(ROSTER_PATIENCE, known).await.is_err() {
        let message = match roster.cluster_key(cluster) {
            Some(_) => {
                format!("the gateway names another key for the cluster {cluster} than the roster")
            }
            None => format!("the roster has no cluster {cluster}"),
        };
        return Err(Failure::of(Reason::EvidenceInvalid, message)
            .repaired_by("tell an admin: the gateway may be hostile"));
    }
    let unreadable = || {
        let message = "the gateway's session cannot be read";
        Failure::of(Reason::VersionUnsupported, message)
    };
    let cluster_key = roster.cluster_key(cluster).ok_or_else(unreadable)?;
    let instance = STANDARD.decode(&told.instance).map_err(|_| unreadable())?;
    let route = u64::from_str_radix(&told.route, 16).map_err(|_| unreadable())?;
    Ok(Session {
        id: told.session_id.parse().map_err(|_| unreadable())?,
        target: target.clone(),
        cluster_key,
        instance: instance.try_into().map_err(|_| unreadable())?,
        route: RouteId::from_bits(route).ok_or_else(unreadable)?,
        expires: UnixMillis(told.expires_ms),
        over: CancellationToken::new(),
        why: Arc::default(),
    })
}

#[cfg(test)]
mod tests;
