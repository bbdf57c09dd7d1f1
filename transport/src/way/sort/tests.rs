use std::io::IoSliceMut;
use std::net::Ipv4Addr;
use std::task::{Context, Poll, Waker};

use super::super::{Attachment, WayCounts};
use super::*;
use crate::cid::{CID_LEN, OwnRoute};

const GATEWAY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4433);

fn own() -> RouteId {
    RouteId::from_bits(0x8111_1111_1111_1111).unwrap()
}

fn datagram(id: [u8; CID_LEN], fill: u8) -> Vec<u8> {
    let mut datagram = vec![0x40];
    datagram.extend_from_slice(&id);
    datagram.resize(40, fill);
    datagram
}

fn for_link(fill: u8) -> Vec<u8> {
    let mut id = [fill; CID_LEN];
    id[..8].copy_from_slice(&own().bits().to_be_bytes());
    datagram(id, fill)
}

fn for_control(fill: u8) -> Vec<u8> {
    datagram([0x11; CID_LEN], fill)
}

/// Sorts one batch of datagrams of 40 bytes from `from`; returns what was kept for links, and for control.
fn sorted(from: SocketAddr, batch: &[Vec<u8>]) -> (Vec<u8>, Vec<Vec<u8>>, WayCounts) {
    let way = Way::open(GATEWAY, Attachment::Free, OwnRoute::default()).unwrap();
    let mut buf = batch.concat();
    let meta = RecvMeta {
        addr: from,
        len: buf.len(),
        stride: 40,
        ecn: None,
        dst_ip: None,
    };
    let kept = way.sort(
        Sorting {
            gateway: GATEWAY,
            own: Some(own()),
        },
        &mut buf,
        &meta,
    );
    let mut control = Vec::new();
    let mut space = [0; 64];
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let mut metas = [RecvMeta::default()];
        let polled =
            way.control
                .poll_drain(&mut cx, &mut [IoSliceMut::new(&mut space)], &mut metas);
        if polled == Poll::Pending {
            break;
        }
        control.push(space[..metas[0].len].to_vec());
    }
    buf.truncate(kept);
    (buf, control, way.counts())
}

#[tokio::test]
async fn a_mixed_batch_is_taken_apart() {
    let (one, two, three) = (for_link(1), for_control(2), for_link(3));
    let (links, control, counts) = sorted(GATEWAY, &[one.clone(), two.clone(), three.clone()]);
    assert_eq!(links, [one, three].concat());
    assert_eq!(control, [two]);
    assert_eq!(counts, WayCounts::default());
}

#[tokio::test]
async fn a_link_of_another_route_is_not_ours() {
    let mut id = [0xff; CID_LEN];
    id[8] = 0;
    let (links, control, _) = sorted(GATEWAY, &[datagram(id, 1)]);
    assert!(links.is_empty());
    assert_eq!(
        control.len(),
        1,
        "the control endpoint knows no such connection either"
    );
}

#[tokio::test]
async fn u5_datagrams_that_do_not_come_from_the_gateway_are_dropped() {
    for from in ["127.0.0.1:4434", "127.0.0.2:4433", "[::1]:4433"] {
        let (links, control, counts) =
            sorted(from.parse().unwrap(), &[for_link(1), for_control(2)]);
        assert!(links.is_empty() && control.is_empty(), "{from}");
        assert_eq!(counts.strangers, 1);
    }
}

#[tokio::test]
async fn u8_a_first_packet_with_another_length_of_connection_id_reaches_nobody() {
    for length in [0_u8, 1, 15, 17, 20] {
        let mut datagram = vec![0xc0, 0, 0, 0, 1, length];
        datagram.resize(40, 0x91);
        let (links, control, counts) = sorted(GATEWAY, &[datagram]);
        assert!(links.is_empty() && control.is_empty(), "{length}");
        assert_eq!(counts.strangers, 1);
    }
}
