//! Floods of frames after the handshake (U11), by a client that is quinn's but for what stands in its packets.

use std::any::Any;
use std::sync::Arc;

use adit_transport::cid::ControlIds;
use adit_transport::tls::{self, Alpn, SERVER_NAME};
use bytes::BytesMut;
use parking_lot::Mutex;
use quinn::crypto::{
    ClientConfig, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey,
    Session,
};
use quinn::{ConnectError, ConnectionError, ConnectionId, Side};
use quinn_proto::TransportError;
use quinn_proto::transport_parameters::TransportParameters;
use ring::rand::SystemRandom;

use super::link::stream;
use super::rig::{Announcing, End, Gateway, Link, link, pin, signer, soon, until};

/// Makes the frame with a number.
type Frames = fn(u32) -> Vec<u8>;

/// What stands in each packet instead of what quinn would send, once there is something.
#[derive(Clone, Default)]
struct Instead(Arc<Mutex<Option<(Frames, u32)>>>);

impl Instead {
    fn fill(&self, room: &mut [u8]) {
        let mut guard = self.0.lock();
        let Some((make, count)) = guard.as_mut() else {
            return;
        };
        let mut payload = Vec::new();
        loop {
            let frame = make(*count);
            if payload.len() + frame.len() > room.len() {
                break;
            }
            payload.extend(frame);
            *count += 1;
        }
        payload.resize(room.len(), 0);
        room.copy_from_slice(&payload);
    }
}

struct FloodKey(Box<dyn PacketKey>, Instead);

impl PacketKey for FloodKey {
    fn encrypt(&self, packet: u64, buf: &mut [u8], header_len: usize) {
        let end = buf.len() - self.0.tag_len();
        self.1.fill(&mut buf[header_len..end]);
        self.0.encrypt(packet, buf, header_len);
    }

    fn decrypt(
        &self,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        self.0.decrypt(packet, header, payload)
    }

    fn tag_len(&self) -> usize {
        self.0.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.0.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.0.integrity_limit()
    }
}

/// A TLS session whose second keys, those of 1-RTT packets, write what they are told to.
struct FloodSession {
    inner: Box<dyn Session>,
    instead: Instead,
    keys: u32,
}

impl Session for FloodSession {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        self.inner.initial_keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.inner.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.inner.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.inner.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.inner.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.inner.read_handshake(buf)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.inner.transport_parameters()
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let mut keys = self.inner.write_handshake(buf)?;
        self.keys += 1;
        if self.keys == 2 {
            let local = FloodKey(keys.packet.local, self.instead.clone());
            keys.packet.local = Box::new(local);
        }
        Some(keys)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.inner.next_1rtt_keys()
    }

    fn is_valid_retry(&self, orig_dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.inner.is_valid_retry(orig_dst_cid, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.inner.export_keying_material(output, label, context)
    }
}

struct FloodTls(Arc<dyn ClientConfig>, Instead);

impl ClientConfig for FloodTls {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let inner = self.0.clone().start_session(version, server_name, params)?;
        Ok(Box::new(FloodSession {
            inner,
            instead: self.1.clone(),
            keys: 0,
        }))
    }
}

/// Whoever floods: a stranger with a key of its own and a connection whose handshake is complete.
struct Flooder {
    connection: quinn::Connection,
    instead: Instead,
    endpoint: quinn::Endpoint,
}

impl Flooder {
    async fn before(gateway: &Gateway) -> Self {
        let instead = Instead::default();
        let tls = tls::client(signer(), Alpn::Control, pin(&gateway.signer)).unwrap();
        let ids = ControlIds::ephemeral(&SystemRandom::new()).unwrap();
        let tls = FloodTls(Arc::new(tls), instead.clone());
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        config.initial_dst_cid_provider(Arc::new(move || ids.make()));
        let local = (std::net::Ipv4Addr::LOCALHOST, 0).into();
        let endpoint = quinn::Endpoint::client(local).unwrap();
        let connecting = endpoint.connect_with(config, gateway.addr, SERVER_NAME);
        let connection = soon("a connection", connecting.unwrap()).await.unwrap();
        // Else it would be called by a forged one, and hear nothing.
        let has_named_its_ids = || connection.stats().frame_tx.new_connection_id > 0;
        until("connection IDs of its own", has_named_its_ids).await;
        Self {
            connection,
            instead,
            endpoint,
        }
    }

