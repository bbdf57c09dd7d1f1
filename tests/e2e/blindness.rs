//! The gateway is blind: with all its keys, what passes it cannot be read, and its relay knows of no cryptography.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use adit_harness::built::Build;
use adit_harness::capture::{Capture, Datagram};
use adit_harness::scratch::scratch;
use adit_transport::cid::Class;

use crate::busy::Stage;

/// The port of the gateway.
const PORT: u16 = 8443;

#[test]
fn gateways_keys_read_control_connections_and_no_link_and_the_clients_keys_read_the_link() {
    let keys = scratch().unwrap().folder("keys").unwrap();
    let stage = Stage::with("", Build::with_key_log(&keys)).unwrap();
    let capture = Capture::start(stage.stack.network.gateway()).unwrap();
    // The sign-in is in the capture from its first packet on.
    let cleo = stage.stack.engineer("cleo@example.org").unwrap();
    let kubectl = cleo.kubectl("prod").unwrap();
    let listed = kubectl.ok(&["get", "namespaces"]).unwrap();
    assert!(listed.contains("kube-system"), "{listed}");
    let forward = crate::busy::BusyForward::start(&cleo, stage.stack.network.client()).unwrap();
    forward.whole().unwrap();
    let recording = capture.finish().unwrap();

    let network = &stage.stack.network;
    let leg = recording.leg(network.client()).unwrap();
    let by_gateway = leg.read(&keys.join("gateway"), PORT).unwrap();
    let by_client = leg.read(&keys.join("cleo"), PORT).unwrap();
    let (read, all) = readable(&by_gateway, Part::Control);
    assert!(read > 20, "{read} of {all} control packets");
    let (read, all) = readable(&by_gateway, Part::Link);
    assert!(read == 0 && all > 50, "{read} of {all} link packets");
    // The same packets and the same program: what is not read above is not read for want of keys. Not all are read here
    // either, since `tshark` does not follow every change of connection IDs; the first ones are.
    let (read, all) = readable(&by_client, Part::Link);
    assert!(read > 20, "{read} of {all} link packets");
    let other_leg = recording.leg(network.cluster()).unwrap();
    let other_leg = other_leg.read(&keys.join("gateway"), PORT).unwrap();
    let (read, all) = readable(&other_leg, Part::Link);
    assert!(read == 0 && all > 50, "{read} of {all} link packets");

    let request = b"GET /api/v1/namespaces";
    assert!(contains(&said(&by_client), request));
    assert!(!contains(&said(&by_gateway), request));
    let wire = |it: &Datagram| it.payload.clone();
    let wire: Vec<_> = by_gateway.iter().flat_map(wire).collect();
    assert!(!contains(&wire, request));
    assert!(contains(&said(&by_gateway), b"POST /v1/sessions"));

    no_secret_of_a_link_is_in_the_gateways_log(&by_client, &keys);
}

/// How many packets of a part could be read, and how many there are.
fn readable(datagrams: &[Datagram], part: Part) -> (usize, usize) {
    let of_part = || datagrams.iter().filter(|it| Part::of(it) == Some(part));
    (of_part().filter(|it| it.read).count(), of_part().count())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Secrets are found by the client's random value, which is in the clear in the first packet of each link.
fn no_secret_of_a_link_is_in_the_gateways_log(datagrams: &[Datagram], keys: &Path) {
    let of = |class: fn(Class) -> bool| -> BTreeSet<_> {
        let chosen = datagrams.iter().filter(|it| class(Class::of(&it.payload)));
        chosen.flat_map(|it| it.randoms.clone()).collect()
    };
    let links = of(|class| matches!(class, Class::Overlay(_)));
    let controls = of(|class| class == Class::Control);
    let gateways = fs::read_to_string(keys.join("gateway")).unwrap();
    assert!(!links.is_empty());
    assert!(links.iter().all(|random| !gateways.contains(random)));
    assert!(controls.iter().any(|random| gateways.contains(random)));
}

/// What the streams of all datagrams say, one after the other.
fn said(datagrams: &[Datagram]) -> Vec<u8> {
    datagrams.iter().flat_map(|it| it.streams.clone()).collect()
}

/// Which connection a protected packet belongs to. First packets are not counted: their keys are public (RFC 9001, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Control,
    Link,
}

impl Part {
    fn of(datagram: &Datagram) -> Option<Self> {
        if datagram.payload.first()? & 0x80 != 0 {
            return None;
        }
        match Class::of(&datagram.payload) {
            Class::Control => Some(Self::Control),
            Class::Overlay(_) => Some(Self::Link),
            Class::Rebind | Class::Unroutable => None,
        }
    }
}

#[test]
fn programs_for_use_write_no_secret_wherever_they_are_told_to() {
    let keys = scratch().unwrap().folder("keys").unwrap();
    let stage = Stage::with("", Build::for_use(&keys)).unwrap();
    let kubectl = stage.ben.kubectl("prod").unwrap();
    kubectl.ok(&["get", "namespaces"]).unwrap();
    assert_eq!(fs::read_dir(&keys).unwrap().count(), 0);
}

/// What the relay may name: no crate that holds a key of TLS or could make one. `ring::hmac` authenticates `bind`.
const RELAY_MAY_NAME: [&str; 12] = [
    "adit_transport::cid",
    "adit_transport::limit",
    "adit_transport::rebind",
    "adit_transport::way",
    "parking_lot",
    "quinn",
    "ring::hmac",
    "rustc_hash",
    "std",
    "subtle",
    "tokio::sync",
    "tokio::time",
];

/// What neither the relay nor the modules of `transport` that it stands on may name.
const NOBODY_NAMES: [&str; 9] = [
    "rustls",
    "openssl",
    "webpki",
    "quinn::crypto",
    "ring::aead",
    "ring::agreement",
    "ring::signature",
    "crate::tls",
    "adit_transport::tls",
];

#[test]
fn relay_names_no_crate_of_tls() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let relay = sources(&root.join("gateway/src/relay"));
    assert!(relay.len() >= 5, "{relay:?}");
    for file in &relay {
        for path in uses(file) {
            let own = ["super", "self", "table", "counters", "moving", "socket"];
            let first = path.split("::").next().unwrap();
            let allowed = |it: &&str| path == **it || path.starts_with(&format!("{it}::"));
            assert!(
                own.contains(&first) || RELAY_MAY_NAME.iter().any(allowed),
                "{} uses {path}",
                file.display()
            );
        }
    }
    let below =
        ["limit", "rebind", "way"].map(|module| sources(&root.join("transport/src").join(module)));
    for file in relay.iter().chain(below.iter().flatten()) {
        let code = code(file);
        for name in NOBODY_NAMES {
            assert!(!code.contains(name), "{} names {name}", file.display());
        }
    }
}

/// The files of a module, without its tests.
fn sources(module: &Path) -> Vec<PathBuf> {
    let mut files = vec![module.with_extension("rs")];
    let mut folders = vec![module.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.file_stem().is_some_and(|stem| stem == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

/// A file without its comments and its unit tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths that `use` statements begin with, up to a brace.
fn uses(file: &Path) -> Vec<String> {
    let code = code(file);
    let statements = code.lines().map(str::trim_start);
    statements
        .filter_map(|line| {
            line.strip_prefix("pub ")
                .unwrap_or(line)
                .strip_prefix("use ")
        })
        .map(|path| {
            path.trim_end_matches(['{', ';', ' '])
                .trim_end_matches("::")
                .to_owned()
        })
        .map(|path| path.split("::{").next().unwrap().to_owned())
        .collect()
}
