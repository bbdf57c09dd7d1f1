//! The live sessions of this gateway and the pairs of routes that they need.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use adit_proto::id::{DeviceId, SessionId};
use adit_proto::key::PublicKey;
use adit_transport::cid::RouteId;

use crate::store::sessions::Session;
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

/// Sessions by id.
#[derive(Debug, Default)]
pub(super) struct Table(HashMap<SessionId, LiveSession>);

impl Table {
    pub(super) fn insert(&mut self, live: LiveSession) {
        self.0.insert(live.session.id, live);
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&LiveSession> {
        self.0.get(&id)
    }

    /// Removes a session. The flag says whether another one still needs its pair.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<(LiveSession, bool)> {
        let removed = self.0.remove(&id)?;
        let shared = self.0.values().any(|live| live.pair == removed.pair);
        Some((removed, shared))
    }

    pub(super) fn sessions(&self) -> Vec<Session> {
        self.0.values().map(|live| live.session.clone()).collect()
    }

    pub(super) fn all(&self) -> Vec<LiveSession> {
        self.0.values().cloned().collect()
    }

    /// Those with an end at `route`.
    pub(super) fn at(&self, route: RouteId) -> Vec<LiveSession> {
        let at = |live: &&LiveSession| live.pair.has(route);
        self.0.values().filter(at).cloned().collect()
    }

    pub(super) fn of_pair(&self, pair: Pair) -> Vec<SessionId> {
        let ids = self.0.values().filter(|live| live.pair == pair);
        ids.map(|live| live.session.id).collect()
    }

    pub(super) fn count_of(&self, device: DeviceId) -> usize {
        let of = |live: &&LiveSession| live.session.device == device;
        self.0.values().filter(of).count()
    }

    /// Notes where a device is now, and returns the sessions that this concerns.
    pub(super) fn moved(&mut self, route: RouteId, to: IpAddr) -> Vec<LiveSession> {
        let mut concerned = Vec::new();
        for live in self.0.values_mut().filter(|live| live.pair.device == route) {
            live.source = to;
            concerned.push(live.clone());
        }
        concerned
    }
}