    /// Sends `frames` in packets that would hold half a MiB; gives how the connection ended, if it did. The gateway is
    /// asked: whoever retires its connection IDs hears nothing more.
    async fn flood(&self, frames: Frames, gateway: &Gateway) -> Option<ConnectionError> {
        let from = self.endpoint.local_addr().unwrap();
        let closed = || gateway.ended.lock().get(&from).cloned();
        tokio::select! {
            Some(()) = soon("everything sent", self.send(frames)) => {}
            () = until("an end", || closed().is_some()) => {}
        }
        *self.instead.0.lock() = None;
        closed()
    }

    /// Sends `frames` until all of what stands in their place is acknowledged.
    async fn send(&self, frames: Frames) -> Option<()> {
        *self.instead.0.lock() = Some((frames, 0));
        let (mut send, _recv) = self.connection.open_bi().await.ok()?;
        send.write_all(&vec![0; 512 << 10]).await.ok()?;
        send.finish().ok()?;
        send.stopped().await.ok().map(drop)
    }
}

/// What comes of a flood.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing: the connection goes on.
    Stays,
    /// The gateway closes the connection with an error.
    Closed(u64),
    /// The flooder's own QUIC breaks, being told of more than it asked for.
    Broke,
}

impl Outcome {
    fn of(ended: Option<&ConnectionError>) -> Option<Self> {
        match ended {
            None => Some(Self::Stays),
            Some(ConnectionError::TransportError(error)) => Some(Self::Closed(error.code.into())),
            Some(ConnectionError::Reset) => Some(Self::Broke),
            Some(
                ConnectionError::ConnectionClosed(_)
                | ConnectionError::ApplicationClosed(_)
                | ConnectionError::VersionMismatch
                | ConnectionError::TimedOut
                | ConnectionError::LocallyClosed
                | ConnectionError::CidsExhausted,
            ) => None,
        }
    }
}

/// A variable-length integer of four bytes (RFC 9000, section 16).
fn long(number: u32) -> [u8; 4] {
    (0x8000_0000 | number).to_be_bytes()
}

/// A `NEW_CONNECTION_ID` (RFC 9000, section 19.15).
fn new_id(sequence: u32, retire_prior_to: u32, id: u32) -> Vec<u8> {
    let mut frame = vec![0x18];
    frame.extend(long(sequence));
    frame.extend(long(retire_prior_to));
    frame.push(8);
    frame.extend(id.to_be_bytes().repeat(2));
    frame.extend([0; 16]);
    frame
}

fn with(kind: u8, fields: &[u32]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend(fields.iter().flat_map(|field| long(*field)));
    frame
}

use Outcome::{Broke, Closed, Stays};

/// Errors of QUIC (RFC 9000, section 20.1).
const STREAM_LIMIT: u64 = 4;
const STREAM_STATE: u64 = 5;
const FRAME_ENCODING: u64 = 7;
const ID_LIMIT: u64 = 9;
const VIOLATION: u64 = 10;
const CRYPTO_BUFFER: u64 = 13;

