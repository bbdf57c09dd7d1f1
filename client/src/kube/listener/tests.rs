mod bodies;
mod frames;
mod oddities;

use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use ring::rand::SystemRandom;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::certificate::Certificate;
use super::super::token::tests::{context, explaining, key};
use super::*;
use crate::carry::tests::FakeCluster;
use crate::exit::Failure;
use crate::loopback::STRANGERS;
use adit_proto::Reason;

mod explanations;

struct Local {
    port: u16,
    pem: String,
    token: String,
    /// A token of an explanation that has not begun.
    explains: String,
    explanations: Arc<Explanations>,
    cluster: Arc<FakeCluster>,
    tasks: TaskTracker,
    closing: Closing,
    _scratch: tempfile::TempDir,
}

impl Drop for Local {
    fn drop(&mut self) {
        self.closing.now.cancel();
    }
}

async fn local() -> Local {
    let scratch = tempfile::tempdir().unwrap();
    let bound = place(scratch.path()).choose(&SystemRandom::new()).await;
    let bound = bound.unwrap();
    let port = bound.port();
    let certificate = Certificate::load_or_create(scratch.path()).unwrap();
    let key = key(scratch.path());
    let token = key.issue(&context("prod"), clock::now()).text.to_string();
    let explains = key.issue(&explaining([7; 16]), clock::now());
    let explanations: Arc<Explanations> = Arc::default();
    let (tasks, closing) = (TaskTracker::new(), Closing::default());
    let cluster = FakeCluster::new(tasks.clone());
    let service = Arc::new(Service {
        gate: Gate::new(port, "one".parse().unwrap(), key),
        carrier: Carrier::new(cluster.clone(), tasks.clone()),
        explanations: explanations.clone(),
    });
    let tls = certificate.server_config().unwrap();
    tasks.spawn(serve(bound, tls, service, tasks.clone(), closing.clone()));
    let pem = certificate.pem().to_owned();
    Local {
        port,
        pem,
        token,
        explains: explains.text.to_string(),
        explanations,
        cluster,
        tasks,
        closing,
        _scratch: scratch,
    }
}

impl Local {
    async fn connect(&self, alpn: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
        tls
    }

    fn request(&self, path: &str) -> http::request::Builder {
        Request::post(format!("https://127.0.0.1:{}{path}", self.port))
            .header("authorization", format!("Bearer {}", self.token))
    }

    async fn h1(&self, request: Request<Full<bytes::Bytes>>) -> Response<Incoming> {
        let io = TokioIo::new(self.connect("http/1.1").await);
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        self.tasks.spawn(connection);
        sender.send_request(request).await.unwrap()
    }

    async fn h2(&self, request: Request<Full<bytes::Bytes>>) -> Response<Incoming> {
        let io = TokioIo::new(self.connect("h2").await);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        self.tasks.spawn(connection);
        sender.send_request(request).await.unwrap()
    }
}

async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn host(local: &Local) -> String {
    format!("127.0.0.1:{}", local.port)
}

#[tokio::test]
async fn requests_of_both_versions_reach_the_cluster_without_prefix_and_token() {
    let local = local().await;
    let request = |with_host: bool| {
        let builder = local.request("/k/prod/api/v1/a%2fb?watch=1");
        let builder = if with_host {
            builder.header("host", host(&local))
        } else {
            builder
        };
        builder.body(Full::from("hello")).unwrap()
    };
    for with_host in [true, false] {
        let sent = request(with_host);
        let answered = if with_host {
            local.h1(sent).await
        } else {
            local.h2(sent).await
        };
        let answer = text(answered).await;
        assert!(
            answer.starts_with("POST /api/v1/a%2fb?watch=1 "),
            "{answer}"
        );
        assert!(answer.ends_with("\nhello"), "{answer}");
        assert!(
            !answer.contains("authorization") && !answer.contains(&local.token),
            "{answer}"
        );
        assert!(
            local.cluster.complete.swap(false, Ordering::SeqCst),
            "ended in order"
        );
    }
}

