//! A way: one UDP socket to one gateway, under the two endpoints of a party.
//!
//! tokio wakes one reader for a socket, so one endpoint reads: the overlay endpoint polls the socket itself and sorts.
//! What is its own stays in its buffers, the rare control datagrams go into a bounded queue that the control endpoint
//! drains. A way never reports an error: what the network says (refused, unreachable, too long) is loss to QUIC, and an
//! error would end quinn's driver. The socket can be exchanged under both endpoints ([`Way::reopen`]).

mod control;
mod held;
mod overlay;
mod pulse;
mod queue;
mod socket;
mod sort;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use quinn::udp::Transmit;

use crate::cid::{OwnRoute, RouteId};
use crate::rebind::{BindKey, Kind, Message, TOKEN_LEN};
pub(crate) use control::ControlSocket;
use held::Held;
pub(crate) use overlay::{OverlaySocket, PEER};
pub(crate) use pulse::Pulse;
use queue::ControlQueue;
pub use socket::{MAX_BATCH, Socket, SocketPoller, SocketSource};

/// Whether the kernel or the sorter keeps strangers out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// The socket is connected: strangers' datagrams are dropped by the kernel, and nothing listens. A connector's.
    Connected,
    /// The socket is not: it follows a change of network. The sorter drops what does not come from the gateway. A client's.
    Free,
}

/// A socket and the gateway that it leads to, exchanged together.
#[derive(Debug)]
struct Attached {
    socket: Arc<Socket>,
    gateway: SocketAddr,
}

/// What a registration left behind for the relay's own messages.
#[derive(Debug)]
struct Registered {
    key: BindKey,
    counter: u64,
}

/// What went wrong on a way so far; every number only grows.
#[derive(Debug, Default)]
pub struct WayCounters {
    send_errors: AtomicU64,
    receive_errors: AtomicU64,
    strangers: AtomicU64,
    queue_full: AtomicU64,
    held: AtomicU64,
    resent: AtomicU64,
}

/// A reading of [`WayCounters`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WayCounts {
    /// Datagrams or batches that the system did not take.
    pub send_errors: u64,
    /// Errors that the system reported in place of a datagram.
    pub receive_errors: u64,
    /// Datagrams that did not come from the gateway, or that nobody could have sent for us.
    pub strangers: u64,
    /// Control datagrams that were dropped because the queue was full.
    pub queue_full: u64,
    /// Datagrams that were sent into a silence, and kept until a newer one of their link was.
    pub held: u64,
    /// Held datagrams that were sent again after a silence.
    pub resent: u64,
}

/// A UDP socket to a gateway.
#[derive(Debug)]
pub struct Way {
    attached: ArcSwap<Attached>,
    attachment: Attachment,
    own: OwnRoute,
    registered: Mutex<Option<Registered>>,
    control: ControlQueue,
    held: Held,
    pulse: Pulse,
    reader: Mutex<Option<Waker>>,
    counters: WayCounters,
}

impl Way {
    /// Opens a socket to `gateway`.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn open(
        gateway: SocketAddr,
        attachment: Attachment,
        own: OwnRoute,
    ) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            attached: ArcSwap::from_pointee(attach(gateway, attachment)?),
            attachment,
            own,
            registered: Mutex::new(None),
            control: ControlQueue::default(),
            held: Held::default(),
            pulse: Pulse::default(),
            reader: Mutex::new(None),
            counters: WayCounters::default(),
        }))
    }

    /// Replaces the socket: after a change of network, or with another `gateway` address.
    ///
    /// Both endpoints go on with the new one. The relay learns of it by [`send_bind`](Self::send_bind).
    ///
    /// # Errors
    /// What the system said; the old socket stays then.
    pub(crate) fn reopen(&self, gateway: SocketAddr) -> io::Result<()> {
        self.attached
            .store(Arc::new(attach(gateway, self.attachment)?));
        // The reader waits on the old socket, which says nothing any more.
        if let Some(waker) = self.reader.lock().take() {
            waker.wake();
        }
        Ok(())
    }

    /// The gateway's address.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.attached.load().gateway
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.attached.load().socket.local_addr()
    }

    /// Reads the counters.
    pub(crate) fn counts(&self) -> WayCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WayCounts {
            send_errors: read(&self.counters.send_errors),
            receive_errors: read(&self.counters.receive_errors),
            strangers: read(&self.counters.strangers),
            queue_full: read(&self.counters.queue_full),
            held: read(&self.counters.held),
            resent: read(&self.counters.resent),
        }
    }

    pub(crate) const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Takes the key for the relay's messages from a new control connection.
    pub(crate) fn set_registered(&self, route: RouteId, key: BindKey) {
        *self.registered.lock() = Some(Registered { key, counter: 0 });
        self.own.set(route);
    }

    /// Tells the gateway where this way is now. Nothing happens before the first registration.
    pub(crate) fn send_bind(&self) {
        self.send_message(Kind::Bind, [0; TOKEN_LEN]);
    }

    /// Sends the newest datagram of the link to `peer` again, if one was kept since it fell silent.
    pub(crate) fn release(&self, peer: RouteId) {
        if let Some(datagram) = self.held.take(peer) {
            self.counters.resent.fetch_add(1, Ordering::Relaxed);
            self.send_now(&datagram);
        }
    }

    /// Forgets what was kept for `peer`.
    pub(crate) fn forget(&self, peer: RouteId) {
        drop(self.held.take(peer));
    }

    fn send_message(&self, kind: Kind, token: [u8; TOKEN_LEN]) {
        let Some(route) = self.own.get() else { return };
        let datagram = {
            let mut registered = self.registered.lock();
            let Some(registered) = registered.as_mut() else {
                return;
            };
            registered.counter += 1;
            Message {
                kind,
                route,
                counter: registered.counter,
                token,
            }
            .encode(&registered.key)
        };
        self.send_now(&datagram);
    }

    /// Sends past tokio's readiness: a socket that was just made has none, and its first datagram is the one that counts.
    fn send_now(&self, datagram: &[u8]) {
        let attached = self.attached.load();
        let transmit = Transmit {
            destination: attached.gateway,
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: None,
        };
        if attached.socket.send_now(&transmit).is_err() {
            self.counters.send_errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what an endpoint transmits. The only error is `WouldBlock`.
    fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let attached = self.attached.load();
        // The source address that quinn remembers may be that of a socket before this one.
        let transmit = Transmit {
            destination: attached.gateway,
            src_ip: None,
            ..*transmit
        };
        match attached.socket.try_send(&transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(_) => {
                self.counters.send_errors.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

impl SocketSource for Way {
    fn socket(&self) -> Arc<Socket> {
        self.attached.load().socket.clone()
    }
}

fn attach(gateway: SocketAddr, attachment: Attachment) -> io::Result<Attached> {
    let any = match gateway {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let peer = (attachment == Attachment::Connected).then_some(gateway);
    let socket = Arc::new(Socket::bind(SocketAddr::new(any, 0), peer)?);
    Ok(Attached { socket, gateway })
}
