//! Bodies of requests that are long, lie about what they are, or never end (K22).

use std::sync::atomic::AtomicUsize;

use super::*;

const PATH: &str = "/api/v1/namespaces/default/configmaps";
const PIECE: usize = 64 << 10;
/// What may be on its way, in bytes: in the sockets of the loopback interface and in the stream.
const ON_ITS_WAY: usize = 12 << 20;

fn post(headers: &str) -> String {
    format!("POST {PATH} HTTP/1.1\r\nHost: adit\r\n{headers}\r\n")
}

#[tokio::test]
async fn k22_a_body_passes_as_it_is_whatever_it_says_that_it_is() {
    // A gzip stream that unfolds to more than it says, protobuf as Kubernetes writes it, and no text at all.
    let bodies: [&[u8]; 3] = [
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0",
        b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\xff",
        &[0xfe; 64],
    ];
    for kind in [
        "application/json",
        "application/vnd.kubernetes.protobuf",
        "application/apply-patch+yaml",
        "application/cbor",
        "text/html",
    ] {
        for body in bodies {
            let rig = Rig::new().await;
            let head = post(&format!(
                "Content-Type: {kind}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n",
                body.len()
            ));
            let got = rig.send([head.as_bytes(), body].concat()).await;
            assert!(got.text.starts_with("HTTP/1.1 200 "), "{}", got.text);
            let upstream = rig.seen.connections.lock().concat();
            assert!(upstream.ends_with(&[b"\r\n\r\n", body].concat()), "{kind}");
            let head = String::from_utf8_lossy(&upstream).to_ascii_lowercase();
            assert!(
                head.contains(&format!("content-type: {kind}\r\n")),
                "{head}"
            );
            assert!(!head.contains("content-encoding"), "{head}");
            assert_eq!(rig.joined().1.received_bytes, body.len() as u64);
        }
    }
}

#[tokio::test]
async fn k22_a_body_of_two_types_is_refused() {
    let rig = Rig::new().await;
    let two =
        "Content-Type: application/json\r\nContent-Type: application/vnd.kubernetes.protobuf\r\n";
    let request = format!("{}{{}}", post(&format!("{two}Content-Length: 2\r\n")));
    rig.refuses(request, 400, "request_malformed").await;
}

/// A server that reads slowly, and counts what it has read.
async fn slow(listener: TcpListener, acceptor: TlsAcceptor, received: Arc<AtomicUsize>) {
    let (socket, _) = listener.accept().await.unwrap();
    let mut stream = acceptor.accept(socket).await.unwrap();
    let mut buffer = vec![0; PIECE];
    while !buffer.ends_with(b"\r\n0\r\n\r\n") {
        buffer.resize(PIECE, 0);
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "the body was cut off");
        buffer.truncate(read);
        received.fetch_add(read, Ordering::SeqCst);
        // Whatever else can go on meanwhile does.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    stream.write_all(OK.as_bytes()).await.unwrap();
}

/// A server that refuses a body before it has read it.
async fn full(listener: TcpListener, acceptor: TlsAcceptor, _: Arc<AtomicUsize>) {
    const FULL: &[u8] =
        b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";
    let (socket, _) = listener.accept().await.unwrap();
    let mut stream = acceptor.accept(socket).await.unwrap();
    let _ = stream.read(&mut vec![0; PIECE]).await.unwrap();
    stream.write_all(FULL).await.unwrap();
    stream.shutdown().await.unwrap();
}

/// A way to a server that is served by `serving`, for the session of `rig`.
async fn towards<F>(
    rig: &Rig,
    tasks: &mut JoinSet<()>,
    serving: fn(TcpListener, TlsAcceptor, Arc<AtomicUsize>) -> F,
) -> (Arc<Kube>, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let dir = rig.world.dir.path();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kubernetes = Kubernetes::Direct {
        server: format!("https://{}", listener.local_addr().unwrap()),
        ca_file: dir.join("ca"),
        credentials: Credentials::Token {
            file: dir.join("token"),
        },
    };
    let received = Arc::<AtomicUsize>::default();
    tasks.spawn(serving(listener, rig.acceptor.clone(), received.clone()));
    let (audit, table) = (rig.world.audit.clone(), rig.world.table.clone());
    let upstream = load(&kubernetes, 1).unwrap();
    let kube = Kube::new(upstream, audit, table, rig.world.clock.clone());
    (Arc::new(kube), received)
}

#[tokio::test]
async fn k22_a_body_without_an_end_is_taken_no_faster_than_the_server_takes_it() {
    let rig = Rig::new().await;
    let mut tasks = JoinSet::new();
    let (kube, received) = towards(&rig, &mut tasks, slow).await;
    let (mut near, far) = duplex(PIECE);
    tasks.spawn(kube.serve(
        far,
        BytesMut::new(),
        End::default(),
        rig.errand(Purpose::CarryOut),
    ));
    let head = post("Transfer-Encoding: chunked\r\n");
    near.write_all(head.as_bytes()).await.unwrap();
    let piece = [b"10000\r\n", &vec![b'a'; PIECE][..], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 3 * ON_ITS_WAY {
        near.write_all(&piece).await.unwrap();
        sent += PIECE;
        let ahead = sent.saturating_sub(received.load(Ordering::SeqCst));
        assert!(ahead < ON_ITS_WAY, "{ahead} bytes are on their way");
    }
    near.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    tasks.join_all().await;
    assert_eq!(rig.joined().1.received_bytes, sent as u64);
}

#[tokio::test]
async fn k22_a_refusal_reaches_a_client_that_has_not_sent_everything() {
    let rig = Rig::new().await;
    let mut tasks = JoinSet::new();
    let (kube, _) = towards(&rig, &mut tasks, full).await;
    let (near, far) = duplex(PIECE);
    let end = End::default();
    tasks.spawn(kube.serve(
        far,
        BytesMut::new(),
        end.clone(),
        rig.errand(Purpose::CarryOut),
    ));
    let (mut read, mut write) = tokio::io::split(near);
    let piece = vec![b'a'; PIECE];
    let sending = async {
        let head = post(&format!("Content-Length: {}\r\n", 100 << 20));
        write.write_all(head.as_bytes()).await.unwrap();
        while write.write_all(&piece).await.is_ok() {}
    };
    let mut answer = String::new();
    let ((), read) = tokio::join!(sending, read.read_to_string(&mut answer));
    read.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("big"),
        "{answer}"
    );
    tasks.join_all().await;
    assert!(end.0.load(Ordering::SeqCst));
    let (_, outcome) = rig.joined();
    assert_eq!(outcome.status, 413);
    assert!(outcome.received_bytes < 100 << 20);
}
