//! The sessions of this process.

mod admission;
mod review;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::key::Fingerprint;
use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;

use super::Session;
use super::lease::Lease;
use super::offer::Bounds;
use super::user_streams::{OfUsers, UserStream};
use crate::audit::{Audit, event};
use crate::clock::Clock;
use crate::roster::Book;

/// How many ends may wait for a control connection. One that is further behind is closed, and registers anew with the
/// sessions that are left.
const ENDS: usize = 1024;

/// A session ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub session: SessionId,
    /// Why.
    pub reason: Reason,
}

/// What the table works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Roster and policy.
    pub book: Arc<Book>,
    /// What the cluster's owner configured.
    pub bounds: Bounds,
    /// The audit log.
    pub audit: Audit,
    /// The lease of the gateways.
    pub lease: Arc<Lease>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// How many sessions may be open.
    pub limit: usize,
    /// How many streams one user may have open.
    pub streams_per_user: usize,
}

/// All sessions that live.
#[derive(Debug)]
pub struct Table {
    parts: Parts,
    sessions: RwLock<HashMap<SessionId, Arc<Session>>>,
    users: Mutex<OfUsers>,
    ends: broadcast::Sender<Ended>,
}

/// Counts a stream for as long as it is served: a session with one is not idle.
#[derive(Debug)]
pub struct OpenStream {
    session: Arc<Session>,
    _of_user: UserStream,
    clock: Arc<dyn Clock>,
}

impl OpenStream {
    /// The stream's session.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.session.touch(self.clock.boot());
        self.session.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            sessions: RwLock::default(),
            users: Mutex::default(),
            ends: broadcast::Sender::new(ENDS),
        }
    }

    /// Opens a stream in the session `id`, on a link of the device `device`.
    ///
    /// # Errors
    /// `session_expired` for a session that is not here (the agent opens another then), `unknown_or_forbidden` for one
    /// of another device, and `limit_reached` if its user has as many streams as one may.
    pub fn open_stream(&self, id: SessionId, device: Fingerprint) -> Result<OpenStream, Reason> {
        let session = self.get(id).ok_or(Reason::SessionExpired)?;
        if session.device != device {
            return Err(Reason::UnknownOrForbidden);
        }
        let now = self.parts.clock.boot();
        if let Some(reason) = session.due(now) {
            self.end(id, reason);
            return Err(reason);
        }
        if self.parts.lease.has_run_out(now) {
            return Err(Reason::LeaseExpired);
        }
        let of_user = session.user_streams.open(self.parts.streams_per_user);
        let of_user = of_user.ok_or(Reason::LimitReached)?;
        session.streams.fetch_add(1, Ordering::AcqRel);
        Ok(OpenStream {
            session,
            _of_user: of_user,
            clock: self.parts.clock.clone(),
        })
    }

    /// The session `id`, if it lives.
    #[must_use]
    pub fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.sessions.read().get(&id).cloned()
    }

    /// All sessions that live.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.read().values().cloned().collect()
    }

    /// Ends a session and resets its streams. `false` if it is not here.
    pub fn end(&self, id: SessionId, reason: Reason) -> bool {
        let Some(session) = self.sessions.write().remove(&id) else {
            return false;
        };
        if session.end(reason) {
            self.parts
                .audit
                .note(event::session_over(id.to_string(), reason));
            tracing::info!(session.id = %id, reason = reason.as_str(), "a session ended");
            // Nobody listens while no gateway is there; the next registration says what is left.
            let _ = self.ends.send(Ended {
                session: id,
                reason,
            });
        }
        true
    }

    /// Ends all sessions.
    pub fn end_all(&self, reason: Reason) {
        for session in self.all() {
            self.end(session.id, reason);
        }
    }

    /// Ends what is due: expired, idle, or without a lease.
    pub fn sweep(&self) {
        let now = self.parts.clock.boot();
        let lease = self
            .parts
            .lease
            .has_run_out(now)
            .then_some(Reason::LeaseExpired);
        for session in self.all() {
            if let Some(reason) = lease.or_else(|| session.due(now)) {
                self.end(session.id, reason);
            }
        }
    }

    /// Ids of all sessions, and the routes that their links come from, for a registration.
    #[must_use]
    pub fn held(&self) -> (Vec<String>, Vec<u64>) {
        let all = self.all();
        let mut routes: Vec<u64> = all
            .iter()
            .map(|session| session.claim.load().device_route)
            .collect();
        routes.sort_unstable();
        routes.dedup();
        (
            all.iter().map(|session| session.id.to_string()).collect(),
            routes,
        )
    }

    /// How many sessions there are, and how many streams they have.
    #[must_use]
    pub fn counted(&self) -> (usize, usize) {
        let sessions = self.sessions.read();
        let streams = |session: &Arc<Session>| session.streams.load(Ordering::Acquire);
        (sessions.len(), sessions.values().map(streams).sum())
    }

    /// Tells of each end.
    #[must_use]
    pub fn ends(&self) -> broadcast::Receiver<Ended> {
        self.ends.subscribe()
    }

    /// What the table works with.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }
}

#[cfg(test)]
mod tests;
