//! The newest datagram of each link that fell silent.
//!
//! quinn probes at doubling intervals, so after an outage a link waits for as long again as the outage took. It must be
//! the *newest* datagram that is sent when both ends are back: its acknowledgement declares all older ones lost at once.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::cid::RouteId;

/// How long a datagram is worth keeping: a link that was silent for longer is dead (90 s).
const WORTH: Duration = Duration::from_secs(90);

#[derive(Debug)]
struct Newest {
    datagram: Vec<u8>,
    sent: Instant,
}

/// Held datagrams by the route that they go to.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HashMap<RouteId, Newest>>);

impl Held {
    /// Keeps a copy of `datagram` in the place of an older one.
    pub(super) fn keep(&self, peer: RouteId, datagram: &[u8], now: Instant) {
        let mut held = self.0.lock();
        if !held.contains_key(&peer) {
            held.retain(|_, newest| now.duration_since(newest.sent) < WORTH);
        }
        let newest = held.entry(peer).or_insert_with(|| Newest {
            datagram: Vec::new(),
            sent: now,
        });
        newest.sent = now;
        newest.datagram.clear();
        newest.datagram.extend_from_slice(datagram);
    }

    /// Takes what is held for `peer`.
    pub(super) fn take(&self, peer: RouteId) -> Option<Vec<u8>> {
        self.0.lock().remove(&peer).map(|newest| newest.datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_newest_datagram_of_each_link_is_held_while_the_link_may_live() {
        let (one, two) = (
            RouteId::from_bits(u64::MAX).unwrap(),
            RouteId::from_bits(1 << 63).unwrap(),
        );
        let held = Held::default();
        held.keep(one, b"older", Instant::now());
        held.keep(one, b"newest", Instant::now());
        assert_eq!(held.take(one).as_deref(), Some(&b"newest"[..]));
        assert_eq!(held.take(one), None);
        held.keep(one, b"newest", Instant::now());
        tokio::time::advance(WORTH).await;
        held.keep(two, b"another link", Instant::now());
        assert_eq!(held.take(one), None, "its link is dead");
        assert!(held.take(two).is_some());
    }
}
