//! The blind relay: forwards the datagrams of links by connection ID, without any cryptography of its own.
//!
//! It sits in the gateway's socket, below QUIC. A received datagram's connection ID says what it is for: control class
//! goes to the gateway's own endpoint, overlay class to the party behind its route. The source address gives the source's
//! route, and the pair of both must be announced; there is no destination field, so nothing can be sent anywhere else.
//! Whatever does not fit is dropped and counted. A route's address is the one of its control connection, and moves only
//! by `bind`, `challenge` and `answer` ([`adit_transport::rebind`]).
//!
//! The path of a datagram takes one hash lookup for each run of equal routes, no write lock, no allocation, and keeps
//! batches and their ECN whole. It is never shown a key: what a link carries cannot be read here.

mod counters;
mod moving;
mod socket;
mod table;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use adit_transport::cid::{RouteId, RouteSecret};
use adit_transport::limit::{Limits, Rate};
use adit_transport::rebind::BindKey;
use adit_transport::way::Socket;
use tokio::sync::mpsc;

use counters::RelayCounters;
pub use counters::RelayCounts;
use moving::Moves;
pub use socket::RelaySocket;
use table::Table;
pub use table::{Admission, Registration};

/// How many moves wait for the broker at most. While it is full no route moves; parties ask again within a second.
const MOVES: usize = 1024;

/// How many stateless resets and challenges a source without a connection may ask for: 16 a second. quinn's own limit on
/// resets is one for the whole endpoint, which would make ten thousand parties wait in line after a restart. Neither
/// answer is longer than its question, so this bounds work and noise, not amplification.
const ANSWERS: Rate = Rate {
    burst: 32,
    each: Duration::from_micros(62_500),
};

/// Where a party is, and which of the gateway's own addresses it talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The party's address.
    pub addr: SocketAddr,
    /// The gateway's address that the party sends to, and expects answers from.
    pub local_ip: Option<IpAddr>,
}

impl Place {
    /// Where a connection, whose handshake has validated it, comes from.
    #[must_use]
    pub fn of(connection: &quinn::Connection) -> Self {
        Self {
            addr: connection.remote_address(),
            local_ip: connection.local_ip(),
        }
    }
}

/// A route that moved to another address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Whose.
    pub route: RouteId,
    /// Where it is now.
    pub to: Place,
}

/// The relay of one gateway.
#[derive(Debug)]
pub struct Relay {
    socket: Arc<Socket>,
    table: Table,
    moves: Moves,
    limits: Limits<SocketAddr>,
    counters: RelayCounters,
}

impl Relay {
    /// Binds the gateway's UDP socket. Must be called inside a tokio runtime.
    ///
    /// The [`RelaySocket`] goes under the gateway's endpoint, which must be polled for anything to be relayed. The
    /// receiver tells of each route that moved, so that its sessions are decided anew.
    ///
    /// # Errors
    /// What the system said.
    pub fn bind(
        listen: SocketAddr,
        secret: &RouteSecret,
    ) -> io::Result<(Arc<Self>, Arc<RelaySocket>, mpsc::Receiver<Moved>)> {
        let socket = Arc::new(Socket::bind(listen, None)?);
        let (tell, moved) = mpsc::channel(MOVES);
        let relay = Arc::new(Self {
            socket,
            table: Table::default(),
            moves: Moves::new(secret.rebind_key(), tell),
            limits: Limits::new(ANSWERS),
            counters: RelayCounters::default(),
        });
        let under_endpoint = Arc::new(RelaySocket::new(relay.clone()));
        Ok((relay, under_endpoint, moved))
    }

    /// Registers a route at the place of its control connection. An earlier registration of the route is replaced.
    ///
    /// Announced pairs of the route start, or go on, at the new place.
    pub fn register(&self, route: RouteId, place: Place, key: BindKey) -> Registration {
        self.table.register(route, place, key)
    }

    /// Ends a registration, one lease after its control connection. Nothing happens if it was replaced meanwhile.
    pub fn unregister(&self, registration: Registration) {
        self.table.unregister(registration);
    }

    /// Forwards between `a` and `b` from now on, as soon as both are registered.
    pub fn announce(&self, a: RouteId, b: RouteId) {
        self.table.announce(a, b);
    }

    /// Forwards nothing between `a` and `b` any more.
    pub fn withdraw(&self, a: RouteId, b: RouteId) {
        self.table.withdraw(a, b);
    }

    /// Lets control datagrams from `addr` pass freely, for as long as the admission is kept: for one whose handshake
    /// is complete. Others may be answered by a stateless reset, and are limited.
    pub fn admit(self: &Arc<Self>, addr: SocketAddr) -> Admission {
        self.table.admit(addr, self.clone())
    }

    /// Where a route is now.
    #[must_use]
    pub fn place_of(&self, route: RouteId) -> Option<Place> {
        self.table.place_of(route)
    }

    /// Reads the counters.
    #[must_use]
    pub fn counts(&self) -> RelayCounts {
        self.counters.read()
    }

    /// The address that the gateway listens on.
    ///
    /// # Errors
    /// What the system said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

#[cfg(test)]
mod tests;
