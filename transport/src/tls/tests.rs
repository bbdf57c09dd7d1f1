use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, ServerConfig};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::*;
use crate::door::HandshakeError;
use crate::endpoint;
use crate::endpoint::Liveliness;
use crate::testing::{self, attempt, connected, signer};

fn client_config(tls: QuicClientConfig) -> quinn::ClientConfig {
    testing::client_config(tls, Liveliness::Prompt)
}

fn server_config(signer: &Arc<dyn DeviceSigner>, alpns: &[Alpn], gate: ClientGate) -> ServerConfig {
    endpoint::control_server(server(signer.clone(), alpns, gate).unwrap())
}

/// A client that shows what it likes and signs with a good key.
#[derive(Debug)]
struct Hostile {
    shown: Vec<Vec<u8>>,
    raw: bool,
    signer: Arc<dyn DeviceSigner>,
}

#[derive(Debug, Clone)]
struct HostileKey(Arc<dyn DeviceSigner>);

impl SigningKey for HostileKey {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }
    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        None
    }
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for HostileKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(self.0.sign(message).unwrap())
    }
    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

impl ResolvesClientCert for Hostile {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let shown = self
            .shown
            .iter()
            .cloned()
            .map(CertificateDer::from)
            .collect();
        Some(Arc::new(CertifiedKey::new(
            shown,
            Arc::new(HostileKey(self.signer.clone())),
        )))
    }
    fn only_raw_public_keys(&self) -> bool {
        self.raw
    }
    fn has_certs(&self) -> bool {
        true
    }
}

impl Hostile {
    fn showing(shown: &[&[u8]], signer: &Arc<dyn DeviceSigner>) -> Self {
        let shown = shown.iter().map(|key| key.to_vec()).collect();
        Self {
            shown,
            raw: true,
            signer: signer.clone(),
        }
    }

    /// Knocks at a server that takes any key, and returns what the server says.
    async fn knock(self) -> Result<PublicKey, HandshakeError> {
        let gateway = signer();
        let pin = ServerPin::Key(gateway.public_key().fingerprint());
        let provider = provider();
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verify::PinnedServer::new(pin, provider)))
            .with_client_cert_resolver(Arc::new(self));
        config.alpn_protocols = vec![Alpn::Control.id().into()];
        let client = client_config(QuicClientConfig::try_from(config).unwrap());
        let server = server_config(&gateway, &[Alpn::Control], ClientGate::AnyKey);
        let attempt = attempt(client, server).await;
        attempt
            .server
            .map(|connection| peer_key(&connection).unwrap())
    }
}

#[tokio::test]
async fn both_ends_learn_the_key_that_the_other_proved_and_the_protocol() {
    let (near, far) = (signer(), signer());
    let pin = ServerPin::Key(far.public_key().fingerprint());
    let config = client_config(client(near.clone(), Alpn::Enrol, pin).unwrap());
    let server = server_config(&far, &[Alpn::Control, Alpn::Enrol], ClientGate::AnyKey);
    let attempt = attempt(config, server).await;
    let (client, server) = (attempt.client.unwrap(), attempt.server.unwrap());
    assert_eq!(peer_key(&client).as_ref(), Some(far.public_key()));
    assert_eq!(peer_key(&server).as_ref(), Some(near.public_key()));
    assert_eq!(
        (alpn(&client), alpn(&server)),
        (Some(Alpn::Enrol), Some(Alpn::Enrol))
    );
}

#[tokio::test]
async fn a_multi_threaded_runtime_signs_without_holding_up_a_worker() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let connected = std::thread::spawn(move || handle.block_on(connected()))
        .join()
        .unwrap();
    assert!(connected.client.is_ok() && connected.server.is_ok());
    runtime.shutdown_background();
}

#[tokio::test]
async fn c15_a_server_with_another_key_than_the_pinned_one_is_refused() {
    let (near, far, other) = (signer(), signer(), signer());
    let named = other.public_key().fingerprint();
    let successor = far.public_key().fingerprint();
    let prefix = |fingerprint: adit_proto::key::Fingerprint| {
        let mut prefix = [0; 16];
        prefix.copy_from_slice(&fingerprint.0[..16]);
        ServerPin::Prefix(prefix)
    };
    for (pin, taken) in [
        (ServerPin::Key(named), false),
        (ServerPin::Key(successor), true),
        (ServerPin::KeyOrSuccessor(named, successor), true),
        (
            ServerPin::KeyOrSuccessor(named, near.public_key().fingerprint()),
            false,
        ),
        (prefix(successor), true),
        (prefix(named), false),
    ] {
        let config = client_config(client(near.clone(), Alpn::Control, pin).unwrap());
        let server = server_config(&far, &[Alpn::Control], ClientGate::AnyKey);
        let attempt = attempt(config, server).await;
        assert_eq!(attempt.client.is_ok(), taken, "{pin:?}");
        assert_eq!(attempt.server.is_ok(), taken, "{pin:?}");
    }
}

#[tokio::test]
async fn c15_a_client_whose_key_is_not_let_in_is_refused() {
    let (near, far) = (signer(), signer());
    for (let_in, taken) in [
        (near.public_key().clone(), true),
        (signer().public_key().clone(), false),
    ] {
        let pin = ServerPin::Key(far.public_key().fingerprint());
        let config = client_config(client(near.clone(), Alpn::Control, pin).unwrap());
        let gate = ClientGate::only(move |key| *key == let_in);
        let attempt = attempt(config, server_config(&far, &[Alpn::Control], gate)).await;
        assert_eq!(attempt.server.is_ok(), taken);
        if let (false, Ok(client)) = (taken, attempt.client) {
            let ended = client.closed().await;
            assert!(
                matches!(ended, ConnectionError::ConnectionClosed(_)),
                "{ended}"
            );
        }
    }
}