/// Each flood, and what comes of it.
const FLOODS: [(&str, Outcome, Frames); 19] = [
    ("new ids, nothing retired", Closed(ID_LIMIT), |n| {
        new_id(n + 1, 0, n)
    }),
    ("new ids, each retires all", Closed(ID_LIMIT), |n| {
        new_id(n + 1, n + 1, n)
    }),
    (
        "new ids that retire later ones",
        Closed(FRAME_ENCODING),
        |n| new_id(n + 1, n + 2, n),
    ),
    ("ids retired that were not issued", Closed(VIOLATION), |n| {
        with(0x19, &[n + 9])
    }),
    ("one id retired again and again", Broke, |_| {
        with(0x19, &[1])
    }),
    ("PATH_CHALLENGE", Stays, |n| {
        [&[0x1a][..], &n.to_be_bytes().repeat(2)].concat()
    }),
    ("PATH_RESPONSE", Stays, |n| {
        [&[0x1b][..], &n.to_be_bytes().repeat(2)].concat()
    }),
    ("PING", Stays, |_| vec![1]),
    ("MAX_STREAMS", Stays, |n| with(0x12, &[n])),
    ("MAX_STREAMS beyond", Closed(FRAME_ENCODING), |_| {
        vec![0x12, 0xff, 0, 0, 0, 0, 0, 0, 0]
    }),
    ("MAX_DATA", Stays, |n| with(0x10, &[n])),
    ("STREAMS_BLOCKED", Stays, |n| with(0x16, &[n])),
    ("DATA_BLOCKED", Stays, |n| with(0x14, &[n])),
    (
        "MAX_STREAM_DATA of the gateway's",
        Closed(STREAM_STATE),
        |n| with(0x11, &[1, n]),
    ),
    ("CRYPTO with gaps", Closed(CRYPTO_BUFFER), |n| {
        [with(0x06, &[17_000 + 2 * n]), vec![1, 0]].concat()
    }),
    ("NEW_TOKEN", Closed(VIOLATION), |_| vec![7, 1, 0]),
    ("ACK of what was not sent", Closed(VIOLATION), |n| {
        [with(0x02, &[0x1000_0000 + n]), vec![0, 0, 0]].concat()
    }),
    ("streams begun", Closed(STREAM_LIMIT), |n| {
        [with(0x0a, &[4 * n]), vec![1, 0]].concat()
    }),
    ("streams reset", Closed(STREAM_LIMIT), |n| {
        with(0x04, &[4 * n, 0, 0])
    }),
];

/// A link beside a flood, and its gateway.
struct Bystanders {
    gateway: Gateway,
    sender: quinn::SendStream,
    receiver: quinn::RecvStream,
    _ends: [End; 2],
    _link: Link,
}

impl Bystanders {
    async fn linked() -> Self {
        let gateway = Gateway::start(Announcing::Everybody);
        let connector = End::connector(&gateway);
        let client = End::client(gateway.addr, &gateway);
        let link = link(&client, &connector).await;
        let (sender, receiver) = stream(&link.near, &link.far).await;
        Self {
            gateway,
            sender,
            receiver,
            _ends: [connector, client],
            _link: link,
        }
    }

    async fn still_talk(&mut self) {
        self.sender.write_all(b"still here").await.unwrap();
        let mut heard = [0; 10];
        let echo = self.receiver.read_exact(&mut heard);
        soon("an echo", echo).await.unwrap();
    }
}

#[tokio::test]
async fn u11_who_floods_a_connection_with_frames_is_closed_at_a_cap_or_costs_nothing() {
    let mut others = Bystanders::linked().await;
    let mut surprises = Vec::new();
    for (name, outcome, frames) in FLOODS {
        let flooder = Flooder::before(&others.gateway).await;
        let found = flooder.flood(frames, &others.gateway).await;
        if Outcome::of(found.as_ref()) != Some(outcome) {
            surprises.push((name, found));
        }
        let stats = flooder.connection.stats();
        assert!(
            stats.udp_rx.bytes <= stats.udp_tx.bytes,
            "{name}: {} bytes drew {}",
            stats.udp_tx.bytes,
            stats.udp_rx.bytes
        );
        others.still_talk().await;
    }
    assert_eq!(surprises, [], "it ended in another way");
}

#[tokio::test]
async fn u11_who_names_another_id_for_one_number_is_called_by_it_and_harms_itself() {
    let mut others = Bystanders::linked().await;
    let flooder = Flooder::before(&others.gateway).await;
    let sent = || flooder.connection.stats().udp_tx.datagrams;
    let enough = sent() + 16;
    tokio::select! {
        () = until("packets that nobody answers", || sent() >= enough) => {}
        _ = flooder.send(|n| new_id(1, 0, n)) => {}
    }
    others.still_talk().await;
    let from = flooder.endpoint.local_addr().unwrap();
    assert!(!others.gateway.ended.lock().contains_key(&from));
}
