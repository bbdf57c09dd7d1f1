//! Bodies of requests that are long, or never end (K22). They pass through, and do not stay.

use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;

use super::*;

const PIECE: usize = 64 << 10;
/// What may be on its way, in bytes: in the sockets of the loopback interface, in HTTP/2's windows, in the stream.
const ON_ITS_WAY: usize = 16 << 20;

type Long = BoxBody<Bytes, std::convert::Infallible>;

/// A body, and how far what was taken of it is ahead of what was received, at most.
fn long(total: usize, received: Arc<AtomicUsize>) -> (Long, Arc<AtomicUsize>) {
    let piece = Bytes::from(vec![b'a'; PIECE]);
    let ahead = Arc::<AtomicUsize>::default();
    let most = ahead.clone();
    let frames = (1..=total / PIECE).map(move |count| {
        let received = received.load(Ordering::SeqCst);
        most.fetch_max(count * PIECE - received, Ordering::SeqCst);
        Ok(Frame::data(piece.clone()))
    });
    let body = StreamBody::new(futures_util::stream::iter(frames));
    (BodyExt::boxed(body), ahead)
}

/// Sends `request` over a version of HTTP.
async fn send(local: &Local, alpn: &str, request: Request<Long>) -> Response<Incoming> {
    let io = TokioIo::new(local.connect(alpn).await);
    if alpn == "h2" {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        local.tasks.spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        local.tasks.spawn(connection);
        sender.send_request(request).await.unwrap()
    }
}

fn request(local: &Local, path: &str, alpn: &str, body: Long) -> Request<Long> {
    let mut request = local.request(path);
    if alpn != "h2" {
        request = request.header("host", host(local));
    }
    request.body(body).unwrap()
}

#[tokio::test]
async fn k22_a_body_without_a_length_is_taken_no_faster_than_the_cluster_takes_it() {
    let total = 3 * ON_ITS_WAY;
    for alpn in ["h2", "http/1.1"] {
        let local = local().await;
        let received = &local.cluster.received;
        let (body, ahead) = long(total, received.clone());
        let sent = request(&local, "/k/prod/slow", alpn, body);
        let answer = send(&local, alpn, sent).await;
        assert_eq!(answer.status(), 200);
        text(answer).await;
        assert_eq!(received.load(Ordering::SeqCst), total, "{alpn}");
        let ahead = ahead.load(Ordering::SeqCst);
        assert!(
            ahead < ON_ITS_WAY,
            "{alpn}: {ahead} bytes were on their way"
        );
    }
}

#[tokio::test]
async fn k22_a_refusal_reaches_a_client_that_has_not_sent_everything() {
    for alpn in ["h2", "http/1.1"] {
        let local = local().await;
        let (body, _) = long(100 << 20, Arc::default());
        let sent = request(&local, "/k/prod/full", alpn, body);
        let answer = send(&local, alpn, sent).await;
        assert_eq!(answer.status(), 413, "{alpn}");
        assert_eq!(text(answer).await, "too large", "{alpn}");
        assert!(!local.cluster.complete.load(Ordering::SeqCst), "{alpn}");
    }
}
