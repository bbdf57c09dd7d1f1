//! Hostile inputs at the relay's port.

use std::net::Ipv4Addr;
use std::time::Duration;

use adit_transport::cid::{Class, RouteId};
use adit_transport::endpoint::Liveliness;
use adit_transport::party::{Dial, DialError, Party, PartyConfig};
use adit_transport::rebind::{BindKey, Kind, MESSAGE_LEN, Message, Unverified};
use adit_transport::tls::Alpn;
use adit_transport::way::Attachment;
use ring::rand::SystemRandom;

use super::super::Place;
use super::link::{chunk, stream};
use super::rig::{Announcing, BOUND, End, Gateway, Link, link, pin, signer, soon, until};
use super::tap::Tap;

/// A host that the gateway knows nothing of.
struct Stranger(std::net::UdpSocket);

impl Stranger {
    fn before(gateway: &Gateway) -> Self {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(gateway.addr).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(socket)
    }

    fn send(&self, datagram: &[u8]) {
        self.0.send(datagram).unwrap();
    }

    fn heard(&self) -> Option<usize> {
        self.0.recv(&mut [0; 2048]).ok()
    }
}

/// Resolves once the gateway has taken everything that was sent to it before: its socket is read in order.
pub(super) async fn drained(gateway: &Gateway) {
    let config = PartyConfig {
        gateway: gateway.addr,
        attachment: Attachment::Free,
        signer: signer(),
        links_from: None,
    };
    let party = Party::new(config, &SystemRandom::new()).unwrap();
    let dial = Dial {
        alpn: Alpn::Control,
        pin: pin(&gateway.signer),
        liveliness: Liveliness::Prompt,
        patience: Some(BOUND),
    };
    party.dial(dial).await.unwrap();
}

#[tokio::test]
async fn a_pair_that_is_not_announced_is_dropped_and_counted() {
    let gateway = Gateway::start(Announcing::Nobody);
    let connector = End::connector(&gateway);
    let client = End::client(gateway.addr, &gateway);
    let route = client.peer().await;
    let patience = Duration::from_millis(300);
    let dialled = client
        .party
        .connect_link(route, pin(&connector.signer), patience)
        .await;
    assert!(
        matches!(dialled, Err(DialError::OutOfPatience)),
        "{dialled:?}"
    );
    let counts = || gateway.relay().counts();
    until("a drop", || counts().not_announced > 0).await;
    let counts = counts();
    assert_eq!((counts.forwarded, counts.unknown_source), (0, 0));
}

#[tokio::test]
async fn a_withdrawn_pair_is_forwarded_no_more() {
    let gateway = Gateway::start(Announcing::Everybody);
    let connector = End::connector(&gateway);
    let client = End::client(gateway.addr, &gateway);
    let Link { near, .. } = link(&client, &connector).await;
    let (ours, theirs) = (
        client.party.route().unwrap(),
        connector.party.route().unwrap(),
    );
    gateway.relay().withdraw(ours, theirs);
    // What was received before is through when what comes after it is answered.
    drained(&gateway).await;
    let before = gateway.relay().counts();
    let (mut send, _recv) = near.open_bi().await.unwrap();
    send.write_all(b"cut off").await.unwrap();
    until("a drop", || {
        gateway.relay().counts().not_announced > before.not_announced
    })
    .await;
    assert_eq!(gateway.relay().counts().forwarded, before.forwarded);
}

#[tokio::test]
async fn u5_a_source_where_no_party_is_registered_reaches_nobody() {
    let gateway = Gateway::start(Announcing::Everybody);
    let connector = End::connector(&gateway);
    let client = End::client(gateway.addr, &gateway);
    let route = client.peer().await;
    let stranger = Stranger::before(&gateway);
    let mut datagram = vec![0x40];
    datagram.extend_from_slice(&route.bits().to_be_bytes());
    datagram.resize(1200, 0x5a);
    for _ in 0..100 {
        stranger.send(&datagram);
    }
    drained(&gateway).await;
    let counts = gateway.relay().counts();
    assert_eq!(
        (counts.unknown_source, counts.forwarded),
        (100, 0),
        "{counts:?}"
    );
    assert_eq!(stranger.heard(), None);
    drop(connector);
}