#[tokio::test]
async fn l4_a_page_or_a_rebound_name_gets_403_without_cors_and_opens_no_stream() {
    let local = local().await;
    let rebound = local
        .request("/k/prod/api")
        .header("host", "evil.example")
        .body(Full::default());
    let page = local
        .request("/k/prod/api")
        .header("host", host(&local))
        .header("origin", "https://evil.example")
        .body(Full::default());
    for request in [rebound.unwrap(), page.unwrap()] {
        let response = local.h1(request).await;
        assert_eq!(response.status(), 403);
        let cors = |name: &http::HeaderName| name.as_str().starts_with("access-control");
        assert!(!response.headers().keys().any(cors));
    }
    assert_eq!(local.cluster.opened.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn l3_without_a_token_it_is_401_in_both_versions() {
    let local = local().await;
    let uri = format!("https://127.0.0.1:{}/k/prod/api", local.port);
    let bare = || {
        Request::get(&uri)
            .header("host", host(&local))
            .body(Full::default())
            .unwrap()
    };
    assert_eq!(local.h1(bare()).await.status(), 401);
    let mut request = bare();
    request.headers_mut().remove("host");
    assert_eq!(local.h2(request).await.status(), 401);
    assert_eq!(local.cluster.opened.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_cancelled_request_ends_its_stream() {
    let local = local().await;
    let request = local
        .request("/k/prod/endless")
        .body(Full::default())
        .unwrap();
    let response = local.h2(request).await;
    assert_eq!(response.status(), 200);
    assert!(!local.cluster.ended.is_cancelled());
    drop(response);
    timeout(Duration::from_secs(10), local.cluster.ended.cancelled())
        .await
        .unwrap();
}

/// Sends `ping`, closes that direction, and gives what comes back.
async fn exchange(response: Response<Incoming>) -> String {
    let raw = hyper::upgrade::on(response).await.unwrap();
    let mut raw = TokioIo::new(raw);
    raw.write_all(b"ping").await.unwrap();
    raw.shutdown().await.unwrap();
    let mut back = String::new();
    raw.read_to_string(&mut back).await.unwrap();
    back
}

#[tokio::test]
async fn k12_after_a_101_raw_bytes_go_both_ways_and_each_way_ends_by_itself() {
    let local = local().await;
    for protocol in ["websocket", "SPDY/3.1"] {
        let request = local
            .request("/k/prod/switch")
            .header("host", host(&local))
            .header("connection", "Upgrade")
            .header("upgrade", protocol)
            .body(Full::<bytes::Bytes>::default());
        let io = TokioIo::new(local.connect("http/1.1").await);
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        local.tasks.spawn(connection.with_upgrades());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["upgrade"], protocol);
        assert_eq!(response.headers()["connection"], "Upgrade");
        assert_eq!(exchange(response).await, "ping bye");
    }
}

#[tokio::test]
async fn k12_an_extended_connect_is_the_web_socket_that_it_stands_for() {
    let local = local().await;
    let io = TokioIo::new(local.connect("h2").await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    local.tasks.spawn(connection);
    // The server says that it takes such requests before it answers this one.
    let first = local.request("/k/prod/api");
    let first = first.body(Full::<bytes::Bytes>::default()).unwrap();
    assert_eq!(sender.send_request(first).await.unwrap().status(), 200);
    let mut request = local
        .request("/k/prod/switch")
        .header("sec-websocket-protocol", "v5.channel.k8s.io")
        .body(Full::default())
        .unwrap();
    *request.method_mut() = http::Method::CONNECT;
    let protocol = hyper::ext::Protocol::from_static("websocket");
    request.extensions_mut().insert(protocol);
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("upgrade"));
    let asked = response.headers()["x-asked"].to_str().unwrap().to_owned();
    assert!(asked.starts_with("GET "), "{asked}");
    for part in ["v5.channel.k8s.io", "sec-websocket-key", "\"13\""] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert_eq!(exchange(response).await, "ping bye");
}

#[tokio::test]
async fn k12_an_upgrade_is_decided_by_the_same_gate_and_never_sent_twice() {
    let local = local().await;
    let asking = |token: bool| {
        let uri = format!("https://127.0.0.1:{}/k/prod/switch", local.port);
        let builder = Request::get(uri)
            .header("host", host(&local))
            .header("connection", "Upgrade")
            .header("upgrade", "websocket");
        let builder = if token {
            builder.header("authorization", format!("Bearer {}", local.token))
        } else {
            builder
        };
        builder.body(Full::default()).unwrap()
    };
    assert_eq!(local.h1(asking(false)).await.status(), 401);
    *local.cluster.refusal.lock() = Some(Failure::of(Reason::SessionExpired, "no"));
    let refused = local.h1(asking(true)).await;
    assert_eq!(
        refused.status().as_u16(),
        Reason::SessionExpired.http_status()
    );
    assert_eq!(local.cluster.opened.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refusal_is_a_status_and_a_session_that_ended_is_opened_once_more() {
    let local = local().await;
    for (method, reason, tries) in [
        (http::Method::GET, Reason::PolicyDenied, 1),
        (http::Method::GET, Reason::SessionExpired, 2),
        (http::Method::DELETE, Reason::SessionExpired, 1),
    ] {
        local.cluster.opened.store(0, Ordering::SeqCst);
        *local.cluster.refusal.lock() = Some(Failure::of(reason, "no"));
        let mut request = local.request("/k/prod/api").body(Full::default()).unwrap();
        *request.method_mut() = method;
        let response = local.h2(request).await;
        assert_eq!(response.status().as_u16(), reason.http_status());
        let body: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["details"]["causes"][0]["reason"], reason.as_str());
        assert_eq!(local.cluster.opened.load(Ordering::SeqCst), tries);
    }
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = timeout(PATIENCE / 2, stream.read(&mut [0])).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn connections_of_strangers_make_room_and_those_of_who_may_pass_stay() {
    let local = local().await;
    let request = || local.request("/k/prod/api").body(Full::default()).unwrap();
    let io = TokioIo::new(local.connect("h2").await);
    let (mut known, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    local.tasks.spawn(connection);
    assert_eq!(known.send_request(request()).await.unwrap().status(), 200);
    let mut strangers = Vec::new();
    for _ in 0..=STRANGERS {
        strangers.push(TcpStream::connect(("127.0.0.1", local.port)).await.unwrap());
    }
    assert!(is_closed(&mut strangers[0]).await);
    assert_eq!(local.h2(request()).await.status(), 200);
    assert!(is_closed(&mut strangers[1]).await);
    assert_eq!(known.send_request(request()).await.unwrap().status(), 200);
    let last = strangers.last_mut().unwrap();
    assert!(last.read(&mut [0]).now_or_never().is_none());
}
