//! Who is here: the live control connections, by the route of their process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adit_proto::Reason;
use adit_proto::id::ClusterId;
use adit_proto::target::Name;
use adit_proto::wire::control::frame::Message;
use adit_transport::cid::RouteId;
use parking_lot::RwLock;
use tokio::sync::mpsc;

use crate::caller::{Identity, Party, Role};

/// Frames that wait for a party to read. A party that reads slower than this is closed, and gets everything anew when
/// it comes back: 256 is a burst of offers, far more than an agent has sessions.
pub const FRAMES: usize = 256;

/// Control connections of one device key at most: its processes, of which an agent is one. The replicas of a connector
/// share their cluster's key, and are as many as the cluster wants.
const OF_DEVICE: usize = 8;

/// A control connection of this process. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LiveId(u64);

/// A registered party.
#[derive(Debug)]
pub struct Live {
    id: LiveId,
    party: Party,
    instance: [u8; 16],
    route: RouteId,
    serves: Option<Serves>,
    frames: mpsc::Sender<Message>,
    connection: quinn::Connection,
}

/// What a connector serves, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serves {
    /// Whether it serves an API server.
    pub kubernetes: bool,
    /// Kubernetes groups within its ceiling.
    pub ceiling_groups: Vec<String>,
    /// Services beside the API server.
    pub services: Vec<Service>,
}

/// A service of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// `tcp`.
    pub kind: String,
}

/// What a control connection registers with.
#[derive(Debug)]
pub struct NewLive {
    /// Who it is.
    pub party: Party,
    /// Which process.
    pub instance: [u8; 16],
    /// Its route.
    pub route: RouteId,
    /// What it serves, if it is a connector.
    pub serves: Option<Serves>,
    /// Its connection.
    pub connection: quinn::Connection,
}

impl Live {
    /// Its name in this process.
    #[must_use]
    pub fn id(&self) -> LiveId {
        self.id
    }

    /// Who it is.
    #[must_use]
    pub fn party(&self) -> &Party {
        &self.party
    }

    /// Which process.
    #[must_use]
    pub fn instance(&self) -> &[u8; 16] {
        &self.instance
    }

    /// Its route.
    #[must_use]
    pub fn route(&self) -> RouteId {
        self.route
    }

    /// What it serves, if it is a connector.
    #[must_use]
    pub fn serves(&self) -> Option<&Serves> {
        self.serves.as_ref()
    }

    /// Its connection.
    #[must_use]
    pub fn connection(&self) -> &quinn::Connection {
        &self.connection
    }

    /// Where it is. An IPv4 address is one on a socket of both families too: policies, audit and inventory compare.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        canonical(self.connection.remote_address())
    }

    /// Queues a message. A party whose queue is full is closed: what it missed it gets when it comes back.
    pub fn send(&self, message: Message) {
        if self.frames.try_send(message).is_err() {
            self.close(Reason::LimitReached);
        }
    }

    /// Queues a message, waiting for room.
    pub async fn send_when_read(&self, message: Message) {
        if self.frames.send(message).await.is_err() {
            self.close(Reason::LimitReached);
        }
    }

    /// Ends the connection.
    pub fn close(&self, reason: Reason) {
        close(&self.connection, reason);
    }
}

/// An address without its mapping into IPv6 (RFC 4291, section 2.5.5.2).
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    (address.ip().to_canonical(), address.port()).into()
}

/// Ends a connection with the code of a reason and its name.
pub fn close(connection: &quinn::Connection, reason: Reason) {
    connection.close(reason.code().into(), reason.as_str().as_bytes());
}

/// The oldest connection of a device that has more than it may.
fn surplus(by_route: &HashMap<RouteId, Arc<Live>>, party: &Party) -> Option<Arc<Live>> {
    if party.role() != Role::Device {
        return None;
    }
    let of_device = || {
        by_route
            .values()
            .filter(|live| live.party.key() == party.key())
    };
    let oldest = of_device().min_by_key(|live| live.id.0);
    oldest.filter(|_| of_device().count() > OF_DEVICE).cloned()
}

/// The live parties.
#[derive(Debug, Default)]
pub struct Registry {
    by_route: RwLock<HashMap<RouteId, Arc<Live>>>,
    made: AtomicU64,
}

impl Registry {
    /// Adds a party, and returns what is to be written to it. An older connection of the same process is closed, and
    /// the oldest one of a device that has too many.
    pub fn add(&self, new: NewLive) -> (Arc<Live>, mpsc::Receiver<Message>) {
        let (frames, queued) = mpsc::channel(FRAMES);
        let live = Arc::new(Live {
            id: LiveId(self.made.fetch_add(1, Ordering::Relaxed)),
            party: new.party,
            instance: new.instance,
            route: new.route,
            serves: new.serves,
            frames,
            connection: new.connection,
        });
        let mut by_route = self.by_route.write();
        let before = by_route.insert(live.route, Arc::clone(&live));
        let surplus = surplus(&by_route, live.party());
        drop(by_route);
        if let Some(before) = before {
            before.close(Reason::GatewayUnreachable);
        }
        if let Some(oldest) = surplus {
            oldest.close(Reason::LimitReached);
        }
        (live, queued)
    }

    /// Removes a party, unless its process has registered anew. Returns whether it was there.
    pub fn remove(&self, live: &Live) -> bool {
        let mut by_route = self.by_route.write();
        let same = by_route
            .get(&live.route)
            .is_some_and(|held| held.id == live.id);
        if same {
            by_route.remove(&live.route);
        }
        same
    }

    /// The process behind a route.
    #[must_use]
    pub fn by_route(&self, route: RouteId) -> Option<Arc<Live>> {
        self.by_route.read().get(&route).cloned()
    }

    /// The connectors of a cluster, the newest connection first.
    #[must_use]
    pub fn connectors(&self, cluster: ClusterId) -> Vec<Arc<Live>> {
        let is_of = |live: &&Arc<Live>| matches!(live.party.identity(), Identity::Cluster { id, .. } if *id == cluster);
        let mut found: Vec<_> = self
            .by_route
            .read()
            .values()
            .filter(is_of)
            .cloned()
            .collect();
        found.sort_by_key(|live| std::cmp::Reverse(live.id.0));
        found
    }

    /// Everybody.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Live>> {
        self.by_route.read().values().cloned().collect()
    }
}
