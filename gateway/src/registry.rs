//! Who is here: the live control connections, by the route of their process.

mod lives;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adit_proto::Reason;
use adit_proto::id::ClusterId;
use adit_proto::target::Name;
use adit_proto::wire::control::Metrics;
use adit_proto::wire::control::frame::Message;
use adit_transport::cid::RouteId;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use crate::caller::{Party, Role};
use crate::store::parties::PartyId;
use lives::Lives;

/// Frames that wait for a party to read. A party that reads slower than this is closed, and gets everything anew when
/// it comes back: 256 is a burst of offers, far more than an agent has sessions.
pub const FRAMES: usize = 256;

/// What waits to be written. A queue has room for 32 at once, and a connection that is idle should cost little.
pub type Queued = Box<Message>;

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
    frames: mpsc::Sender<Queued>,
    connection: quinn::Connection,
    told: Mutex<Option<Metrics>>,
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
    /// `tcp` or `http`.
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

    /// Keeps what a connector tells of itself.
    pub fn tell(&self, metrics: Metrics) {
        *self.told.lock() = Some(metrics);
    }

    /// What a connector told of itself last.
    #[must_use]
    pub fn told(&self) -> Option<Metrics> {
        *self.told.lock()
    }

    /// Queues a message. A party whose queue is full is closed: what it missed it gets when it comes back.
    pub fn send(&self, message: Message) {
        if self.frames.try_send(Box::new(message)).is_err() {
            self.close(Reason::LimitReached);
        }
    }

    /// Queues a message, waiting for room.
    pub async fn send_when_read(&self, message: Message) {
        if self.frames.send(Box::new(message)).await.is_err() {
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
fn surplus(lives: &Lives, party: &Party) -> Option<Arc<Live>> {
    if party.role() != Role::Device {
        return None;
    }
    let mut of_device = lives.of(party.row());
    let oldest = of_device.next()?;
    of_device.nth(OF_DEVICE - 1).map(|_| Arc::clone(oldest))
}

/// The live parties.
#[derive(Debug, Default)]
pub struct Registry {
    lives: RwLock<Lives>,
    made: AtomicU64,
}

impl Registry {
    /// Adds a party, and returns what is to be written to it. An older connection of the same process is closed, and
    /// the oldest one of a device that has too many.
    pub fn add(&self, new: NewLive) -> (Arc<Live>, mpsc::Receiver<Queued>) {
        let (frames, queued) = mpsc::channel(FRAMES);
        let live = Arc::new(Live {
            id: LiveId(self.made.fetch_add(1, Ordering::Relaxed)),
            party: new.party,
            instance: new.instance,
            route: new.route,
            serves: new.serves,
            frames,
            connection: new.connection,
            told: Mutex::default(),
        });
        let mut lives = self.lives.write();
        let before = lives.insert(&live);
        let surplus = surplus(&lives, live.party());
        drop(lives);
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
        self.lives.write().remove(live)
    }

    /// The process behind a route.
    #[must_use]
    pub fn by_route(&self, route: RouteId) -> Option<Arc<Live>> {
        self.lives.read().by_route(route).cloned()
    }

    /// The connectors of a cluster, the newest connection first.
    #[must_use]
    pub fn connectors(&self, cluster: ClusterId) -> Vec<Arc<Live>> {
        let lives = self.lives.read();
        lives.of(PartyId::Cluster(cluster)).rev().cloned().collect()
    }

    /// Everybody.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Live>> {
        self.lives.read().all().cloned().collect()
    }
}
