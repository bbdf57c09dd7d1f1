//! The live sessions of this gateway and the pairs of routes that they need.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::id::{DeviceId, SessionId, UserId};
use adit_proto::key::PublicKey;
use adit_transport::cid::RouteId;

use super::Denied;
use super::counts::Counts;
use crate::config::Limits;
use crate::store::sessions::{Session, SessionEnd};
use crate::store::sign_ins::SignIn;

/// A session with what it takes to judge it anew and to tell its ends.
#[derive(Clone, Debug)]
pub(super) struct LiveSession {
    pub(super) session: Session,
    pub(super) sign_in: Arc<SignIn>,
    pub(super) device_key: PublicKey,
    pub(super) source: IpAddr,
    pub(super) pair: Pair,
}

/// The two processes that a session joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    pub(super) device: RouteId,
    pub(super) connector: RouteId,
}

impl Pair {
    pub(super) fn has(self, route: RouteId) -> bool {
        self.device == route || self.connector == route
    }

    /// The other end, if `route` is one.
    pub(super) fn other(self, route: RouteId) -> Option<RouteId> {
        match route {
            _ if route == self.device => Some(self.connector),
            _ if route == self.connector => Some(self.device),
            _ => None,
        }
    }
}

/// Sessions by id, counted by whose they are and which pair they need.
#[derive(Debug, Default)]
pub(super) struct Table {
    by_id: HashMap<SessionId, LiveSession>,
    of_device: Counts<DeviceId>,
    of_user: Counts<UserId>,
    of_pair: Counts<Pair>,
    /// Over, and not yet stored as such.
    ending: HashMap<SessionId, SessionEnd>,
}

impl Table {
    pub(super) fn insert(&mut self, live: LiveSession) {
        self.of_device.add(live.session.device);
        self.of_user.add(live.session.user);
        self.of_pair.add(live.pair);
        if let Some(before) = self.by_id.insert(live.session.id, live) {
            self.uncount(&before);
        }
    }

    /// Lets a session that is here still rest on a new sign-in.
    pub(super) fn renew(&mut self, session: Session, sign_in: Arc<SignIn>) {
        if let Some(live) = self.by_id.get_mut(&session.id) {
            live.session = session;
            live.sign_in = sign_in;
        }
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&LiveSession> {
        self.by_id.get(&id)
    }

    /// Removes a session, whose end is remembered until [`Table::settled`]. The flag says whether another one still needs
    /// its pair.
    pub(super) fn remove(&mut self, id: SessionId, reason: Reason) -> Option<(LiveSession, bool)> {
        let removed = self.by_id.remove(&id)?;
        self.uncount(&removed);
        let device = removed.session.device;
        self.ending.insert(id, SessionEnd { device, reason });
        let shared = self.of_pair.of(&removed.pair) > 0;
        Some((removed, shared))
    }

    /// The end of a session that the store may not have yet.
    pub(super) fn ending(&self, id: SessionId) -> Option<SessionEnd> {
        self.ending.get(&id).copied()
    }

    /// The store has the end of a session, or cannot take it.
    pub(super) fn settled(&mut self, id: SessionId) {
        self.ending.remove(&id);
    }

    fn uncount(&mut self, live: &LiveSession) {
        self.of_device.take(&live.session.device);
        self.of_user.take(&live.session.user);
        self.of_pair.take(&live.pair);
    }

    pub(super) fn sessions(&self) -> Vec<Session> {
        self.by_id
            .values()
            .map(|live| live.session.clone())
            .collect()
    }

    pub(super) fn all(&self) -> Vec<LiveSession> {
        self.by_id.values().cloned().collect()
    }

    /// Those with an end at `route`.
    pub(super) fn at(&self, route: RouteId) -> Vec<LiveSession> {
        let at = |live: &&LiveSession| live.pair.has(route);
        self.by_id.values().filter(at).cloned().collect()
    }

    pub(super) fn of_pair(&self, pair: Pair) -> Vec<SessionId> {
        let ids = self.by_id.values().filter(|live| live.pair == pair);
        ids.map(|live| live.session.id).collect()
    }

    /// Whether one more session of this user on this device is within the limits.
    pub(super) fn has_room(
        &self,
        limits: &Limits,
        user: UserId,
        device: DeviceId,
    ) -> Result<(), Denied> {
        let counts = [
            (
                "this device has",
                self.of_device.of(&device),
                limits.sessions_per_device,
            ),
            ("you have", self.of_user.of(&user), limits.sessions_per_user),
        ];
        match counts.into_iter().find(|(_, count, limit)| count >= limit) {
            None => Ok(()),
            Some((who, count, _)) => Err(Denied::with(
                Reason::LimitReached,
                format!(
                    "{who} {count} sessions, as many as there may be; `adit sessions` lists them, and `adit sessions --end ID` ends one"
                ),
            )),
        }
    }

    /// Notes where a device is now, and returns the sessions that this concerns.
    pub(super) fn moved(&mut self, route: RouteId, to: IpAddr) -> Vec<LiveSession> {
        let mut concerned = Vec::new();
        for live in self
            .by_id
            .values_mut()
            .filter(|live| live.pair.device == route)
        {
            live.source = to;
            concerned.push(live.clone());
        }
        concerned
    }
}
