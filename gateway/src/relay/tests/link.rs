//! What a link carries through the relay.

use std::net::IpAddr;

use adit_transport::tls;
use quinn::{Connection, RecvStream, SendStream};

use super::rig::{Announcing, End, Gateway, Link, link, soon};

pub(super) const MB: usize = 1 << 20;

/// Bytes that differ everywhere, so that a lost, doubled or moved piece shows.
pub(super) fn chunk(number: usize) -> Vec<u8> {
    let mut state = u64::try_from(number)
        .unwrap()
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        | 1;
    let mut bytes = Vec::with_capacity(MB);
    while bytes.len() < MB {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

pub(super) async fn send(mut stream: SendStream, chunks: usize) {
    for number in 0..chunks {
        stream.write_all(&chunk(number)).await.unwrap();
    }
    stream.finish().unwrap();
    stream.stopped().await.unwrap();
}

pub(super) async fn receive(stream: &mut RecvStream, chunks: std::ops::Range<usize>) {
    let mut received = vec![0; MB];
    for number in chunks {
        stream.read_exact(&mut received).await.unwrap();
        assert!(received == chunk(number), "chunk {number} differs");
    }
}

pub(super) async fn expect_end(stream: &mut RecvStream) {
    assert_eq!(stream.read(&mut [0]).await.unwrap(), None);
}

/// A stream opened at one end and accepted at the other, as (sender's, receiver's) half for `from` to `to`.
pub(super) async fn stream(from: &Connection, to: &Connection) -> (SendStream, RecvStream) {
    let (mut send, _) = from.open_bi().await.unwrap();
    send.write_all(b"!").await.unwrap();
    let (_, mut recv) = to.accept_bi().await.unwrap();
    recv.read_exact(&mut [0]).await.unwrap();
    (send, recv)
}

async fn transfer(from: &Connection, to: &Connection, chunks: usize) {
    let (sender, mut receiver) = stream(from, to).await;
    let receiving = async {
        receive(&mut receiver, 0..chunks).await;
        expect_end(&mut receiver).await;
    };
    soon("a transfer", async {
        tokio::join!(send(sender, chunks), receiving)
    })
    .await;
}

#[tokio::test]
async fn a_link_carries_ten_megabytes_each_way_byte_by_byte() {
    let gateway = Gateway::start(Announcing::Everybody);
    let connector = End::connector(&gateway);
    let client = End::client(gateway.addr, &gateway);
    let Link { near, far } = link(&client, &connector).await;
    assert_eq!(
        tls::peer_key(&near).as_ref(),
        Some(connector.signer.public_key())
    );
    assert_eq!(
        tls::peer_key(&far).as_ref(),
        Some(client.signer.public_key())
    );
    transfer(&near, &far, 10).await;
    transfer(&far, &near, 10).await;
    let counts = gateway.relay().counts();
    assert!(
        counts.forwarded_bytes > u64::try_from(20 * MB).unwrap(),
        "{counts:?}"
    );
    assert!(
        counts.forwarded_batches < counts.forwarded / 2,
        "batches stay whole: {counts:?}"
    );
    assert_eq!(
        (
            counts.unknown_source,
            counts.not_announced,
            counts.unroutable
        ),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn a_link_goes_through_whichever_address_of_the_gateway_each_end_dialled() {
    // Both ends take nothing from an address that they did not dial.
    for (listen, client_at, connector_at) in [
        ("0.0.0.0:0", "127.0.0.2", "127.0.0.3"),
        ("[::]:0", "::1", "127.0.0.4"),
        ("[::1]:0", "::1", "::1"),
    ] {
        let gateway = Gateway::listening(listen.parse().unwrap(), Announcing::Everybody);
        let at = |ip: &str| (ip.parse::<IpAddr>().unwrap(), gateway.addr.port()).into();
        let connector = End::connector_at(at(connector_at), &gateway);
        let client = End::client(at(client_at), &gateway);
        let Link { near, far } = link(&client, &connector).await;
        transfer(&near, &far, 1).await;
        transfer(&far, &near, 1).await;
    }
}

#[tokio::test]
async fn the_connectors_socket_is_connected_and_so_takes_nothing_from_strangers() {
    let gateway = Gateway::start(Announcing::Everybody);
    let connector = End::connector(&gateway);
    let port = connector.party.local_addr().unwrap().port();
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let mut entries = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let entry = entries
        .find(|entry| entry[1].ends_with(&format!(":{port:04X}")))
        .unwrap();
    let gateway_port = format!(":{:04X}", gateway.addr.port());
    assert!(
        entry[2].ends_with(&gateway_port),
        "connected to the gateway: {entry:?}"
    );
    assert_eq!(entry[3], "01", "established, which `ss -lnu` does not list");
}
