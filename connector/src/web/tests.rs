//! The way to web applications against a server that records what reaches it, byte by byte.

mod hostile;

use std::sync::atomic::Ordering;

use adit_proto::key::PublicKey;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{StreamIntent, StreamOutcome};
use adit_transport::key::{DeviceSigner, PrivateKey};
use ring::rand::SystemRandom;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::clock::Clock;
use crate::config::{Service, ServiceKind};
use crate::testing::World;
use crate::testing::recorded::{End, Seen};

/// The browser's name for the application.
const HOST: &str = "db-k3j4x2aa.localhost:24001";
/// The application's name for itself.
const ORIGIN: &str = "http://db.default.svc";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi";

struct Rig {
    world: World,
    session: Arc<Session>,
    web: Arc<Web>,
    services: Arc<Services>,
    cluster: PublicKey,
    seen: Arc<Seen>,
    server: JoinSet<()>,
}

/// How a stream ended.
#[derive(Debug)]
struct Got {
    text: String,
    whole: bool,
}

impl Rig {
    /// An application that answers each request with `answer`.
    async fn answering(answer: &'static str) -> Self {
        let world = World::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Service {
            name: "db".parse().unwrap(),
            address: listener.local_addr().unwrap().to_string().parse().unwrap(),
            kind: ServiceKind::Http {
                origin: ORIGIN.parse().unwrap(),
            },
            labels: std::collections::BTreeMap::new(),
        };
        let services = Services::new(&[service], world.audit.clone(), world.clock.clone());
        let key = PrivateKey::generate(&SystemRandom::new()).unwrap();
        let (cluster, seen) = (key.public_key().clone(), Arc::new(Seen::default()));
        let web = Arc::new(world.web(key.into_signer()));
        let mut server = JoinSet::new();
        let recorder = seen.clone();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let seen = recorder.clone();
                connections.spawn(async move { seen.converse(stream, answer).await });
            }
        });
        let offer = world.offer(&world.anna, "service/prod/db");
        let session = world.table.offer(offer).await.unwrap();
        Self {
            world,
            session,
            web,
            services: Arc::new(services),
            cluster,
            seen,
            server,
        }
    }

    /// Opens a stream; whoever holds its other end is the client.
    fn open(&self, tasks: &mut JoinSet<()>) -> (DuplexStream, End) {
        let (near, far) = duplex(256 << 10);
        let end = End::default();
        let (web, services) = (self.web.clone(), self.services.clone());
        let (session, ending) = (self.session.clone(), end.clone());
        let table = self.world.table.clone();
        tasks.spawn(async move {
            let standing = table.standing(&session).await.unwrap();
            let visit = Visit {
                application: services.application(standing.permit()).unwrap(),
                services: &services,
                session,
            };
            web.serve(far, BytesMut::new(), ending, visit).await;
        });
        (near, end)
    }

    /// Sends `request` on a stream of its own and reads what comes until the stream ends.
    async fn send(&self, request: impl AsRef<[u8]>) -> Got {
        let mut tasks = JoinSet::new();
        let (mut near, end) = self.open(&mut tasks);
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

    /// Intents and outcomes of streams.
    fn audited(&self) -> (Vec<StreamIntent>, Vec<StreamOutcome>) {
        let (mut intents, mut outcomes) = (Vec::new(), Vec::new());
        for event in self.world.audited() {
            if let Event::StreamIntent(intent) = event {
                intents.push(intent);
            } else if let Event::StreamOutcome(outcome) = event {
                outcomes.push(outcome);
            }
        }
        (intents, outcomes)
    }

    /// Refused with `status` and `reason`, one refusal in the audit log, and nothing reached the application.
    async fn refuses(&self, request: impl AsRef<[u8]>, status: u16, reason: &str) {
        let shown = String::from_utf8_lossy(request.as_ref()).into_owned();
        let before = self.world.audited().len();
        let got = self.send(&request).await;
        let line = format!("HTTP/1.1 {status} ");
        assert!(got.text.starts_with(&line), "{shown:?}: {}", got.text);
        assert!(got.text.contains(reason), "{shown:?}: {}", got.text);
        assert!(got.whole, "{shown:?}");
        assert_eq!(self.seen.all(), "", "{shown:?}");
        let after = self.world.audited();
        assert_eq!(after.len(), before + 1, "{shown:?}");
        assert!(matches!(after.last(), Some(Event::Refusal(_))), "{after:?}");
    }
}

fn get(headers: &str) -> String {
    format!("GET /page?x=1 HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n")
}

fn header<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    let lines = request.split("\r\n\r\n").next().unwrap().split("\r\n");
    let named = lines.filter_map(|line| line.split_once(": "));
    named
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

