//! A UDP socket with what QUIC wants of it: segmentation offload, ECN, big buffers, and a poller that costs nothing.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use quinn::UdpPoller;
use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;

/// What the kernel should keep for a socket, in bytes and for each direction. With the usual default of 208 KiB a third
/// of the throughput is lost.
const BUFFER: usize = 4 << 20;

/// The largest batch for the kernel, in bytes: what fits into one IPv4 packet (RFC 768, RFC 791). Beyond it the kernel
/// says EMSGSIZE and the batch is gone.
pub const MAX_BATCH: usize = 65_507;

/// The longest datagram that is sent, in bytes: no path that discovery finds is longer.
const MAX_DATAGRAM: usize = 1472;

/// A bound UDP socket.
pub struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    /// Set when the kernel took nothing, until a poller found the socket writable again.
    blocked: AtomicBool,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("io", &self.io)
            .finish_non_exhaustive()
    }
}

impl Socket {
    /// Binds a socket to `local`, and connects it if `peer` says so. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// What the system said.
    pub fn bind(local: SocketAddr, peer: Option<SocketAddr>) -> io::Result<Self> {
        let socket =
            socket2::Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() && local.ip().is_unspecified() {
            // A gateway on [::] is reached over IPv4 too.
            socket.set_only_v6(false)?;
        }
        enlarge_buffers(&socket);
        socket.bind(&local.into())?;
        if let Some(peer) = peer {
            socket.connect(&peer.into())?;
        }
        socket.set_nonblocking(true)?;
        let socket = std::net::UdpSocket::from(socket);
        Ok(Self {
            state: UdpSocketState::new((&socket).into())?,
            io: tokio::net::UdpSocket::from_std(socket)?,
            blocked: AtomicBool::new(false),
        })
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// `WouldBlock` if the kernel takes no more now, else what the network said of this or an earlier datagram.
    pub fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self
            .io
            .try_io(Interest::WRITABLE, || self.send_now(transmit));
        if sent
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        {
            self.blocked.store(true, Ordering::Release);
        }
        sent
    }

    /// Sends a batch without asking tokio whether the socket is writable.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn send_now(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let send = || self.state.try_send((&self.io).into(), transmit);
        match send() {
            // A connected socket reports here that an earlier datagram was refused, in place of sending this one.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => send(),
            other => other,
        }
    }

    /// Receives batches.
    ///
    /// # Errors
    /// What the network said in place of a datagram; the socket is good for more.
    pub fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let received = self.io.try_io(Interest::READABLE, || {
                self.state.recv((&self.io).into(), bufs, meta)
            });
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received),
            }
        }
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// What the system said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// How many datagrams the kernel takes in one batch, if they are no more than [`MAX_BATCH`] bytes together.
    #[must_use]
    pub fn gso_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// How many datagrams may go into one batch to send, however long they are.
    #[must_use]
    pub fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments().min(MAX_BATCH / MAX_DATAGRAM)
    }

    /// How many datagrams may come in one batch.
    #[must_use]
    pub fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    /// Whether the network may cut a datagram into pieces, which would hide the path's true size.
    #[must_use]
    pub fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Asks for big buffers and says what the system gave instead.
fn enlarge_buffers(socket: &socket2::Socket) {
    let asked = [
        socket.set_recv_buffer_size(BUFFER),
        socket.set_send_buffer_size(BUFFER),
    ];
    let given = socket
        .recv_buffer_size()
        .and_then(|recv| Ok(recv.min(socket.send_buffer_size()?)));
    let given = given.unwrap_or_default();
    if asked.iter().any(Result::is_err) || given < BUFFER {
        static WARNED: AtomicBool = AtomicBool::new(false);
        if !WARNED.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                wanted_bytes = BUFFER,
                given_bytes = given,
                "the system clamps UDP buffers, which costs throughput: raise net.core.rmem_max and net.core.wmem_max",
            );
        }
    }
}

/// Whatever has a socket now, and perhaps another one later.
pub trait SocketSource: fmt::Debug + Send + Sync + 'static {
    /// The socket that is sent on now.
    fn socket(&self) -> Arc<Socket>;
}

type Writable = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Waits until a source's socket can be written to, for [`quinn::AsyncUdpSocket::create_io_poller`].
///
/// It allocates and waits only after the kernel refused a batch, and follows an exchanged socket.
pub struct SocketPoller<S> {
    source: Arc<S>,
    waiting: Option<(Arc<Socket>, Writable)>,
}

impl<S> fmt::Debug for SocketPoller<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketPoller")
            .field("waiting", &self.waiting.is_some())
            .finish_non_exhaustive()
    }
}

impl<S: SocketSource> SocketPoller<S> {
    /// Makes a poller of its own for one connection: tokio keeps one waker for each.
    pub fn new(source: Arc<S>) -> Self {
        Self {
            source,
            waiting: None,
        }
    }
}

impl<S: SocketSource> UdpPoller for SocketPoller<S> {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let current = self.source.socket();
        if self
            .waiting
            .as_ref()
            .is_some_and(|(socket, _)| !Arc::ptr_eq(socket, &current))
        {
            self.waiting = None;
        }
        if self.waiting.is_none() {
            if !current.blocked.load(Ordering::Acquire) {
                return Poll::Ready(Ok(()));
            }
            let socket = current.clone();
            let writable: Writable = Box::pin(async move {
                // An error shows again, and is counted, where something is sent.
                let _ = socket.io.writable().await;
            });
            self.waiting = Some((current.clone(), writable));
        }
        if let Some((_, writable)) = &mut self.waiting {
            ready!(writable.as_mut().poll(cx));
        }
        self.waiting = None;
        current.blocked.store(false, Ordering::Release);
        Poll::Ready(Ok(()))
    }
}
