//! The Kubernetes path against a server that records what reaches it, byte by byte.
//!
//! That server stands in for the API server where its own answers are malformed, or where the exact bytes matter.

mod bodies;
mod explaining;
mod hostile;
mod outages;
mod passing;
mod renewal;
mod smuggling;
mod upgrades;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use adit_proto::wire::audit::record::Event;
use bytes::BytesMut;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::config::{Credentials, Kubernetes};
use crate::session::Session;
use crate::testing::World;
use crate::testing::recorded::{End, Seen};

/// An answer of the API server to almost anything.
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

struct Rig {
    world: World,
    session: Arc<Session>,
    kube: Arc<Kube>,
    seen: Arc<Seen>,
    server: JoinSet<()>,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    answer: &'static str,
}

/// How a stream ended.
#[derive(Debug)]
struct Got {
    text: String,
    whole: bool,
}

impl Rig {
    async fn new() -> Self {
        Self::answering(OK).await
    }

    /// A server that answers each request with `answer`.
    async fn answering(answer: &'static str) -> Self {
        Self::with(answer, "token").await
    }

    async fn with(answer: &'static str, token: &str) -> Self {
        Self::of(World::new(), answer, token).await
    }

    async fn of(world: World, answer: &'static str, token: &str) -> Self {
        let (certificate, acceptor) = identity();
        let (ca_file, file) = (world.dir.path().join("ca"), world.dir.path().join("token"));
        std::fs::write(&ca_file, certificate).unwrap();
        std::fs::write(&file, token).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = format!("https://{address}");
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, acceptor.clone(), seen.clone(), answer));
        let credentials = Credentials::Token { file };
        let kubernetes = Kubernetes::Direct {
            server,
            ca_file,
            credentials,
        };
        let upstream = load(&kubernetes, 16).unwrap();
        let (audit, table) = (world.audit.clone(), world.table.clone());
        let kube = Arc::new(Kube::new(
            upstream,
            audit,
            table.clone(),
            world.clock.clone(),
        ));
        let session = table.offer(world.annas_offer()).await.unwrap();
        Self {
            world,
            session,
            kube,
            seen,
            server: tasks,
            address,
            acceptor,
            answer,
        }
    }

    /// Serves at the same address again.
    async fn serve_on(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let acceptor = self.acceptor.clone();
        let serving = serve(listener, acceptor, self.seen.clone(), self.answer);
        self.server.spawn(serving);
    }

    async fn is_answered(&self) {
        let got = self.send(get("")).await;
        assert!(got.text.starts_with("HTTP/1.1 200 "), "{}", got.text);
    }

    /// Opens a stream; whoever holds its other end is the client.
    fn open(&self, tasks: &mut JoinSet<()>) -> (DuplexStream, End) {
        self.open_for(Purpose::CarryOut, tasks)
    }

    fn open_for(&self, purpose: Purpose, tasks: &mut JoinSet<()>) -> (DuplexStream, End) {
        let (near, far) = duplex(256 << 10);
        let end = End::default();
        let serving =
            self.kube
                .clone()
                .serve(far, BytesMut::new(), end.clone(), self.errand(purpose));
        tasks.spawn(serving);
        (near, end)
    }

    /// Sends `request` on a stream of its own and reads what comes until the stream ends.
    async fn send(&self, request: impl AsRef<[u8]>) -> Got {
        self.send_for(Purpose::CarryOut, request).await
    }

    async fn send_for(&self, purpose: Purpose, request: impl AsRef<[u8]>) -> Got {
        let mut tasks = JoinSet::new();
        let (mut near, end) = self.open_for(purpose, &mut tasks);
        // The other end may have had enough before it has read everything.
        let _ = near.write_all(request.as_ref()).await;
        let mut answer = Vec::new();
        let _ = near.read_to_end(&mut answer).await;
        tasks.join_all().await;
        Got {
            text: String::from_utf8(answer).unwrap(),
            whole: end.0.load(Ordering::SeqCst),
        }
    }

    fn errand(&self, purpose: Purpose) -> Errand {
        Errand {
            session: self.session.clone(),
            purpose,
        }
    }

    /// Everything that reached the server.
    fn upstream(&self) -> String {
        self.seen.all()
    }

    /// Refused with `code` and `reason`, one audit record, and nothing reached the server.
    async fn refuses(&self, request: impl AsRef<[u8]>, code: u16, reason: &str) {
        let shown = String::from_utf8_lossy(request.as_ref())
            .chars()
            .take(200)
            .collect::<String>();
        let before = self.audited().len();
        let got = self.send(&request).await;
        assert!(
            got.text.starts_with(&format!("HTTP/1.1 {code} ")),
            "{shown:?}: {}",
            got.text
        );
        if !reason.is_empty() {
            assert!(
                got.text.contains(&format!("\"reason\":\"{reason}\"")),
                "{shown:?}: {}",
                got.text
            );
        }
        assert!(got.whole, "{shown:?}");
        assert_eq!(self.upstream(), "", "{shown:?}");
        assert_eq!(self.audited().len(), before + 1, "{shown:?}");
    }

    /// Everything in the audit log.
    fn audited(&self) -> Vec<Event> {
        self.world.audited()
    }

    /// The intent and the outcome of the only request.
    fn joined(
        &self,
    ) -> (
        adit_proto::wire::audit::RequestIntent,
        adit_proto::wire::audit::RequestOutcome,
    ) {
        let (mut intent, mut outcome) = (None, None);
        for event in self.audited() {
            if let Event::RequestIntent(event) = event {
                intent = Some(event);
            } else if let Event::RequestOutcome(event) = event {
                outcome = Some(event);
            }
        }
        (intent.unwrap(), outcome.unwrap())
    }

    /// Waits until a connection of the server has ended.
    async fn closed(&self) {
        self.seen.closed().await;
    }
}

/// A certificate that is its own authority, and what serves with it.
fn identity() -> (String, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let pem = made.cert.pem();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = made.signing_key.serialize_pem();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    (pem, TlsAcceptor::from(Arc::new(config)))
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    seen: Arc<Seen>,
    answer: &'static str,
) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (acceptor, seen) = (acceptor.clone(), seen.clone());
        connections.spawn(async move {
            if let Ok(stream) = acceptor.accept(socket).await {
                seen.converse(stream, answer).await;
            }
        });
    }
}

async fn read_until(near: &mut DuplexStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut byte = [0];
        assert_eq!(near.read(&mut byte).await.unwrap(), 1, "{text}");
        text.push(byte[0].into());
    }
    text
}

/// A GET for the pods of a namespace, with more header lines.
fn get(headers: &str) -> String {
    format!("GET /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: adit\r\n{headers}\r\n")
}
