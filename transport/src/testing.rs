//! Two ends of a connection on loopback, for the tests of this crate.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, ServerConfig};
use ring::rand::SystemRandom;

use crate::cid::ControlIds;
use crate::door::{Arrival, Door, HandshakeError, Strangers};
use crate::endpoint::{self, Liveliness};
use crate::key::{DeviceSigner, PrivateKey};
use crate::tls::{self, Alpn, ClientGate, SERVER_NAME, ServerPin};

pub(crate) fn signer() -> Arc<dyn DeviceSigner> {
    PrivateKey::generate(&SystemRandom::new())
        .unwrap()
        .into_signer()
}

pub(crate) fn client_config(tls: QuicClientConfig, liveliness: Liveliness) -> ClientConfig {
    let ids = ControlIds::ephemeral(&SystemRandom::new()).unwrap();
    endpoint::control_client(tls, liveliness, Arc::new(move || ids.make()))
}

pub(crate) fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Both ends of one attempt to connect.
pub(crate) struct Attempt {
    pub(crate) client: Result<Connection, quinn::ConnectionError>,
    pub(crate) server: Result<Connection, HandshakeError>,
    _endpoints: [Endpoint; 2],
}

/// Connects `client` to `server`.
pub(crate) async fn attempt(client: ClientConfig, server: ServerConfig) -> Attempt {
    let listening = Endpoint::server(server, loopback()).unwrap();
    let door = Door::new(listening.clone(), Strangers::Direct);
    let dialling = Endpoint::client(loopback()).unwrap();
    let address = listening.local_addr().unwrap();
    let connecting = dialling.connect_with(client, address, SERVER_NAME).unwrap();
    let accepting = async { door.next().await.map(Arrival::handshake).unwrap().await };
    let (client, server) = tokio::join!(connecting, accepting);
    Attempt {
        client,
        server,
        _endpoints: [listening, dialling],
    }
}

/// Connects two good ends.
pub(crate) async fn connected() -> Attempt {
    let (near, far) = (signer(), signer());
    let pin = ServerPin::Key(far.public_key().fingerprint());
    let client = tls::client(near, Alpn::Control, pin).unwrap();
    let server = tls::server(far, &[Alpn::Control], ClientGate::AnyKey).unwrap();
    attempt(
        client_config(client, Liveliness::Prompt),
        endpoint::control_server(server),
    )
    .await
}

/// Connects two good ends as a link.
pub(crate) async fn linked() -> Attempt {
    let (near, far) = (signer(), signer());
    let pin = ServerPin::Key(far.public_key().fingerprint());
    let client = tls::client(near, Alpn::Link, pin).unwrap();
    let server = tls::server(far, &[Alpn::Link], ClientGate::AnyKey).unwrap();
    let ids = ControlIds::ephemeral(&SystemRandom::new()).unwrap();
    let client = endpoint::link_client(client, Arc::new(move || ids.make()));
    attempt(client, endpoint::link_server(server)).await
}