#[tokio::test]
async fn a_client_with_a_good_key_is_let_in_by_the_hostile_tests_too() {
    let near = signer();
    let proved = Hostile::showing(&[near.public_key().spki()], &near)
        .knock()
        .await
        .unwrap();
    assert_eq!(&proved, near.public_key());
}

#[tokio::test]
async fn c9_x509_where_a_raw_key_is_due_is_refused() {
    let near = signer();
    // The beginning of a certificate; what follows does not matter, since the form is refused first.
    let certificate: &[u8] = &[
        0x30, 0x82, 0x01, 0x00, 0x30, 0x81, 0xf0, 0xa0, 0x03, 0x02, 0x01, 0x02,
    ];
    let mut offered_as_x509 = Hostile::showing(&[certificate], &near);
    offered_as_x509.raw = false;
    assert!(offered_as_x509.knock().await.is_err());
    let declared_as_raw = Hostile::showing(&[certificate], &near);
    assert!(declared_as_raw.knock().await.is_err());
}

#[tokio::test]
async fn c9_two_keys_and_no_key_are_refused() {
    let (near, other) = (signer(), signer());
    let keys = [near.public_key().spki(), other.public_key().spki()];
    assert!(Hostile::showing(&keys, &near).knock().await.is_err());
    assert!(Hostile::showing(&[], &near).knock().await.is_err());
}

#[tokio::test]
async fn c9_a_key_that_is_not_the_one_that_signs_is_refused() {
    let (near, other) = (signer(), signer());
    assert!(
        Hostile::showing(&[other.public_key().spki()], &near)
            .knock()
            .await
            .is_err()
    );
}

#[tokio::test]
async fn c9_another_curve_and_a_point_off_the_curve_are_refused() {
    let near = signer();
    let p384: Vec<u8> = [
        &[
            0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
        ][..],
        &[
            0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
        ],
        &[0x11; 96],
    ]
    .concat();
    assert!(Hostile::showing(&[&p384], &near).knock().await.is_err());
    let mut off_the_curve = near.public_key().spki().to_vec();
    *off_the_curve.last_mut().unwrap() ^= 1;
    assert!(
        PublicKey::from_spki(&off_the_curve).is_ok(),
        "its form is good"
    );
    assert!(
        Hostile::showing(&[&off_the_curve], &near)
            .knock()
            .await
            .is_err()
    );
}

#[tokio::test]
async fn c9_nothing_is_resumed_and_no_early_data_is_sent() {
    let (near, far) = (signer(), signer());
    let pin = ServerPin::Key(far.public_key().fingerprint());
    let config = client_config(client(near, Alpn::Control, pin).unwrap());
    let server = server_config(&far, &[Alpn::Control], ClientGate::AnyKey);
    let listening = quinn::Endpoint::server(server, crate::testing::loopback()).unwrap();
    let dialling = quinn::Endpoint::client(crate::testing::loopback()).unwrap();
    let address = listening.local_addr().unwrap();
    for _ in 0..2 {
        let connecting = dialling
            .connect_with(config.clone(), address, SERVER_NAME)
            .unwrap();
        // A client that had a ticket could send at once.
        let Err(connecting) = connecting.into_0rtt() else {
            panic!("it had something to resume")
        };
        let incoming = async { listening.accept().await.unwrap().await.unwrap() };
        let (client, server) = tokio::join!(connecting, incoming);
        let client = client.unwrap();
        // A ticket would come before this stream does.
        let (mut sending, _receiving) = client.open_bi().await.unwrap();
        sending.write_all(b"hello").await.unwrap();
        let (mut answering, _unread) = server.accept_bi().await.unwrap();
        answering.write_all(b"hello").await.unwrap();
        client.close(0u32.into(), b"");
    }
}

#[tokio::test]
async fn c12_a_client_that_speaks_only_another_version_is_refused() {
    let (near, far) = (signer(), signer());
    for spoken in [
        &[][..],
        &[b"adit-control/0".to_vec()][..],
        &[b"h3".to_vec(), Alpn::Link.id().into()][..],
    ] {
        let provider = provider();
        let pin = ServerPin::Key(far.public_key().fingerprint());
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verify::PinnedServer::new(pin, provider)))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                signing::raw_key(near.clone()),
            )));
        config.alpn_protocols = spoken.to_vec();
        let client = client_config(QuicClientConfig::try_from(config).unwrap());
        let attempt = attempt(
            client,
            server_config(&far, &[Alpn::Control, Alpn::Enrol], ClientGate::AnyKey),
        )
        .await;
        assert!(
            attempt.server.is_err() && attempt.client.is_err(),
            "{spoken:?}"
        );
    }
}

#[tokio::test]
async fn c12_a_server_that_speaks_only_another_version_is_refused() {
    let (near, far) = (signer(), signer());
    let pin = ServerPin::Key(far.public_key().fingerprint());
    let config = client_config(client(near, Alpn::Control, pin).unwrap());
    let attempt = attempt(
        config,
        server_config(&far, &[Alpn::Link], ClientGate::AnyKey),
    )
    .await;
    assert!(attempt.server.is_err() && attempt.client.is_err());
}

#[test]
fn the_cheapest_cipher_is_offered_first() {
    let first = provider()
        .cipher_suites
        .first()
        .map(rustls::SupportedCipherSuite::suite);
    assert_eq!(first, Some(CipherSuite::TLS13_AES_128_GCM_SHA256));
}
