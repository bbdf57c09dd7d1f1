//! `bind`, `challenge`, `answer` at the relay's end: the one place of the relay that holds keys, for addresses only.

use std::net::{IpAddr, SocketAddr};

use adit_transport::cid::RouteId;
use adit_transport::rebind::{
    BindKey, Kind, MESSAGE_LEN, Message, TOKEN_LEN, Unverified, truncated,
};
use quinn::udp::{RecvMeta, Transmit};
use ring::hmac;
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::table::Party;
use super::{Moved, Place, Relay};

/// What is needed to challenge without remembering whom, and to tell of moves.
#[derive(Debug)]
pub(super) struct Moves {
    tokens: hmac::Key,
    moved: mpsc::Sender<Moved>,
}

/// What a genuine message leads to.
enum Reply {
    Challenge([u8; MESSAGE_LEN]),
    Moved,
    /// The route is where the answer came from already.
    Stays,
}

impl Moves {
    pub(super) const fn new(tokens: hmac::Key, moved: mpsc::Sender<Moved>) -> Self {
        Self { tokens, moved }
    }

    /// What an answer from `addr` must carry. Whoever says it has received there what was sent there.
    fn token(&self, addr: SocketAddr, route: RouteId) -> [u8; TOKEN_LEN] {
        let ip = match addr.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut token = hmac::Context::with_key(&self.tokens);
        token.update(&ip.octets());
        token.update(&addr.port().to_be_bytes());
        token.update(&route.bits().to_be_bytes());
        truncated(token.sign().as_ref())
    }

    /// Decides on a message of `party`; `None` if it is not genuine, not new, or the broker is busy.
    fn decide(
        &self,
        message: Unverified<'_>,
        from: Place,
        party: &mut Party,
    ) -> Option<(Option<Place>, Reply)> {
        let message = message.verify(&party.key)?;
        // A captured message that is sent again moves nothing.
        if message.counter <= party.counter {
            return None;
        }
        let token = self.token(from.addr, message.route);
        let decided = match message.kind {
            Kind::Bind => (
                None,
                Reply::Challenge(challenge(message, token, &party.key)),
            ),
            Kind::Answer if !bool::from(token.ct_eq(&message.token)) => return None,
            Kind::Answer if party.place == from => (None, Reply::Stays),
            Kind::Answer => {
                let place = self.moved.try_reserve().ok()?;
                place.send(Moved {
                    route: message.route,
                    to: from,
                });
                (Some(from), Reply::Moved)
            }
            Kind::Challenge => return None,
        };
        party.counter = message.counter;
        Some(decided)
    }
}

fn challenge(bind: Message, token: [u8; TOKEN_LEN], key: &BindKey) -> [u8; MESSAGE_LEN] {
    Message {
        kind: Kind::Challenge,
        token,
        ..bind
    }
    .encode(key)
}

impl Relay {
    /// Takes one of the relay's own messages.
    pub(super) fn take_message(&self, datagram: &[u8], meta: &RecvMeta) {
        let from = Place {
            addr: meta.addr,
            local_ip: meta.dst_ip,
        };
        if self.limits.take(from.addr, Instant::now()).is_none() {
            self.counters.limited.add(1);
            return;
        }
        let reply = Unverified::decode(datagram).and_then(|message| {
            let decide = |party: &mut Party| self.moves.decide(message, from, party);
            self.table.change(message.route(), decide)
        });
        match reply {
            Some(Reply::Challenge(challenge)) => {
                let transmit = Transmit {
                    destination: from.addr,
                    ecn: None,
                    contents: &challenge,
                    segment_size: None,
                    src_ip: from.local_ip,
                };
                match self.socket.send_now(&transmit) {
                    Ok(()) => self.counters.challenges.add(1),
                    Err(_) => self.counters.send_errors.add(1),
                }
            }
            Some(Reply::Moved) => self.counters.moved.add(1),
            Some(Reply::Stays) => {}
            None => self.counters.binds_refused.add(1),
        }
    }
}
