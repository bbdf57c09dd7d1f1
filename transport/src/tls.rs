//! TLS 1.3 for QUIC with raw public keys on both sides (RFC 7250): no certificates, no authorities, no names.
//!
//! Owns the rustls configurations and what they refuse: X.509, more than one key, another curve, another ALPN,
//! resumption, tickets and early data. A resumed handshake would ask neither verifier nor signer, so there is none.
//! Who may connect is decided by the [`ServerPin`] of a client and the [`ClientGate`] of a server; a key that passes is
//! read with [`peer_key`].

mod signing;
mod verify;

use std::sync::Arc;

use adit_proto::key::PublicKey;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::{CipherSuite, ClientConfig, ServerConfig};

use crate::key::DeviceSigner;
pub use verify::{ClientGate, ServerPin};

/// The one server name that is sent: what is visible on the wire says nothing of who talks to whom.
pub const SERVER_NAME: &str = "adit";

/// The protocols that are spoken over QUIC, by their ALPN identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// First contact, with a device key that is not in the roster.
    Enrol,
    /// The control connection of an enrolled device or a cluster with the gateway.
    Control,
    /// A link, between a device and a connector.
    Link,
}

impl Alpn {
    /// The identifier on the wire (RFC 7301).
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Enrol => "adit-enrol/1",
            Self::Control => "adit-control/1",
            Self::Link => "adit-link/1",
        }
    }

    fn from_id(id: &[u8]) -> Option<Self> {
        [Self::Enrol, Self::Control, Self::Link]
            .into_iter()
            .find(|alpn| alpn.id().as_bytes() == id)
    }
}

/// Why a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// rustls refused it.
    #[error("the TLS configuration is refused")]
    Rustls(#[from] rustls::Error),
    /// The cipher suite that QUIC needs for its first packets is missing.
    #[error("the cipher suite of QUIC's first packets is missing")]
    InitialSuite(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

/// Makes a client's side: it proves `signer`'s key, speaks `alpn` and takes only the server that `pin` names.
///
/// # Errors
/// [`TlsConfigError`], only when this program is built wrongly.
pub fn client(
    signer: Arc<dyn DeviceSigner>,
    alpn: Alpn,
    pin: ServerPin,
) -> Result<QuicClientConfig, TlsConfigError> {
    let provider = provider();
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verify::PinnedServer::new(pin, provider)))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
            signing::raw_key(signer),
        )));
    config.alpn_protocols = vec![alpn.id().into()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    log_keys(&mut config.key_log);
    Ok(QuicClientConfig::try_from(config)?)
}

/// Makes a server's side: it proves `signer`'s key, speaks each of `alpns` and takes the clients that `gate` lets in.
///
/// # Errors
/// [`TlsConfigError`], only when this program is built wrongly.
pub fn server(
    signer: Arc<dyn DeviceSigner>,
    alpns: &[Alpn],
    gate: ClientGate,
) -> Result<QuicServerConfig, TlsConfigError> {
    let provider = provider();
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verify::GatedClient::new(gate, provider)))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(
            signing::raw_key(signer),
        )));
    config.alpn_protocols = alpns.iter().map(|alpn| alpn.id().into()).collect();
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    log_keys(&mut config.key_log);
    Ok(QuicServerConfig::try_from(config)?)
}

/// The key that the other end proved in the handshake; `None` before the handshake is complete.
#[must_use]
pub fn peer_key(connection: &quinn::Connection) -> Option<PublicKey> {
    let identity = connection
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    match identity.as_slice() {
        [key] => PublicKey::from_spki(key).ok(),
        _ => None,
    }
}

/// The protocol that was agreed in the handshake.
#[must_use]
pub fn alpn(connection: &quinn::Connection) -> Option<Alpn> {
    let data = connection
        .handshake_data()?
        .downcast::<quinn::crypto::rustls::HandshakeData>()
        .ok()?;
    Alpn::from_id(data.protocol.as_deref()?)
}

/// ring, with the cheapest cipher first: on every machine with AES instructions that is AES-128-GCM.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

/// Writes session secrets to the file in `SSLKEYLOGFILE`, in builds that are made to be looked into.
#[cfg(feature = "key-log")]
fn log_keys(key_log: &mut Arc<dyn rustls::KeyLog>) {
    *key_log = Arc::new(rustls::KeyLogFile::new());
}

/// A build for use never writes a session secret anywhere.
#[cfg(not(feature = "key-log"))]
const fn log_keys(_: &mut Arc<dyn rustls::KeyLog>) {}

#[cfg(test)]
mod tests;
