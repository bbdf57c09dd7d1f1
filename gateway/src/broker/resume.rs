//! Going on: after a restart of the gateway, and when a party comes back or stays away.

use std::collections::HashSet;
use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::sign_in::SignInRequest;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{Pair as WirePair, Register, SessionEnded};
use adit_transport::cid::RouteId;
use tokio::time::sleep;

use super::Broker;
use super::table::{LiveSession, Pair};
use crate::caller::Identity;
use crate::registry::Live;
use crate::store::StoreError;
use crate::store::sessions::Session;

/// Ends that one registration is told the reasons of: more than a device has sessions, unless it makes them up.
const EXPLAINED: usize = 256;

impl Broker {
    /// Takes up the sessions of the store, and announces their pairs: both ends come back by themselves. Who stays away
    /// for a lease loses them.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn resume(self: &Arc<Self>) -> Result<usize, StoreError> {
        let parts = &self.parts;
        let mut routes = HashSet::new();
        let mut resumed = 0;
        for session in parts.store.live_sessions(parts.clock.now()).await? {
            let id = session.id;
            if let Some(live) = self.rebuild(session).await? {
                let pair = live.pair;
                self.table.lock().insert(live);
                parts.relay.announce(pair.device, pair.connector);
                routes.extend([pair.device, pair.connector]);
                resumed += 1;
            } else {
                self.forget(id, Reason::SessionRevoked, parts.clock.now())
                    .await;
                self.note_end(id, Reason::SessionRevoked).await;
            }
        }
        self.judge_all().await;
        for route in routes {
            self.expect_return(route);
        }
        Ok(resumed)
    }

    /// A session of the store with its routes, which every gateway computes alike. `None` if its grounds are gone.
    async fn rebuild(&self, session: Session) -> Result<Option<LiveSession>, StoreError> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let sign_in = match parts.store.live_sign_in(session.sign_in, now).await {
            Ok(sign_in) => Arc::new(sign_in),
            Err(StoreError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(roster) = parts.roster.snapshot() else {
            return Ok(None);
        };
        let cluster = roster.cluster_by_id(session.cluster);
        let (Some(device), Some(cluster)) = (roster.device(session.device), cluster) else {
            return Ok(None);
        };
        let route = &parts.keys.route;
        let pair = Pair {
            device: route.route_of(&device.key, &session.device_instance),
            connector: route.route_of(&cluster.key, &session.instance),
        };
        // Where it signed in from, until its connection shows where it is.
        let Ok(request) = SignInRequest::parse(&sign_in.evidence.sent().request) else {
            return Ok(None);
        };
        let source = request.source_address;
        let device_key = device.key.clone();
        Ok(Some(LiveSession {
            session,
            sign_in,
            device_key,
            source,
            pair,
        }))
    }

    /// Compares what a party still holds with what is live here, and tells its peers that it is here.
    ///
    /// Returns the sessions that it named and that are over.
    pub async fn registered(
        self: &Arc<Self>,
        live: &Live,
        register: &Register,
    ) -> Vec<SessionEnded> {
        let route = live.route();
        let held: HashSet<SessionId> = register
            .sessions
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        let here = self.table.lock().at(route);
        let known: HashSet<SessionId> = here.iter().map(|live| live.session.id).collect();
        for lost in known.difference(&held) {
            self.end(
                *lost,
                Reason::TargetOffline,
                "the other end lost this session",
            )
            .await;
        }
        let source = live.source().ip();
        self.table.lock().moved(route, source);
        let peers: HashSet<RouteId> = self
            .table
            .lock()
            .at(route)
            .iter()
            .filter_map(|one| one.pair.other(route))
            .collect();
        for pair in self.table.lock().at(route).iter().map(|one| one.pair) {
            self.parts.relay.announce(pair.device, pair.connector);
        }
        for peer in &peers {
            let Some(other) = self.parts.registry.by_route(*peer) else {
                continue;
            };
            let of = |route: RouteId| {
                Message::Pair(WirePair {
                    route: route.bits(),
                    withdrawn: false,
                })
            };
            live.send(of(*peer));
            other.send(of(route));
        }
        let still = |bits: &u64| peers.iter().any(|peer| peer.bits() == *bits);
        for lost in register.peer_routes.iter().filter(|bits| !still(bits)) {
            let (route, withdrawn) = (*lost, true);
            live.send(Message::Pair(WirePair { route, withdrawn }));
        }
        let is_known = |text: &&String| text.parse().is_ok_and(|id| known.contains(&id));
        let over = register.sessions.iter().filter(|text| !is_known(text));
        self.lost(live, over).await
    }

    /// Says why sessions are over that a party named.
    async fn lost(
        &self,
        live: &Live,
        over: impl Iterator<Item = &String> + Send,
    ) -> Vec<SessionEnded> {
        let mut lost = Vec::new();
        for (at, text) in over.enumerate() {
            let end = if at < EXPLAINED {
                self.end_of(live, text).await
            } else {
                None
            };
            lost.push(SessionEnded {
                session_id: text.clone(),
                reason: end.unwrap_or(Reason::SessionExpired).to_string(),
                detail: String::new(),
            });
        }
        lost
    }

    /// Why a session is over that a device names as its own. A connector needs no reason: it judges by itself.
    async fn end_of(&self, live: &Live, text: &str) -> Option<Reason> {
        let Identity::Device { id: device, .. } = live.party().identity() else {
            return None;
        };
        let id = text.parse().ok()?;
        let ending = self.table.lock().ending(id);
        let end = match ending {
            Some(end) => end,
            None => self.parts.store.session_end(id).await.ok()??,
        };
        (end.device == *device).then_some(end.reason)
    }

    /// Ends the sessions of a process that does not come back within a lease.
    pub fn expect_return(self: &Arc<Self>, route: RouteId) {
        let (broker, lease) = (Arc::clone(self), self.parts.lives.lease);
        self.parts.tasks.spawn(async move {
            let stopping = &broker.parts.stopping;
            if stopping.run_until_cancelled(sleep(lease)).await.is_none() {
                return;
            }
            if broker.parts.registry.by_route(route).is_some() {
                return;
            }
            let lost = broker.table.lock().at(route);
            for live in lost {
                let (reason, detail) = if live.pair.connector == route {
                    (Reason::TargetOffline, "the connector went away")
                } else {
                    (Reason::LeaseExpired, "the device went away")
                };
                broker.end(live.session.id, reason, detail).await;
            }
        });
    }
}
