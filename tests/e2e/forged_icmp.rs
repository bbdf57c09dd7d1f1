//! U13: somebody tells the kernels that the way takes tiny packets only.

use std::net::{Ipv4Addr, SocketAddrV4};

use adit_harness::netns::Host;
use adit_harness::stack::BOUND;
use anyhow::{Context, Result, ensure};
use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};

use crate::busy::Stage;

/// The next hop's MTU that is forged, the least that there is (RFC 791, section 3.2).
const TINY: u16 = 68;
/// What no datagram of QUIC needs less than (RFC 9000, section 14).
const FLOOR: u64 = 1200;

#[test]
fn u13_forged_reports_of_a_tiny_mtu_leave_datagrams_as_long_as_they_are() {
    let stage = Stage::set().unwrap();
    let mut watch = stage.watch().unwrap();
    let forward = stage.forward().unwrap();
    let network = &stage.stack.network;
    let (client, gateway, cluster) = (network.client(), network.gateway(), network.cluster());
    for (victim, peer) in [
        (client, gateway),
        (gateway, client),
        (cluster, gateway),
        (gateway, cluster),
    ] {
        let forged = forge(&stage, victim, peer);
        forged.unwrap();
    }
    stage.shown(watch.goes_on(BOUND));
    stage.shown(forward.goes_on(BOUND));
    let pinged = stage.ben.json(&["ping", "--count", "1", "prod"]).unwrap();
    for leg in ["gateway", "connector"] {
        let mtu = pinged[leg]["mtu"].as_u64();
        assert!(mtu.is_some_and(|mtu| mtu >= FLOOR), "{pinged}");
    }
    let cleo = stage.stack.engineer("cleo@example.org").unwrap();
    let kubectl = cleo.kubectl("prod").unwrap();
    kubectl.ok(&["get", "namespaces"]).unwrap();
    watch.whole().unwrap();
    forward.whole().unwrap();
}

/// Sends `victim` a report about each flow that it may have with `peer`, until its kernel believes it.
fn forge(stage: &Stage, victim: &Host, peer: &Host) -> Result<()> {
    for from in udp_ports(victim)? {
        for to in udp_ports(peer)? {
            let from = SocketAddrV4::new(victim.address(), from);
            let to = SocketAddrV4::new(peer.address(), to);
            send(stage, victim.address(), &too_big(from, to))?;
        }
    }
    let peer = peer.address().to_string();
    let route = victim.netns().ip(["route", "get", &peer])?;
    ensure!(route.contains(" mtu "), "nobody believes it: {route}");
    Ok(())
}

fn udp_ports(host: &Host) -> Result<Vec<u16>> {
    let listed = host.netns().run("ss", ["-H", "-n", "-u", "-a"])?.ok()?;
    let port = |line: &str| {
        let local = line.split_whitespace().nth(3)?;
        local.rsplit_once(':')?.1.parse().ok()
    };
    let ports = listed
        .lines()
        .map(|line| port(line).with_context(|| line.to_owned()));
    ports.collect()
}

/// Sends an ICMP message from the router, which is on the way of every packet; the kernel fills in the IP header.
fn send(stage: &Stage, to: Ipv4Addr, message: &[u8]) -> Result<()> {
    let router = stage.stack.network.router();
    router.enter(|| {
        let socket = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))?;
        let to = SocketAddrV4::new(to, 0);
        sendto(&socket, message, SendFlags::empty(), &to)?;
        Ok(())
    })?
}

/// "Fragmentation needed and DF set" (RFC 792, RFC 1191 section 4) about a datagram that `from` is said to have sent.
fn too_big(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut message = vec![3, 4, 0, 0, 0, 0];
    message.extend(TINY.to_be_bytes());
    // The datagram's IP header (RFC 791, section 3.1): 1,400 bytes, not to be cut, UDP.
    message.extend([0x45, 0, 5, 120, 0, 1, 0x40, 0, 64, 17, 0, 0]);
    message.extend(from.ip().octets());
    message.extend(to.ip().octets());
    message.extend(from.port().to_be_bytes());
    message.extend(to.port().to_be_bytes());
    message.extend([5, 100, 0, 0]);
    let checksum = checksum(&message);
    message.splice(2..4, checksum.to_be_bytes());
    message
}

/// RFC 1071, of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks_exact(2)
        .map(|it| u16::from_be_bytes([it[0], it[1]]));
    !words.fold(0, |sum: u16, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}
