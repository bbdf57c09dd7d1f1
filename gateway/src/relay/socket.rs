//! The gateway's socket, with the relay in it.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use adit_transport::cid::{Class, RouteId};
use adit_transport::way::{MAX_BATCH, Socket, SocketPoller, SocketSource};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::Instant;

use super::Relay;

/// How many readings may bring nothing for the endpoint before other tasks have a turn.
const RELAY_READINGS: usize = 16;

/// The gateway's socket as its endpoint sees it: what is relayed never reaches QUIC.
#[derive(Debug)]
pub struct RelaySocket {
    relay: Arc<Relay>,
    max_run: usize,
}

impl RelaySocket {
    pub(super) fn new(relay: Arc<Relay>) -> Self {
        let max_run = relay.socket.gso_segments().max(1);
        Self { relay, max_run }
    }

    /// Relays what is to be relayed of one received batch, and moves what is for the endpoint to its front.
    fn sort(&self, buf: &mut [u8], meta: &RecvMeta) -> usize {
        let relay = &*self.relay;
        let stride = meta.stride.max(1);
        let (mut kept, mut start) = (0, 0);
        while start < meta.len {
            let mut end = start.saturating_add(stride).min(meta.len);
            let Some(datagram) = buf.get(start..end) else {
                break;
            };
            match Class::of(datagram) {
                Class::Overlay(route) => {
                    end = self.end_of_run(buf, meta, (start, end), route);
                    relay.forward(buf.get(start..end).unwrap_or_default(), meta, route);
                }
                Class::Control if relay.may_pass(datagram, meta.addr) => {
                    if kept != start {
                        buf.copy_within(start..end, kept);
                    }
                    kept += end - start;
                }
                Class::Control => relay.counters.limited.add(1),
                Class::Rebind => relay.take_message(datagram, meta),
                Class::Unroutable => relay.counters.unroutable.add(1),
            }
            start = end;
        }
        kept
    }

    /// Extends a run for as long as datagrams go to the same route and the batch may be sent as one.
    fn end_of_run(
        &self,
        buf: &[u8],
        meta: &RecvMeta,
        first: (usize, usize),
        route: RouteId,
    ) -> usize {
        let (start, mut end) = first;
        for _ in 1..self.max_run {
            let next = end.saturating_add(meta.stride.max(1)).min(meta.len);
            let same = buf
                .get(end..next)
                .is_some_and(|datagram| Class::of(datagram) == Class::Overlay(route));
            if next == end || !same || next - start > MAX_BATCH {
                break;
            }
            end = next;
        }
        end
    }
}

impl Relay {
    /// Forwards a run of datagrams from one party to one route, unmodified, as one batch.
    #[inline]
    fn forward(&self, run: &[u8], meta: &RecvMeta, route: RouteId) {
        let stride = meta.stride.max(1);
        let datagrams = run.len().div_ceil(stride);
        let Some(to) = self.table.forward(meta.addr, route) else {
            let known = self.table.knows(meta.addr);
            let dropped = if known {
                &self.counters.not_announced
            } else {
                &self.counters.unknown_source
            };
            dropped.add(datagrams);
            return;
        };
        let transmit = Transmit {
            destination: to.addr,
            ecn: meta.ecn,
            contents: run,
            segment_size: (datagrams > 1).then_some(stride),
            src_ip: to.local_ip,
        };
        match self.socket.try_send(&transmit) {
            Ok(()) => {
                self.counters.forwarded.add(datagrams);
                self.counters.forwarded_bytes.add(run.len());
                self.counters.forwarded_batches.add(1);
            }
            // The kernel's buffer is full, or the network refused: loss, which QUIC is made for.
            Err(_) => self.counters.send_errors.add(datagrams),
        }
    }

    /// Whether a control datagram goes to the endpoint. A short header (RFC 8999, section 5.2) from who has no connection
    /// may be answered by a stateless reset, so its source is limited; handshakes have a budget of their own.
    fn may_pass(&self, datagram: &[u8], source: SocketAddr) -> bool {
        let long_header = datagram.first().is_some_and(|first| first & 0x80 != 0);
        long_header
            || self.table.knows(source)
            || self.limits.take(source, Instant::now()).is_some()
    }
}

impl SocketSource for Relay {
    fn socket(&self) -> Arc<Socket> {
        self.socket.clone()
    }
}

impl AsyncUdpSocket for RelaySocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(SocketPoller::new(self.relay.clone()))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.relay.socket.try_send(transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(_) => {
                self.relay.counters.send_errors.add(1);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        for _ in 0..RELAY_READINGS {
            let Ok(received) = ready!(self.relay.socket.poll_recv(cx, bufs, meta)) else {
                self.relay.counters.receive_errors.add(1);
                continue;
            };
            let mut kept = 0;
            for at in 0..received {
                let (Some(buf), Some(this)) = (bufs.get_mut(at), meta.get(at).copied()) else {
                    break;
                };
                let len = self.sort(buf, &this);
                if len == 0 {
                    continue;
                }
                if kept != at {
                    bufs.swap(kept, at);
                }
                if let Some(place) = meta.get_mut(kept) {
                    *place = RecvMeta { len, ..this };
                }
                kept += 1;
            }
            if kept > 0 {
                return Poll::Ready(Ok(kept));
            }
        }
        // Busy relaying: let control connections and others have a turn, then go on.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.relay.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.relay.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.relay.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.relay.socket.may_fragment()
    }
}
