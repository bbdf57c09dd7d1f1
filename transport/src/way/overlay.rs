//! A way as the overlay endpoint sees it: the one reader of the socket.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::Instant;

use super::sort::Sorting;
use super::{SocketPoller, SocketSource, Way};
use crate::cid::Class;

/// The one address that the overlay endpoint knows its peers by (RFC 5737, TEST-NET-1). The way is chosen below QUIC,
/// so a link survives whatever happens to addresses.
pub(crate) const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 443);

/// From this much silence on only probes are sent, and the newest is kept.
const SILENCE: Duration = Duration::from_millis(50);

/// How many readings may bring nothing for links before others have a turn.
const IDLE_READINGS: usize = 16;

#[derive(Debug)]
pub(crate) struct OverlaySocket(pub(crate) Arc<Way>);

impl AsyncUdpSocket for OverlaySocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(SocketPoller::new(self.0.clone()))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let (way, now) = (&self.0, Instant::now());
        if way.pulse.heard_ago(now).is_none_or(|ago| ago > SILENCE) {
            keep_newest(way, transmit, now);
        }
        let sent = way.send(transmit);
        if sent.is_ok() {
            way.pulse.sent(now);
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let way = &self.0;
        for _ in 0..IDLE_READINGS {
            // Before the socket is looked at: an exchange after that wakes us.
            remember_reader(way, cx);
            let attached = way.attached.load();
            let Ok(received) = ready!(attached.socket.poll_recv(cx, bufs, meta)) else {
                let errors = &way.counters.receive_errors;
                errors.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let sorting = Sorting {
                gateway: attached.gateway,
                own: way.own.get(),
            };
            let kept = keep_links(way, sorting, bufs, meta, received);
            if kept > 0 {
                way.pulse.heard(Instant::now());
                return Poll::Ready(Ok(kept));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        // Of the family of `PEER`, whatever the socket's: quinn maps the peer's address otherwise.
        Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))
    }

    fn max_transmit_segments(&self) -> usize {
        self.0.socket().max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.0.socket().max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.0.socket().may_fragment()
    }
}

/// Keeps the last datagram of a batch; all of a batch belong to one link.
fn keep_newest(way: &Way, transmit: &Transmit<'_>, now: Instant) {
    let stride = transmit
        .segment_size
        .unwrap_or(transmit.contents.len())
        .max(1);
    let Some(newest) = transmit.contents.chunks(stride).next_back() else {
        return;
    };
    if let Class::Overlay(peer) = Class::of(newest) {
        way.held.keep(peer, newest, now);
        way.counters.held.fetch_add(1, Ordering::Relaxed);
    }
}

fn remember_reader(way: &Way, cx: &Context<'_>) {
    let mut reader = way.reader.lock();
    match reader.as_mut() {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *reader = Some(cx.waker().clone()),
    }
}

/// Sorts each received batch and moves those that hold something for links to the front.
fn keep_links(
    way: &Way,
    sorting: Sorting,
    bufs: &mut [IoSliceMut<'_>],
    meta: &mut [RecvMeta],
    received: usize,
) -> usize {
    let mut kept = 0;
    for at in 0..received {
        let (Some(buf), Some(this)) = (bufs.get_mut(at), meta.get(at).copied()) else {
            break;
        };
        let len = way.sort(sorting, buf, &this);
        if len == 0 {
            continue;
        }
        if kept != at {
            bufs.swap(kept, at);
        }
        if let Some(place) = meta.get_mut(kept) {
            *place = RecvMeta {
                len,
                addr: PEER,
                dst_ip: None,
                ..this
            };
        }
        kept += 1;
    }
    kept
}