#[tokio::test]
async fn u1_random_bytes_draw_no_reply() {
    let gateway = Gateway::start(Announcing::Everybody);
    let stranger = Stranger::before(&gateway);
    let noise = chunk(1);
    for round in 0..40 {
        for at in 0..50 {
            let start = (round * 50 + at) * 400;
            let length = (at * 30).min(1472);
            stranger.send(&noise[start..start + length]);
        }
        drained(&gateway).await;
    }
    assert_eq!(stranger.heard(), None);
    let counts = gateway.relay().counts();
    assert_eq!(counts.forwarded, 0);
    assert!(
        counts.unknown_source + counts.unroutable + counts.limited > 1_800,
        "{counts:?}"
    );
}

#[tokio::test]
async fn u3_short_headers_with_unknown_connection_ids_are_no_oracle() {
    let gateway = Gateway::start(Announcing::Everybody);
    let stranger = Stranger::before(&gateway);
    let noise = chunk(3);
    for (round, batch) in noise.chunks(100 * 100).take(20).enumerate() {
        for guess in batch.chunks(100) {
            let mut datagram = guess.to_vec();
            datagram[0] = 0x40;
            datagram[1] &= 0x7f;
            stranger.send(&datagram);
        }
        drained(&gateway).await;
        assert_eq!(stranger.heard(), None, "round {round}");
    }
    assert!(
        gateway.relay().counts().limited > 1_000,
        "and most do not reach the endpoint"
    );
}

#[tokio::test]
async fn u8_connection_ids_of_another_length_are_dropped_in_the_first_packet_too() {
    let gateway = Gateway::start(Announcing::Everybody);
    let stranger = Stranger::before(&gateway);
    for length in [0_u8, 1, 8, 15, 17, 20] {
        let mut first = vec![0xc0, 0, 0, 0, 1, length];
        first.resize(1200, 0);
        stranger.send(&first);
    }
    drained(&gateway).await;
    assert_eq!(gateway.relay().counts().unroutable, 6);
    assert_eq!(stranger.heard(), None);
}

#[tokio::test]
async fn u10_version_negotiation_and_unknown_versions_draw_no_reply() {
    let gateway = Gateway::start(Announcing::Everybody);
    let stranger = Stranger::before(&gateway);
    for version in [[0; 4], [0x1a; 4], [0x6b, 0x33, 0x43, 0xcf]] {
        let mut datagram = vec![0xc0];
        datagram.extend_from_slice(&version);
        datagram.push(16);
        datagram.resize(1400, 0x11);
        stranger.send(&datagram);
    }
    drained(&gateway).await;
    assert_eq!(stranger.heard(), None);
}

#[tokio::test]
async fn u14_a_datagram_names_a_route_and_never_an_address() {
    let gateway = Gateway::start(Announcing::Nobody);
    let tap = Tap::before(gateway.addr).await;
    let client = End::client(tap.addr(), &gateway);
    let _connector = End::connector(&gateway);
    client.peer().await;
    let own = client.party.route().unwrap();
    // The gateway's address, loopback, link-local, where a destination might be looked for; and our own route.
    let destinations: [[u8; 8]; 4] = [
        [0x80, 0, 0, 0, 127, 0, 0, 1],
        [0x80, 0, 0xff, 0xff, 127, 0, 0, 1],
        [0xfe, 0x80, 0, 0, 0, 0, 0, 1],
        own.bits().to_be_bytes(),
    ];
    for destination in destinations {
        let mut datagram = vec![0x40];
        datagram.extend_from_slice(&destination);
        datagram.resize(200, 0);
        tap.inject(&datagram).await;
    }
    drained(&gateway).await;
    let counts = gateway.relay().counts();
    assert_eq!(
        (counts.forwarded, counts.not_announced),
        (0, 4),
        "{counts:?}"
    );
}

#[tokio::test]
async fn u5_u6_forged_and_replayed_datagrams_from_the_victims_address_do_no_harm() {
    let gateway = Gateway::start(Announcing::Everybody);
    let tap = Tap::before(gateway.addr).await;
    let connector = End::connector(&gateway);
    let client = End::client(tap.addr(), &gateway);
    let Link { near, far } = link(&client, &connector).await;
    let (mut sender, mut receiver) = stream(&near, &far).await;
    let captured: Vec<_> = tap
        .recorded()
        .into_iter()
        .filter(|sent| matches!(Class::of(sent), Class::Overlay(_)))
        .collect();
    assert!(captured.len() > 3);
    for round in 0..200 {
        let genuine = &captured[round % captured.len()];
        tap.inject(genuine).await;
        let mut forged = genuine.clone();
        let last = forged.len() - 1;
        forged[last] ^= 0xff;
        tap.inject(&forged).await;
        sender.write_all(b"still here").await.unwrap();
        let mut heard = [0; 10];
        soon("an echo", receiver.read_exact(&mut heard))
            .await
            .unwrap();
        assert_eq!(&heard, b"still here");
    }
    assert!(near.close_reason().is_none() && far.close_reason().is_none());
}