#[tokio::test]
async fn a_request_goes_upstream_by_the_applications_name_with_who_asks() {
    let answer = "HTTP/1.1 303 See Other\r\nLocation: http://db.default.svc/next\r\n\
        Set-Cookie: sid=1; Domain=db.default.svc\r\nContent-Length: 0\r\n\r\n";
    let rig = Rig::answering(answer).await;
    let headers = format!("Origin: http://{HOST}\r\nReferer: http://{HOST}/a\r\nCookie: sid=0\r\n");
    let got = rig.send(get(&headers)).await;
    assert!(got.whole, "{}", got.text);
    assert_eq!(
        header(&got.text, "location"),
        [format!("http://{HOST}/next")]
    );
    assert_eq!(header(&got.text, "set-cookie"), ["sid=1"]);
    let sent = rig.seen.all();
    assert!(sent.starts_with("GET /page?x=1 HTTP/1.1\r\n"), "{sent}");
    assert_eq!(header(&sent, "host"), ["db.default.svc"]);
    assert_eq!(header(&sent, "origin"), [ORIGIN]);
    assert_eq!(header(&sent, "referer"), ["http://db.default.svc/a"]);
    assert_eq!(header(&sent, "cookie"), ["sid=0"]);
    let [token] = header(&sent, "adit-identity")[..] else {
        panic!("one identity: {sent}");
    };
    let now = rig.world.clock.wall();
    let verify = |service| identity::tests::verify(token, &rig.cluster, service, now);
    let claims = verify("service/prod/db").unwrap();
    assert_eq!(claims["preferred_username"], "anna@example.com");
    assert_eq!(claims["groups"], serde_json::json!(["devs"]));
    assert_eq!(claims["session"], rig.session.id().to_string());
    assert!(verify("service/prod/other").is_err());
}

#[tokio::test]
async fn each_request_has_an_intent_and_an_outcome_with_its_bytes() {
    let rig = Rig::answering(OK).await;
    let body = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\nhello");
    let got = rig.send(body).await;
    assert!(
        got.text.ends_with("\r\n\r\nhi") && got.whole,
        "{}",
        got.text
    );
    rig.send(get("")).await;
    let (intents, outcomes) = rig.audited();
    assert_eq!((intents.len(), outcomes.len()), (2, 2));
    assert_eq!(intents[0].service, "db");
    assert_eq!(intents[0].stream_id, outcomes[0].stream_id);
    assert_eq!(outcomes[0].reason, "");
    assert_eq!(outcomes[0].sent_bytes, OK.len() as u64);
    let first = rig.seen.connections.lock()[0].len() as u64;
    assert_eq!(outcomes[0].received_bytes, first);
    assert_eq!(rig.seen.connections.lock().len(), 2, "a connection each");
}

#[tokio::test]
async fn a_web_socket_carries_raw_bytes_both_ways() {
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: x\r\n\r\n";
    let rig = Rig::answering(SWITCH).await;
    let mut tasks = JoinSet::new();
    let (mut near, end) = rig.open(&mut tasks);
    let socket = format!(
        "Origin: http://{HOST}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n"
    );
    near.write_all(get(&socket).as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(near.read_u8().await.unwrap().into());
    }
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(header(&head, "sec-websocket-accept"), ["x"]);
    near.write_all(b"raw\0bytes\r\n\r\n").await.unwrap();
    near.shutdown().await.unwrap();
    let mut raw = String::new();
    near.read_to_string(&mut raw).await.unwrap();
    // The server answers whatever it reads with the same bytes.
    assert_eq!(raw, SWITCH);
    tasks.join_all().await;
    assert!(end.0.load(Ordering::SeqCst), "it ended in order");
    let sent = rig.seen.all();
    assert!(sent.ends_with("\r\n\r\nraw\0bytes\r\n\r\n"), "{sent}");
    assert_eq!(header(&sent, "upgrade"), ["websocket"]);
    assert_eq!(
        header(&sent, "sec-websocket-extensions"),
        ["permessage-deflate"]
    );
    assert_eq!(header(&sent, "adit-identity").len(), 1);
}

#[tokio::test]
async fn an_application_that_is_gone_is_offline_and_so_is_one_that_answers_nothing() {
    let rig = Rig::answering("cut").await;
    let got = rig.send(get("")).await;
    assert!(got.text.starts_with("HTTP/1.1 503 "), "{}", got.text);
    assert!(got.text.contains("target_offline"), "{}", got.text);
    let (_, outcomes) = rig.audited();
    assert_eq!(outcomes[0].reason, "target_offline");
    let mut rig = Rig::answering(OK).await;
    rig.server.shutdown().await;
    let got = rig.send(get("")).await;
    assert!(got.text.starts_with("HTTP/1.1 503 "), "{}", got.text);
}

#[tokio::test]
async fn an_answer_that_was_cut_off_never_looks_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ncut",
    ] {
        let rig = Rig::answering(answer).await;
        let got = rig.send(get("")).await;
        assert!(!got.whole, "{}", got.text);
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_closes_the_connection_to_the_application() {
    let rig =
        Rig::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n").await;
    let mut tasks = JoinSet::new();
    let (mut near, _) = rig.open(&mut tasks);
    near.write_all(get("").as_bytes()).await.unwrap();
    let mut begun = [0; 12];
    near.read_exact(&mut begun).await.unwrap();
    drop(near);
    tasks.join_all().await;
    rig.seen.closed().await;
}
