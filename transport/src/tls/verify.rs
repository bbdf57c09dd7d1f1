//! Who is let in: the rustls verifiers for raw public keys.

use std::fmt;
use std::sync::Arc;

use adit_proto::key::{Fingerprint, PublicKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};

/// Which server a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerPin {
    /// The one with this key.
    Key(Fingerprint),
    /// The one with this key, or with its named successor. Ask [`peer_key`](super::peer_key) which it was.
    KeyOrSuccessor(Fingerprint, Fingerprint),
    /// The one whose key's fingerprint begins so: what an invitation has room for.
    Prefix([u8; 16]),
}

impl ServerPin {
    fn admits(&self, key: &PublicKey) -> bool {
        let found = key.fingerprint();
        match self {
            Self::Key(pinned) => found == *pinned,
            Self::KeyOrSuccessor(pinned, successor) => found == *pinned || found == *successor,
            Self::Prefix(prefix) => found.0.starts_with(prefix),
        }
    }
}

/// Which clients a server takes.
#[derive(Clone)]
pub enum ClientGate {
    /// Any that proves a well-formed P-256 key. The caller authorises [`peer_key`](super::peer_key) afterwards.
    AnyKey,
    /// Those whose key the function accepts, at this moment. It runs under the endpoint's lock: no I/O, no waiting.
    Only(Arc<dyn Fn(&PublicKey) -> bool + Send + Sync>),
}

impl ClientGate {
    /// Takes the clients whose key `accepts` accepts.
    pub fn only(accepts: impl Fn(&PublicKey) -> bool + Send + Sync + 'static) -> Self {
        Self::Only(Arc::new(accepts))
    }

    fn admits(&self, key: &PublicKey) -> bool {
        match self {
            Self::AnyKey => true,
            Self::Only(accepts) => accepts(key),
        }
    }
}

impl fmt::Debug for ClientGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnyKey => "AnyKey",
            Self::Only(_) => "Only(..)",
        })
    }
}

#[derive(Debug)]
pub(super) struct PinnedServer {
    pin: ServerPin,
    provider: Arc<CryptoProvider>,
}

impl PinnedServer {
    pub(super) const fn new(pin: ServerPin, provider: Arc<CryptoProvider>) -> Self {
        Self { pin, provider }
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        further: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        admitted(key, further, |key| self.pin.admits(key)).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, key, signature, &self.provider)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[derive(Debug)]
pub(super) struct GatedClient {
    gate: ClientGate,
    provider: Arc<CryptoProvider>,
}

impl GatedClient {
    pub(super) const fn new(gate: ClientGate, provider: Arc<CryptoProvider>) -> Self {
        Self { gate, provider }
    }
}

impl ClientCertVerifier for GatedClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        further: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        admitted(key, further, |key| self.gate.admits(key))
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, key, signature, &self.provider)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// The one signature scheme: the identity of everything is a P-256 key.
const SCHEMES: [SignatureScheme; 1] = [SignatureScheme::ECDSA_NISTP256_SHA256];

fn admitted(
    key: &CertificateDer<'_>,
    further: &[CertificateDer<'_>],
    admits: impl FnOnce(&PublicKey) -> bool,
) -> Result<(), Error> {
    // RFC 7250, section 3: exactly one SubjectPublicKeyInfo. A second one would be an identity that nobody checked.
    if !further.is_empty() {
        return Err(CertificateError::BadEncoding.into());
    }
    let key = PublicKey::from_spki(key).map_err(|_| CertificateError::BadEncoding)?;
    if admits(&key) {
        Ok(())
    } else {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }
}

fn verify_signature(
    message: &[u8],
    key: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    provider: &CryptoProvider,
) -> Result<HandshakeSignatureValid, Error> {
    let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
    verify_tls13_signature_with_raw_key(
        message,
        &spki,
        signature,
        &provider.signature_verification_algorithms,
    )
}

fn only_tls13() -> Error {
    PeerIncompatible::Tls13RequiredForQuic.into()
}
