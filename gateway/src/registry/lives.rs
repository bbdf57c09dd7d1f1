//! The live parties, found by route and by who they are: a registration, an offer and a listing look at their own.

use std::collections::HashMap;
use std::sync::Arc;

use adit_transport::cid::RouteId;

use super::Live;
use crate::store::parties::PartyId;

/// Both ways to find a party. Each route is in both, and no other.
#[derive(Debug, Default)]
pub(super) struct Lives {
    by_route: HashMap<RouteId, Arc<Live>>,
    /// The oldest connection first.
    by_party: HashMap<PartyId, Vec<RouteId>>,
}

impl Lives {
    /// Adds a connection, and returns the one that it replaces.
    pub(super) fn insert(&mut self, live: &Arc<Live>) -> Option<Arc<Live>> {
        let before = self.by_route.insert(live.route, Arc::clone(live));
        if let Some(before) = &before {
            self.forget(before);
        }
        let of_party = self.by_party.entry(live.party.row()).or_default();
        of_party.push(live.route);
        before
    }

    /// Removes a connection, unless its route is another's by now. Returns whether it was there.
    pub(super) fn remove(&mut self, live: &Live) -> bool {
        let held = self.by_route.get(&live.route);
        let same = held.is_some_and(|held| held.id == live.id);
        if same {
            self.by_route.remove(&live.route);
            self.forget(live);
        }
        same
    }

    fn forget(&mut self, live: &Live) {
        let party = live.party.row();
        if let Some(of_party) = self.by_party.get_mut(&party) {
            of_party.retain(|route| *route != live.route);
            if of_party.is_empty() {
                self.by_party.remove(&party);
            }
        }
    }

    pub(super) fn by_route(&self, route: RouteId) -> Option<&Arc<Live>> {
        self.by_route.get(&route)
    }

    /// The connections of one device or cluster, the oldest first.
    pub(super) fn of(&self, party: PartyId) -> impl DoubleEndedIterator<Item = &Arc<Live>> {
        let routes = self.by_party.get(&party).into_iter().flatten();
        routes.filter_map(|route| self.by_route.get(route))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Live>> {
        self.by_route.values()
    }
}
