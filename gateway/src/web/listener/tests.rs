//! What no browser sends, on a real socket.

use adit_proto::testing::Log;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::*;
use crate::ceremony::tests::ORIGIN;
use crate::testing::{Rig, patiently};

/// Where an answer of a browser goes.
const ANSWER: &str = "POST /ceremony/00000000000000000000000000000000/answer HTTP/1.1\r\n";

struct Served {
    address: SocketAddr,
    rig: Rig,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Served {
    async fn start() -> Self {
        let rig = Rig::start(Log::new()).await;
        let router = crate::web::router(crate::app::site(&rig.services));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let serving = serve(listener, Scheme::Plain, router, shutdown.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(serving);
        Self {
            address,
            rig,
            shutdown,
            tasks,
        }
    }

    /// What comes back for `bytes` until the connection is closed, though its other half stays open.
    async fn answers(&self, bytes: Vec<u8>) -> String {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let mut sending = JoinSet::new();
        sending.spawn(async move {
            // Refused in the middle, it is not taken to its end.
            let _ = write.write_all(&bytes).await;
            std::future::pending::<()>().await;
        });
        let mut answer = Vec::new();
        // A reset follows an answer to what was not read to its end.
        let _ = patiently(read.read_to_end(&mut answer)).await;
        String::from_utf8(answer).unwrap()
    }

    /// Whoever asks in order is answered as before.
    async fn finish(self) {
        let asked = "GET /health HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n";
        let answer = self.answers(asked.into()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        self.shutdown.cancel();
        self.tasks.join_all().await;
        self.rig.stop().await;
    }
}

fn head(first: &str, more: &str) -> Vec<u8> {
    format!("{first}Host: localhost:8443\r\nOrigin: {ORIGIN}\r\n{more}\r\n").into_bytes()
}

#[tokio::test]
async fn h12_a_cookie_of_a_megabyte_and_ten_thousand_headers_are_refused() {
    let served = Served::start().await;
    let cookie = format!("Cookie: {}\r\n", "c".repeat(1 << 20));
    let many = "a: b\r\n".repeat(10_000);
    let just_too_many = "a: b\r\n".repeat(HEADERS_MAX);
    for more in [cookie, many, just_too_many] {
        let answer = served.answers(head("GET / HTTP/1.1\r\n", &more)).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    served.finish().await;
}

#[tokio::test]
async fn h12_a_body_of_a_gigabyte_or_without_an_end_is_refused() {
    let served = Served::start().await;
    let claimed = head(ANSWER, "Content-Length: 1000000000\r\n");
    let mut endless = head(ANSWER, "Transfer-Encoding: chunked\r\n");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    endless.extend(chunk.repeat(64).bytes());
    for bytes in [claimed, endless] {
        let answer = served.answers(bytes).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    served.finish().await;
}

#[tokio::test]
async fn h12_who_sends_too_slowly_is_given_up() {
    let served = Served::start().await;
    // From here on time passes whenever everybody waits.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let slow_head = served
        .answers(b"GET / HTTP/1.1\r\nHost: loc".to_vec())
        .await;
    assert!(!slow_head.contains("200"), "{slow_head}");
    let mut slow_body = head(ANSWER, "Content-Length: 100\r\nConnection: close\r\n");
    slow_body.extend(b"a part");
    let slow_body = served.answers(slow_body).await;
    assert!(slow_body.starts_with("HTTP/1.1 408 "), "{slow_body}");
    assert!(begun.elapsed() >= PATIENCE);
    tokio::time::resume();
    served.finish().await;
}
