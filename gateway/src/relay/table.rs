//! Who is where, and who may reach whom.
//!
//! Two structures: the registry, behind a mutex, which registrations and announcements change; and what follows from it
//! for the path of a datagram, a hash map behind a read lock that is written only when the registry changes.

use std::net::SocketAddr;
use std::sync::Arc;

use adit_transport::cid::RouteId;
use adit_transport::rebind::BindKey;
use parking_lot::{Mutex, RwLock};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Place, Relay};

/// What a datagram's source address and destination route lead to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forward {
    source: RouteId,
    pub(super) to: Place,
}

#[derive(Debug)]
pub(super) struct Party {
    pub(super) place: Place,
    pub(super) key: BindKey,
    /// The highest counter of a genuine message about this route.
    pub(super) counter: u64,
    registration: u64,
}

#[derive(Debug, Default)]
pub(super) struct Registry {
    parties: FxHashMap<RouteId, Party>,
    pairs: FxHashMap<RouteId, FxHashSet<RouteId>>,
    registrations: u64,
}

/// Says which registration of a route is meant, so that an old control connection's end does not end a new one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    route: RouteId,
    number: u64,
}

impl Registration {
    /// The route that was registered.
    #[must_use]
    pub const fn route(&self) -> RouteId {
        self.route
    }
}

#[derive(Debug, Default)]
pub(super) struct Table {
    registry: Mutex<Registry>,
    forwards: RwLock<FxHashMap<(SocketAddr, RouteId), Forward>>,
    /// Addresses of registered parties and of complete connections, with the number of reasons to know them.
    known: RwLock<FxHashMap<SocketAddr, u32>>,
}

/// Keeps an address admitted for as long as it is kept.
#[derive(Debug)]
pub struct Admission {
    addr: SocketAddr,
    relay: Arc<Relay>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.relay.table.forget(self.addr);
    }
}

impl Table {
    /// What the path of a datagram asks: once for each run.
    #[inline]
    pub(super) fn forward(&self, source: SocketAddr, destination: RouteId) -> Option<Place> {
        let forwards = self.forwards.read();
        forwards
            .get(&(source, destination))
            .map(|forward| forward.to)
    }

    pub(super) fn knows(&self, addr: SocketAddr) -> bool {
        self.known.read().contains_key(&addr)
    }

    pub(super) fn admit(&self, addr: SocketAddr, relay: Arc<Relay>) -> Admission {
        self.know(addr);
        Admission { addr, relay }
    }

    pub(super) fn place_of(&self, route: RouteId) -> Option<Place> {
        self.registry
            .lock()
            .parties
            .get(&route)
            .map(|party| party.place)
    }

    pub(super) fn register(&self, route: RouteId, place: Place, key: BindKey) -> Registration {
        let mut registry = self.registry.lock();
        self.disconnect(&mut registry, route);
        registry.registrations += 1;
        let number = registry.registrations;
        registry.parties.insert(
            route,
            Party {
                place,
                key,
                counter: 0,
                registration: number,
            },
        );
        self.connect(&registry, route);
        Registration { route, number }
    }

    pub(super) fn unregister(&self, registration: Registration) {
        let mut registry = self.registry.lock();
        let current = registry.parties.get(&registration.route);
        if current.is_some_and(|party| party.registration == registration.number) {
            self.disconnect(&mut registry, registration.route);
        }
    }

    pub(super) fn announce(&self, a: RouteId, b: RouteId) {
        let mut registry = self.registry.lock();
        registry.pairs.entry(a).or_default().insert(b);
        registry.pairs.entry(b).or_default().insert(a);
        let mut forwards = self.forwards.write();
        registry.connect_pair(&mut forwards, a, b);
    }

    pub(super) fn withdraw(&self, a: RouteId, b: RouteId) {
        let mut registry = self.registry.lock();
        for (one, other) in [(a, b), (b, a)] {
            if let Some(peers) = registry.pairs.get_mut(&one) {
                peers.remove(&other);
                if peers.is_empty() {
                    registry.pairs.remove(&one);
                }
            }
        }
        let mut forwards = self.forwards.write();
        registry.disconnect_pair(&mut forwards, a, b);
    }

    /// Changes a registered party by `change`, which returns where it moves to, if it moves.
    pub(super) fn change<T>(
        &self,
        route: RouteId,
        change: impl FnOnce(&mut Party) -> Option<(Option<Place>, T)>,
    ) -> Option<T> {
        let mut registry = self.registry.lock();
        let (to, result) = change(registry.parties.get_mut(&route)?)?;
        if let Some(place) = to {
            let party = self.disconnect(&mut registry, route)?;
            registry.parties.insert(route, Party { place, ..party });
            self.connect(&registry, route);
        }
        Some(result)
    }

    fn connect(&self, registry: &Registry, route: RouteId) {
        if let Some(party) = registry.parties.get(&route) {
            self.know(party.place.addr);
        }
        let mut forwards = self.forwards.write();
        for peer in registry.peers_of(route) {
            registry.connect_pair(&mut forwards, route, peer);
        }
    }

    fn disconnect(&self, registry: &mut Registry, route: RouteId) -> Option<Party> {
        {
            let mut forwards = self.forwards.write();
            for peer in registry.peers_of(route) {
                registry.disconnect_pair(&mut forwards, route, peer);
            }
        }
        let party = registry.parties.remove(&route)?;
        self.forget(party.place.addr);
        Some(party)
    }

    fn know(&self, addr: SocketAddr) {
        *self.known.write().entry(addr).or_default() += 1;
    }

    fn forget(&self, addr: SocketAddr) {
        let mut known = self.known.write();
        if let Some(reasons) = known.get_mut(&addr) {
            *reasons = reasons.saturating_sub(1);
            if *reasons == 0 {
                known.remove(&addr);
            }
        }
    }
}

type Forwards = FxHashMap<(SocketAddr, RouteId), Forward>;

impl Registry {
    fn peers_of(&self, route: RouteId) -> impl Iterator<Item = RouteId> {
        self.pairs.get(&route).into_iter().flatten().copied()
    }

    /// Both directions, if both parties are registered.
    fn connect_pair(&self, forwards: &mut Forwards, a: RouteId, b: RouteId) {
        let (Some(at_a), Some(at_b)) = (self.parties.get(&a), self.parties.get(&b)) else {
            return;
        };
        forwards.insert(
            (at_a.place.addr, b),
            Forward {
                source: a,
                to: at_b.place,
            },
        );
        forwards.insert(
            (at_b.place.addr, a),
            Forward {
                source: b,
                to: at_a.place,
            },
        );
    }

    fn disconnect_pair(&self, forwards: &mut Forwards, a: RouteId, b: RouteId) {
        for (source, destination) in [(a, b), (b, a)] {
            let Some(party) = self.parties.get(&source) else {
                continue;
            };
            let key = (party.place.addr, destination);
            // A later party may have been given the address of an earlier one, which is still leased.
            if forwards
                .get(&key)
                .is_some_and(|forward| forward.source == source)
            {
                forwards.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