#[tokio::test]
async fn u5_a_route_moves_only_by_its_own_key_and_only_to_who_answers() {
    let mut gateway = Gateway::start(Announcing::Everybody);
    let tap = Tap::before(gateway.addr).await;
    let client = End::client(tap.addr(), &gateway);
    let _connector = End::connector(&gateway);
    client.peer().await;
    let route = client.party.route().unwrap();
    let stranger = Stranger::before(&gateway);
    let forged = |kind, token| {
        Message {
            kind,
            route,
            counter: 1 << 40,
            token,
        }
        .encode(&BindKey::from_bytes(&[0; 32]))
    };
    stranger.send(&forged(Kind::Bind, [0; 16]));
    stranger.send(&forged(Kind::Answer, [0; 16]));
    stranger.send(&[0; MESSAGE_LEN]);
    drained(&gateway).await;
    assert_eq!(
        stranger.heard(),
        None,
        "nothing says whether the route exists"
    );
    // A genuine `bind`, captured and sent from elsewhere: it is challenged there at most, and moves nothing.
    client.party.move_to(client.party.gateway()).unwrap();
    let is_bind = |sent: &Vec<u8>| Class::of(sent) == Class::Rebind && sent[22] == 1;
    until("a bind", || tap.recorded().iter().any(is_bind)).await;
    for bind in tap.recorded().iter().filter(|sent| is_bind(sent)) {
        stranger.send(bind);
    }
    drained(&gateway).await;
    assert!(
        stranger.heard().is_none_or(|length| length <= MESSAGE_LEN),
        "no amplification"
    );
    assert_eq!(
        gateway.relay().place_of(route).unwrap().addr,
        tap.outer_addr()
    );
    assert!(gateway.moves.try_recv().is_err());
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn u5_an_answer_moves_a_route_only_with_the_token_that_was_sent_there() {
    let mut gateway = Gateway::start(Announcing::Everybody);
    let key = BindKey::from_bytes(&[5; 32]);
    let route = RouteId::from_bits(0x8000_0000_0000_0005).unwrap();
    let (party, victim) = (Stranger::before(&gateway), Stranger::before(&gateway));
    let place = |stranger: &Stranger| Place {
        addr: stranger.0.local_addr().unwrap(),
        local_ip: None,
    };
    let registered = Place {
        addr: ([127, 0, 0, 9], 9).into(),
        local_ip: None,
    };
    gateway.relay().register(route, registered, key.clone());
    let say = |from: &Stranger, kind, counter, token| {
        from.send(
            &Message {
                kind,
                route,
                counter,
                token,
            }
            .encode(&key),
        );
    };
    say(&party, Kind::Bind, 1, [0; 16]);
    drained(&gateway).await;
    let mut challenge = [0; 2048];
    let length = party.0.recv(&mut challenge).unwrap();
    assert_eq!(length, MESSAGE_LEN, "not longer than the bind");
    let token = Unverified::decode(&challenge[..length])
        .unwrap()
        .verify(&key)
        .unwrap()
        .token;
    say(&party, Kind::Answer, 2, [0; 16]);
    say(&victim, Kind::Answer, 3, token);
    drained(&gateway).await;
    assert_eq!(
        gateway.relay().place_of(route),
        Some(registered),
        "a party cannot point its route at others"
    );
    say(&party, Kind::Answer, 4, token);
    drained(&gateway).await;
    assert_eq!(
        gateway.relay().place_of(route).unwrap().addr,
        place(&party).addr
    );
    assert_eq!(
        gateway.moves.try_recv().unwrap().to.addr,
        place(&party).addr
    );
    // The same answer once more, after the route went elsewhere.
    gateway.relay().register(route, registered, key.clone());
    say(&party, Kind::Answer, 9, token);
    drained(&gateway).await;
    assert_eq!(
        gateway.relay().place_of(route).unwrap().addr,
        place(&party).addr,
        "a token stays good"
    );
    say(&victim, Kind::Bind, 9, [0; 16]);
    say(&victim, Kind::Bind, 8, [0; 16]);
    drained(&gateway).await;
    assert_eq!(victim.heard(), None, "but no counter is good twice");
}

#[tokio::test]
async fn a_route_that_nobody_registered_is_no_place() {
    let gateway = Gateway::start(Announcing::Everybody);
    assert_eq!(
        gateway
            .relay()
            .place_of(RouteId::from_bits(u64::MAX).unwrap()),
        None
    );
}
