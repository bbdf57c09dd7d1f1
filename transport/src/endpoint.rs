//! The quinn endpoints and their timers and limits (ARCHITECTURE.md, data plane).
//!
//! QUIC version 1 only, no NEW_TOKEN, connection IDs of 16 bytes. A party has a control endpoint and an overlay
//! endpoint over the same way; a gateway has one endpoint over its relay's socket.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AsyncUdpSocket, ClientConfig, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig,
    IdleTimeout, ServerConfig, TokioRuntime, TransportConfig, ValidationTokenConfig, VarInt,
};

use crate::cid::ResetKey;

/// QUIC version 1 (RFC 9000), the only one that is spoken.
const QUIC_V1: u32 = 1;

/// How long a link lives without hearing from its other end, in ms: one lease (60 s) and 30 s to come back in.
const LINK_IDLE_MS: u32 = 90_000;
/// How often a client says something on an idle link. Well below what NATs forget after (RFC 4787: 2 minutes).
const LINK_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The window of one stream, in bytes: what a path of 1 Gbit/s and 60 ms holds. A reader that stops costs no more than
/// this. quinn cannot let a stream's window grow, so it is whole from the start.
const STREAM_WINDOW: u32 = 8 << 20;
/// The window of a link at its connector, in bytes: what one device may make it keep.
const LINK_WINDOW: u32 = 32 << 20;
/// The window of a link at its client, in bytes: thirty-two readers that stopped. It is the engineer's own memory, and
/// only what nobody reads is kept.
const LINK_WINDOW_OF_CLIENT: u32 = 256 << 20;
/// What a sender keeps of unacknowledged data, in bytes, per link.
const SEND_WINDOW: u64 = 8 << 20;
/// Streams that a link may have at first. quinn makes a map entry for each at the handshake, so not more
/// ([quinn issue 2600](https://github.com/quinn-rs/quinn/issues/2600)).
pub(crate) const LINK_STREAMS_START: u32 = 64;
/// Streams that a link may have after growing. Each watch holds one.
pub(crate) const LINK_STREAMS: u32 = 1024;
/// Streams on a control connection: one that stays, and one for each call of the API that runs.
const CONTROL_STREAMS: u32 = 16;
/// The windows of a control connection, in bytes: the longest frame is 1 MiB.
const CONTROL_WINDOW: u32 = 2 << 20;
/// The first guess at the round trip. quinn's own, 333 ms, makes a lost first packet cost a second.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// How much of a handshake's messages is put together, in bytes: what a stranger's ClientHello may take.
const CRYPTO_BUFFER: usize = 16 << 10;
/// What is kept of one stranger who was not accepted yet, in bytes, and of all of them.
const INCOMING_BUFFER: u64 = 64 << 10;
const INCOMING_BUFFER_TOTAL: u64 = 16 << 20;
/// How many strangers wait to be accepted at once. More are refused, by quinn, with one packet.
const MAX_INCOMING: usize = 1024;

/// How lively a control connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveliness {
    /// Of a connector, and of a client that has streams open: its death is known within 3 s.
    Prompt,
    /// Of a client that does nothing: its radio may sleep.
    Idle,
}

impl Liveliness {
    const fn keep_alive(self) -> Duration {
        match self {
            Self::Prompt => Duration::from_secs(1),
            Self::Idle => Duration::from_secs(20),
        }
    }

    const fn idle_ms(self) -> u32 {
        match self {
            Self::Prompt => 3_000,
            Self::Idle => 60_000,
        }
    }
}

/// Makes the configuration for dialling control or enrolment connections.
///
/// `first_id` makes the connection ID of the first packet, of control class.
#[must_use]
pub fn control_client(
    tls: QuicClientConfig,
    liveliness: Liveliness,
    first_id: Arc<dyn Fn() -> ConnectionId + Send + Sync>,
) -> ClientConfig {
    let mut transport = control_transport(liveliness.idle_ms());
    transport.keep_alive_interval(Some(liveliness.keep_alive()));
    client(tls, transport, first_id)
}

/// Makes the configuration for accepting control and enrolment connections. The client's idle time-out counts, since
/// the shorter of both does (RFC 9000, section 10.1).
#[must_use]
pub fn control_server(tls: QuicServerConfig) -> ServerConfig {
    server(tls, control_transport(Liveliness::Idle.idle_ms()))
}

/// Makes the configuration for dialling links; `first_id` leads to the connector's route.
#[must_use]
pub fn link_client(
    tls: QuicClientConfig,
    first_id: Arc<dyn Fn() -> ConnectionId + Send + Sync>,
) -> ClientConfig {
    let mut transport = link_transport(LINK_WINDOW_OF_CLIENT);
    transport.keep_alive_interval(Some(LINK_KEEP_ALIVE));
    client(tls, transport, first_id)
}

/// Makes the configuration for accepting links.
#[must_use]
pub fn link_server(tls: QuicServerConfig) -> ServerConfig {
    server(tls, link_transport(LINK_WINDOW))
}

/// Makes an endpoint over `socket`. Must be called inside a tokio runtime.
///
/// # Errors
/// When the socket has no local address.
pub fn endpoint(
    socket: Arc<dyn AsyncUdpSocket>,
    ids: impl ConnectionIdGenerator + Clone + 'static,
    reset_key: ResetKey,
    server: Option<ServerConfig>,
) -> std::io::Result<Endpoint> {
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config.cid_generator(move || Box::new(ids.clone()));
    config.supported_versions(vec![QUIC_V1]);
    // quinn's limit is one for the whole endpoint: ten thousand parties of a gateway that was restarted would wait
    // for minutes. The relay limits by source instead.
    config.min_reset_interval(Duration::from_micros(1));
    Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(TokioRuntime))
}

fn client(
    tls: QuicClientConfig,
    transport: TransportConfig,
    first_id: Arc<dyn Fn() -> ConnectionId + Send + Sync>,
) -> ClientConfig {
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    config.version(QUIC_V1);
    config.initial_dst_cid_provider(first_id);
    config
}

fn server(tls: QuicServerConfig, transport: TransportConfig) -> ServerConfig {
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0);
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    config.validation_token_config(tokens);
    config.max_incoming(MAX_INCOMING);
    config.incoming_buffer_size(INCOMING_BUFFER);
    config.incoming_buffer_size_total(INCOMING_BUFFER_TOTAL);
    config
}

fn control_transport(idle_ms: u32) -> TransportConfig {
    let mut transport = transport(idle_ms, CONTROL_STREAMS);
    transport
        .stream_receive_window(VarInt::from_u32(CONTROL_WINDOW))
        .receive_window(VarInt::from_u32(2 * CONTROL_WINDOW))
        .send_window(u64::from(CONTROL_WINDOW));
    transport
}

fn link_transport(window: u32) -> TransportConfig {
    let mut transport = transport(LINK_IDLE_MS, LINK_STREAMS_START);
    transport
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(window))
        .send_window(SEND_WINDOW);
    transport
}

fn transport(idle_ms: u32, streams: u32) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle_ms))))
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .crypto_buffer_size(CRYPTO_BUFFER)
        .initial_rtt(INITIAL_RTT);
    transport
}
