//! The connector listens on nothing: strangers find no door, and a closed firewall changes nothing.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use adit_harness::netns::Host;
use adit_harness::stack::{BOUND, Stack};
use adit_harness::wait;
use adit_transport::cid::ControlIds;
use adit_transport::endpoint::{self, Liveliness};
use adit_transport::key::PrivateKey;
use adit_transport::tls::{self, Alpn, ServerPin};
use ring::rand::{SecureRandom, SystemRandom};

/// How many datagrams of each kind the stranger sends.
const EACH: usize = 1000;

#[test]
fn connector_listens_on_nothing_and_works_while_all_unsolicited_packets_are_dropped() {
    let mut stack = Stack::start().unwrap();
    let host = stack.network.add("stranger").unwrap();
    let cluster = stack.network.cluster();
    cluster.netns().drop_unsolicited().unwrap();
    stack.network.only_outgoing(cluster).unwrap();
    let ben = stack.engineer("ben@example.org").unwrap();
    let kubectl = ben.kubectl("prod").unwrap();
    kubectl.ok(&["get", "namespaces"]).unwrap();
    assert_eq!(cluster.netns().open_sockets().unwrap(), []);

    let door = SocketAddr::new(cluster.address().into(), udp_port(cluster));
    let stranger = host
        .netns()
        .enter(|| UdpSocket::bind("0.0.0.0:0"))
        .unwrap()
        .unwrap();
    stranger.set_nonblocking(true).unwrap();
    for datagram in unwanted() {
        stranger.send_to(&datagram, door).unwrap();
    }
    // What the stranger asked is behind these in every queue; when they have gone through, an answer would be here.
    kubectl.ok(&["get", "namespaces"]).unwrap();
    let answer = stranger.recv_from(&mut [0; 2048]);
    assert_eq!(answer.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// The local port of the connector's socket.
fn udp_port(host: &Host) -> u16 {
    wait::until("the connector's socket", BOUND, || {
        let listed = host.netns().run("ss", ["-H", "-n", "-u"])?.ok()?;
        Ok(listed.lines().find_map(|line| {
            line.split_whitespace().find_map(|field| {
                field
                    .strip_prefix(&format!("{}:", host.address()))?
                    .parse()
                    .ok()
            })
        }))
    })
    .unwrap()
}

/// Valid Initials, short headers, Version Negotiation and noise.
fn unwanted() -> Vec<Vec<u8>> {
    let rng = SystemRandom::new();
    let random = |len: usize| {
        let mut bytes = vec![0; len];
        rng.fill(&mut bytes).unwrap();
        bytes
    };
    let initial = initial();
    let mut all = Vec::new();
    for _ in 0..EACH {
        all.push(initial.clone());
        let mut short = random(64);
        short[0] = short[0] & 0x3f | 0x40;
        all.push(short);
        let id = random(16);
        let negotiation = [
            &[0x80, 0, 0, 0, 0, 16][..],
            id.as_slice(),
            &[0],
            &[0, 0, 0, 2],
        ];
        all.push(negotiation.concat());
        all.push(random(200));
    }
    all
}

/// A first packet of QUIC as a real client sends it.
fn initial() -> Vec<u8> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let rng = SystemRandom::new();
        let taker = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let signer = PrivateKey::generate(&rng).unwrap().into_signer();
        let pin = ServerPin::Key(signer.public_key().fingerprint());
        let ids = ControlIds::ephemeral(&rng).unwrap();
        let config = endpoint::control_client(
            tls::client(signer, Alpn::Link, pin).unwrap(),
            Liveliness::Prompt,
            Arc::new(move || ids.make()),
        );
        let dialling = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let _attempt = dialling
            .connect_with(config, taker.local_addr().unwrap(), tls::SERVER_NAME)
            .unwrap();
        let mut buffer = vec![0; 2048];
        let arrival = tokio::time::timeout(Duration::from_secs(5), taker.recv(&mut buffer));
        let length = arrival.await.unwrap().unwrap();
        buffer.truncate(length);
        buffer
    })
}
