//! A gateway for tests: a real control endpoint, and an API that answers as it is told. It relays nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adit_proto::frame::Limit;
use adit_proto::id::SessionId;
use adit_proto::key::Fingerprint;
use adit_proto::testing::Log;
use adit_proto::time::UnixMillis;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{Frame, Register, Registered, RosterStatements};
use adit_transport::cid::RouteSecret;
use adit_transport::door::{Door, Strangers};
use adit_transport::endpoint;
use adit_transport::frame::{FrameReader, FrameWriter};
use adit_transport::key::PrivateKey;
use adit_transport::tls::{self, Alpn, ClientGate};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use quinn::{Connection, RecvStream, Runtime, SendStream, TokioRuntime};
use ring::rand::SystemRandom;
use serde_json::json;
use tokio_util::task::TaskTracker;

const ROUTE: u64 = 1 << 63 | 5;

pub(super) struct FakeGateway {
    pub(super) address: SocketAddr,
    pub(super) keys: (Fingerprint, Fingerprint),
    pub(super) log: Log,
    door: Door,
    api: Arc<FakeApi>,
    tasks: TaskTracker,
}

struct FakeApi {
    signed_in: AtomicBool,
    cluster_key: Option<Vec<u8>>,
    asked: Mutex<Vec<String>>,
}

/// A registered control connection.
pub(super) struct FakeLine {
    pub(super) register: Register,
    connection: Connection,
    writer: FrameWriter<SendStream>,
    _reader: FrameReader<RecvStream>,
}

impl FakeGateway {
    pub(super) fn start(log: Log) -> Self {
        let rng = SystemRandom::new();
        let secret = RouteSecret::from_bytes([7; 32]);
        let key = PrivateKey::generate(&rng).unwrap().into_signer();
        let fingerprint = key.public_key().fingerprint();
        let tls = tls::server(key, &[Alpn::Control], ClientGate::AnyKey).unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let socket = TokioRuntime.wrap_udp_socket(socket).unwrap();
        let ids = secret.control_ids(&rng).unwrap();
        let server = Some(endpoint::control_server(tls));
        let endpoint = endpoint::endpoint(socket, ids, secret.reset_key(), server).unwrap();
        let cluster_key = log
            .roster
            .clusters()
            .next()
            .map(|found| found.key.spki().to_vec());
        let api = Arc::new(FakeApi {
            signed_in: AtomicBool::new(true),
            cluster_key,
            asked: Mutex::default(),
        });
        Self {
            address,
            keys: (fingerprint, fingerprint),
            log,
            door: Door::new(endpoint, Strangers::Direct),
            api,
            tasks: TaskTracker::new(),
        }
    }

    pub(super) fn sign_out(&self) {
        self.api.signed_in.store(false, Ordering::SeqCst);
    }

    pub(super) fn sign_in(&self) {
        self.api.signed_in.store(true, Ordering::SeqCst);
    }

    pub(super) fn was_asked(&self, path: &str) -> bool {
        self.api.asked.lock().iter().any(|asked| asked == path)
    }

    /// Makes the next handshake, whatever comes of it.
    pub(super) async fn knocked(&self) {
        let _ = self.door.next().await.unwrap().handshake().await;
    }

    /// Takes the next device and registers it.
    pub(super) async fn accept(&self) -> FakeLine {
        let connection = self.door.next().await.unwrap().handshake().await.unwrap();
        let (send, recv) = connection.accept_bi().await.unwrap();
        let mut reader = FrameReader::new(recv, Limit::PARTY);
        let first: Frame = reader.read().await.unwrap().unwrap();
        let Some(Message::Register(register)) = first.message else {
            panic!("another message came first");
        };
        let writer = FrameWriter::new(send, Limit::PARTY);
        let mut line = FakeLine {
            register,
            connection,
            writer,
            _reader: reader,
        };
        line.say(Message::Registered(Registered {
            route: ROUTE,
            ..Registered::default()
        }))
        .await;
        self.tasks
            .spawn(serve(self.api.clone(), line.connection.clone()));
        line
    }
}

impl FakeLine {
    pub(super) async fn say(&mut self, message: Message) {
        let frame = Frame {
            critical: false,
            message: Some(message),
        };
        self.writer.write(&frame).await.unwrap();
    }

    pub(super) async fn send_roster(&mut self, log: &Log) {
        let statements = log.client_view();
        self.say(Message::RosterStatements(RosterStatements { statements }))
            .await;
    }

    pub(super) fn drop_connection(self) {
        self.connection.close(0_u32.into(), b"");
    }
}

async fn serve(api: Arc<FakeApi>, connection: Connection) {
    while let Ok((send, recv)) = connection.accept_bi().await {
        let stream = TokioIo::new(tokio::io::join(recv, send));
        let api = api.clone();
        let answer = service_fn(move |request| {
            let response = api.answer(&request);
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        let served = hyper::server::conn::http1::Builder::new().serve_connection(stream, answer);
        // A device that leaves early is no matter here.
        let _ = served.await;
    }
}

impl FakeApi {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        self.asked.lock().push(path.clone());
        let (status, body) = match path.as_str() {
            "/v1/sessions" if !self.signed_in.load(Ordering::SeqCst) => (
                401,
                json!({"code": "sign_in_required", "message": "nobody is signed in"}),
            ),
            "/v1/sessions" => (
                200,
                json!({
                    "session_id": SessionId::from_parts(UnixMillis(1), [3; 10]).to_string(),
                    "cluster_key": STANDARD.encode(self.cluster_key.as_ref().unwrap()),
                    "instance": STANDARD.encode([9; 16]),
                    "route": format!("{ROUTE:016x}"),
                    "expires_ms": u64::MAX,
                }),
            ),
            _ => (200, json!({"path": path})),
        };
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        response
    }
}
