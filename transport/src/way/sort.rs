//! Sorting what a way received: whose is each datagram.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use quinn::udp::RecvMeta;

use super::Way;
use crate::cid::{Class, RouteId};
use crate::rebind::{Kind, Unverified};

/// What is the same for all batches of one reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sorting {
    pub(super) gateway: SocketAddr,
    pub(super) own: Option<RouteId>,
}

impl Way {
    /// Sorts one received batch in place: datagrams of links are moved to the front, and their length returned.
    ///
    /// A datagram is a link's only if its class says so and the route is our own; all else goes to control.
    pub(super) fn sort(&self, sorting: Sorting, buf: &mut [u8], meta: &RecvMeta) -> usize {
        if meta.addr != sorting.gateway || meta.len == 0 {
            self.counters.strangers.fetch_add(1, Ordering::Relaxed);
            return 0;
        }
        let stride = meta.stride.max(1);
        let (mut kept, mut start) = (0, 0);
        while start < meta.len {
            let end = start.saturating_add(stride).min(meta.len);
            let Some(datagram) = buf.get(start..end) else {
                break;
            };
            match Class::of(datagram) {
                Class::Overlay(route) if Some(route) == sorting.own => {
                    if kept != start {
                        buf.copy_within(start..end, kept);
                    }
                    kept += end - start;
                }
                Class::Rebind => self.challenge(datagram),
                Class::Control | Class::Overlay(_) => self.to_control(datagram, meta),
                Class::Unroutable => {
                    self.counters.strangers.fetch_add(1, Ordering::Relaxed);
                }
            }
            start = end;
        }
        kept
    }

    fn to_control(&self, datagram: &[u8], meta: &RecvMeta) {
        if self.control.push(datagram, meta.ecn, meta).is_err() {
            self.counters.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Answers a challenge of the relay, from where it came to: the socket that it was received on.
    fn challenge(&self, datagram: &[u8]) {
        let verified = {
            let registered = self.registered.lock();
            registered
                .as_ref()
                .zip(Unverified::decode(datagram))
                .and_then(|(registered, message)| message.verify(&registered.key))
        };
        match verified {
            Some(message)
                if message.kind == Kind::Challenge && Some(message.route) == self.own.get() =>
            {
                self.pulse.challenged();
                self.send_message(Kind::Answer, message.token);
            }
            _ => {
                self.counters.strangers.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests;
