use quinn::ConnectionId;
use quinn::crypto::{Keys, ServerConfig as _};

use super::*;
use crate::endpoint::{self, Liveliness};
use crate::testing::{client_config, loopback, signer};
use crate::tls::{self, Alpn, ClientGate, SERVER_NAME, ServerPin};

/// An endpoint that accepts, and the bytes of a first packet for it.
async fn knocked() -> (Endpoint, Vec<u8>) {
    let gateway = signer();
    let pin = ServerPin::Key(gateway.public_key().fingerprint());
    let tls = tls::server(gateway, &[Alpn::Control], ClientGate::AnyKey).unwrap();
    let listening = Endpoint::server(endpoint::control_server(tls), loopback()).unwrap();
    let wire = tokio::net::UdpSocket::bind(loopback()).await.unwrap();
    let dialling = Endpoint::client(loopback()).unwrap();
    let tls = tls::client(signer(), Alpn::Control, pin).unwrap();
    // With a short idle time-out of the stranger's own, quinn would end it before we do.
    let config = client_config(tls, Liveliness::Idle);
    let _connecting = dialling
        .connect_with(config, wire.local_addr().unwrap(), SERVER_NAME)
        .unwrap();
    let mut first = vec![0; 1500];
    let length = wire.recv(&mut first).await.unwrap();
    first.truncate(length);
    (listening, first)
}

#[tokio::test]
async fn c10_a_handshake_that_falls_silent_is_given_up() {
    let (listening, first) = knocked().await;
    let stranger = std::net::UdpSocket::bind(loopback()).unwrap();
    stranger
        .send_to(&first, listening.local_addr().unwrap())
        .unwrap();
    let door = Door::new(listening, Strangers::Direct);
    let arrival = door.next().await.unwrap();
    assert_eq!(arrival.knock().from, stranger.local_addr().unwrap());
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let ended = arrival.handshake().await;
    assert!(matches!(ended, Err(HandshakeError::TooSlow)), "{ended:?}");
    assert!(begun.elapsed() <= Duration::from_secs(10));
    assert_eq!(
        door.open.available_permits(),
        OPEN_HANDSHAKES,
        "its place is free again"
    );
}

#[tokio::test]
async fn u9_with_many_handshakes_open_a_stranger_must_prove_its_address() {
    let (listening, first) = knocked().await;
    let address = listening.local_addr().unwrap();
    let door = Door::new(listening, Strangers::Direct);
    let _busy = door
        .open
        .clone()
        .try_acquire_many_owned(u32::try_from(RETRY_FROM).unwrap())
        .unwrap();
    let stranger = tokio::net::UdpSocket::bind(loopback()).await.unwrap();
    stranger.send_to(&first, address).await.unwrap();
    let mut answer = vec![0; 1500];
    let answered = tokio::select! {
        _ = door.next() => panic!("it was let in without a Retry"),
        received = stranger.recv(&mut answer) => received.unwrap(),
    };
    // RFC 9000, section 17.2.5: a long header of type 3, and never longer than what asked for it.
    assert_eq!(answer[0] & 0xb0, 0xb0);
    assert!(answered < first.len());
}

/// A stranger who has sent the first of many packets, and can send any other.
struct Speller {
    door: Door,
    socket: std::net::UdpSocket,
    keys: Keys,
    to: [u8; 16],
    sent: u16,
}

impl Speller {
    fn new() -> Self {
        let tls = tls::server(signer(), &[Alpn::Control], ClientGate::AnyKey).unwrap();
        let to = [0x5a; 16];
        let keys = tls.initial_keys(1, &ConnectionId::new(&to)).ok().unwrap();
        let listening = Endpoint::server(endpoint::control_server(tls), loopback()).unwrap();
        let socket = std::net::UdpSocket::bind(loopback()).unwrap();
        socket.connect(listening.local_addr().unwrap()).unwrap();
        Self {
            door: Door::new(listening, Strangers::Direct),
            socket,
            keys,
            to,
            sent: 0,
        }
    }

    /// Sends a part of a ClientHello in an Initial of 1,200 bytes (RFC 9000, sections 17.2.2 and 19.6).
    fn spell(&mut self, offset: u32, part: &[u8]) {
        let mut packet = vec![0xc1, 0, 0, 0, 1, 16];
        packet.extend(self.to);
        packet.extend([0, 0]);
        let length = u16::try_from(1200 - packet.len() - 2).unwrap();
        packet.extend((0x4000 | length).to_be_bytes());
        let number_at = packet.len();
        packet.extend(self.sent.to_be_bytes());
        let header = packet.len();
        packet.push(6);
        packet.extend((0x8000_0000 | offset).to_be_bytes());
        packet.extend((0x4000 | u16::try_from(part.len()).unwrap()).to_be_bytes());
        packet.extend(part);
        packet.resize(1200, 0);
        let number = u64::from(self.sent);
        self.keys.packet.remote.encrypt(number, &mut packet, header);
        self.keys.header.remote.encrypt(number_at, &mut packet);
        self.socket.send(&packet).unwrap();
        self.sent += 1;
    }
}

/// The beginning of a ClientHello of `length` bytes.
fn hello(length: u32) -> Vec<u8> {
    let mut hello = length.to_be_bytes();
    hello[0] = 1;
    hello.to_vec()
}

#[tokio::test]
async fn u15_a_hello_of_many_packets_has_no_longer_than_one_of_one() {
    let mut stranger = Speller::new();
    stranger.spell(0, &hello(60_000));
    let arrival = stranger.door.next().await.unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let spelling = async {
        let mut second = tokio::time::interval(Duration::from_millis(100));
        for part in 0_u32.. {
            second.tick().await;
            stranger.spell(4 + part, b"a");
        }
    };
    let ended = tokio::select! {
        ended = arrival.handshake() => ended,
        () = spelling => unreachable!("it never ends"),
    };
    assert!(matches!(ended, Err(HandshakeError::TooSlow)), "{ended:?}");
    assert!(
        begun.elapsed() < Duration::from_millis(5_100),
        "{:?}",
        begun.elapsed()
    );
    let (places, sent) = (stranger.door.open.available_permits(), stranger.sent);
    assert_eq!(places, OPEN_HANDSHAKES, "its place is free again");
    assert!(sent > 40, "only {sent} packets came");
}

#[tokio::test]
async fn u15_what_is_put_together_of_a_hello_is_capped() {
    for (name, first, then, step) in [
        ("a gap that is never filled", 1_u32, 17_000_u32, 0_u32),
        ("a gap far away", 1, 0x3000_0000, 0),
        ("a hello of 16 MiB", 0x00ff_ffff, 4, 1000),
    ] {
        let mut stranger = Speller::new();
        stranger.spell(0, &hello(first));
        let arrival = stranger.door.next().await.unwrap();
        let spelling = async {
            for part in 0..64 {
                stranger.spell(then + part * step, &[b'a'; 1000]);
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = arrival.handshake() => ended,
            () = spelling => unreachable!("it never ends"),
        };
        assert!(
            matches!(
                ended,
                Err(HandshakeError::Failed(ConnectionError::TransportError(_)))
            ),
            "{name}: {ended:?}"
        );
    }
}
