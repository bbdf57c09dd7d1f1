//! HTTP/2 that no library would send. It ends its stream or its connection, or gets an answer of the gate's; what else
//! the agent has open does not notice.

use super::frames::*;
use super::*;

/// Codes of errors (RFC 9113, section 7).
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const ENHANCE_YOUR_CALM: u32 = 11;

type Headers = Vec<(String, String)>;

/// The head of a request that passes.
fn good(local: &Local) -> Headers {
    [
        (":method", "POST".to_owned()),
        (":scheme", "https".to_owned()),
        (":path", "/k/prod/api".to_owned()),
        (":authority", host(local)),
        ("authorization", format!("Bearer {}", local.token)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn with(local: &Local, name: &str, value: &str) -> Headers {
    let mut headers = good(local);
    headers.push((name.to_owned(), value.to_owned()));
    headers
}

fn instead(local: &Local, name: &str, value: &str) -> Headers {
    let mut headers = good(local);
    for header in &mut headers {
        if header.0 == name {
            header.1 = value.replace("HOST", &host(local));
        }
    }
    headers
}

fn head(stream: u32, flags: u8, headers: &Headers) -> Vec<u8> {
    frame(HEADERS, flags, stream, &block(headers))
}

const WHOLE: u8 = END_HEADERS | END_STREAM;

/// An agent with a request that is being answered, whose client sends nothing odd.
struct Busy {
    local: Local,
    sender: http2::SendRequest<Full<bytes::Bytes>>,
    _endless: Response<Incoming>,
}

impl Busy {
    async fn new() -> Self {
        let local = local().await;
        let io = TokioIo::new(local.connect("h2").await);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        local.tasks.spawn(connection);
        let request = local.request("/k/prod/endless").body(Full::default());
        let endless = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(endless.status(), 200);
        Self {
            local,
            sender,
            _endless: endless,
        }
    }

    fn opened(&self) -> usize {
        self.local.cluster.opened.load(Ordering::SeqCst)
    }

    /// Its stream is open still, and its connection takes requests.
    async fn goes_on(&mut self) {
        assert!(!self.local.cluster.ended.is_cancelled());
        let request = self
            .local
            .request("/nowhere")
            .header("host", "evil.example");
        let request = request.body(Full::default()).unwrap();
        let answered = timeout(Duration::from_secs(20), self.sender.send_request(request));
        assert_eq!(answered.await.unwrap().unwrap().status(), 403);
    }
}

#[tokio::test]
async fn k18_bytes_that_no_header_may_have_end_the_connection_and_reach_no_cluster() {
    let mut busy = Busy::new().await;
    let before = busy.opened();
    for (name, value) in [
        ("accept", "a\r\nimpersonate-user: admin"),
        ("accept", "a\nimpersonate-user: admin"),
        ("accept", "a\rb"),
        ("accept", "a\0b"),
        ("accept", "\u{7f}"),
        ("Accept", "a"),
        ("Impersonate-User", "admin"),
        ("a\r\nb", "a"),
        ("a b", "a"),
        ("a:b", "a"),
        ("", "a"),
        ("\u{e4}", "a"),
        (":unknown", "a"),
    ] {
        let mut raw = Raw::connect(&busy.local).await;
        raw.send(&head(STREAM, WHOLE, &with(&busy.local, name, value)))
            .await;
        let came = raw.outcome(STREAM).await;
        let expected = Came::ConnectionError(Some(PROTOCOL_ERROR));
        assert_eq!(came, expected, "{name:?}: {value:?}");
    }
    assert_eq!(busy.opened(), before);
    busy.goes_on().await;
}

/// What, added to a request, leaves more than one way to read it.
const ADDED: [(&str, &str); 14] = [
    (":path", "/k/prod/api"),
    (":method", "POST"),
    (":scheme", "https"),
    (":status", "200"),
    (":protocol", "websocket"),
    ("connection", "close"),
    ("transfer-encoding", "chunked"),
    ("te", "gzip"),
    ("upgrade", "websocket"),
    ("keep-alive", "1"),
    ("proxy-connection", "1"),
    ("content-length", "5"),
    ("content-length", "+0"),
    ("content-length", "0, 0"),
];
/// What no request has in the place of what it should have.
const CHANGED: [(&str, &str); 11] = [
    (":path", "/k/prod/api HTTP/1.1"),
    (":path", "/k/prod/a b"),
    (":path", "/k/prod/api\r\nimpersonate-user: admin"),
    (":path", "/k/prod/api\0"),
    (":path", "k/prod/api"),
    (":path", "https://HOST/k/prod/api"),
    (":path", ""),
    (":method", "CONNECT"),
    (":scheme", "ht tp"),
    (":authority", "HOST/x"),
    (":authority", ""),
];

#[tokio::test]
async fn k18_a_request_that_could_be_read_in_two_ways_ends_its_stream_only() {
    let mut busy = Busy::new().await;
    let before = busy.opened();
    let local = &busy.local;
    let mut cases = ADDED.map(|(name, value)| with(local, name, value)).to_vec();
    cases.extend(CHANGED.map(|(name, value)| instead(local, name, value)));
    for name in [":method", ":path", ":scheme"] {
        let mut headers = good(local);
        headers.retain(|header| header.0 != name);
        cases.push(headers);
    }
    let mut late = good(local);
    late.rotate_right(1);
    cases.push(late);
    let mut raw = Raw::connect(local).await;
    let mut stream = STREAM;
    for headers in &cases {
        raw.send(&head(stream, WHOLE, headers)).await;
        let came = raw.outcome(stream).await;
        assert_eq!(came, Came::StreamError(PROTOCOL_ERROR), "{headers:?}");
        stream += 2;
    }
    assert_eq!(busy.opened(), before);
    busy.goes_on().await;
    raw.send(&head(stream, WHOLE, &good(&busy.local))).await;
    let came = raw.outcome(stream).await;
    assert!(
        matches!(&came, Came::Answer(text) if text.starts_with("POST /api ")),
        "the connection goes on: {came:?}"
    );
}

#[tokio::test]
async fn k18_a_host_beside_another_authority_is_403() {
    let busy = Busy::new().await;
    let (before, local) = (busy.opened(), &busy.local);
    let mut without = good(local);
    without.retain(|header| header.0 != ":authority");
    for headers in [
        with(local, "host", "evil.example"),
        with(local, "host", "127.0.0.1"),
        instead(local, ":authority", "evil.example"),
        instead(local, ":authority", "admin@HOST"),
        without,
    ] {
        let mut raw = Raw::connect(local).await;
        raw.send(&head(STREAM, WHOLE, &headers)).await;
        let came = raw.outcome(STREAM).await;
        assert!(
            matches!(&came, Came::Answer(text) if text.contains("\"code\":403")),
            "{headers:?}: {came:?}"
        );
    }
    assert_eq!(busy.opened(), before);
}

#[tokio::test]
async fn k18_a_body_that_is_not_as_long_as_it_says_is_never_whole_for_the_cluster() {
    for (length, body) in [("5", &b"123"[..]), ("3", b"12345"), ("0", b"1")] {
        let local = local().await;
        let mut raw = Raw::connect(&local).await;
        let headers = with(&local, "content-length", length);
        raw.send(&head(STREAM, END_HEADERS, &headers)).await;
        raw.send(&frame(DATA, END_STREAM, STREAM, body)).await;
        let came = raw.outcome(STREAM).await;
        assert_eq!(came, Came::StreamError(PROTOCOL_ERROR), "{length}");
        if local.cluster.opened.load(Ordering::SeqCst) > 0 {
            let ended = timeout(Duration::from_secs(20), local.cluster.ended.cancelled());
            ended.await.unwrap();
        }
        assert!(!local.cluster.complete.load(Ordering::SeqCst), "{length}");
    }
}

/// What a client does again and again, until the connection is closed with a code.
type Flood = (&'static str, u32, fn(&Local, usize) -> Vec<u8>);

#[tokio::test]
async fn k18_who_floods_the_agent_loses_the_connection_at_a_cap() {
    let mut busy = Busy::new().await;
    let begun = |local: &Local| head(STREAM, END_HEADERS, &good(local));
    let floods: [Flood; 7] = [
        (
            "CONTINUATION",
            ENHANCE_YOUR_CALM,
            |local, time| match time {
                0 => head(STREAM, END_STREAM, &good(local)),
                _ => frame(CONTINUATION, 0, STREAM, &block(&[("a", "b")])),
            },
        ),
        (
            "empty CONTINUATION",
            ENHANCE_YOUR_CALM,
            |local, time| match time {
                0 => head(STREAM, END_STREAM, &good(local)),
                _ => frame(CONTINUATION, 0, STREAM, &[]),
            },
        ),
        ("empty DATA", ENHANCE_YOUR_CALM, |_, _| {
            frame(DATA, 0, STREAM, &[])
        }),
        ("DATA of a byte", ENHANCE_YOUR_CALM, |_, _| {
            frame(DATA, 0, STREAM, b"1")
        }),
        ("rapid reset", ENHANCE_YOUR_CALM, |local, time| {
            let stream = STREAM + 2 * u32::try_from(time).unwrap();
            let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            [head(stream, WHOLE, &good(local)), reset].concat()
        }),
        ("malformed requests", ENHANCE_YOUR_CALM, |local, time| {
            let stream = STREAM + 2 * u32::try_from(time).unwrap();
            head(stream, WHOLE, &with(local, "connection", "close"))
        }),
        ("windows", FLOW_CONTROL_ERROR, |_, _| {
            frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes())
        }),
    ];
    for (name, code, again) in floods {
        let mut raw = Raw::connect(&busy.local).await;
        if name.contains("DATA") {
            raw.send(&begun(&busy.local)).await;
        }
        let came = raw.flood(20_000, |time| again(&busy.local, time)).await;
        assert_eq!(came, Came::ConnectionError(Some(code)), "{name}");
        busy.goes_on().await;
    }
}

#[tokio::test]
async fn k18_headers_that_unfold_to_much_more_than_was_sent_are_not_kept() {
    let mut busy = Busy::new().await;
    let before = busy.opened();
    let mut raw = Raw::connect(&busy.local).await;
    // One header of 4,000 bytes into the dynamic table, and then 8,000 times its index (RFC 7541, section 6).
    let mut bomb = block(&good(&busy.local));
    bomb.push(0x40);
    string(&mut bomb, b"a");
    string(&mut bomb, &[b'a'; 4000]);
    bomb.extend([0xbe; 8000]);
    raw.send(&frame(HEADERS, WHOLE, STREAM, &bomb)).await;
    let came = raw.outcome(STREAM).await;
    assert!(
        matches!(came, Came::ConnectionError(Some(ENHANCE_YOUR_CALM))),
        "{came:?}"
    );
    assert_eq!(busy.opened(), before);
    busy.goes_on().await;
}

#[tokio::test]
async fn k18_frames_out_of_order_or_too_long_end_the_connection() {
    let mut busy = Busy::new().await;
    let local = &busy.local;
    let open = || head(STREAM, END_STREAM, &good(local));
    for (name, frames, code) in [
        (
            "another frame amid a head",
            [open(), frame(DATA, 0, STREAM, b"x")].concat(),
            PROTOCOL_ERROR,
        ),
        (
            "the head goes on for another stream",
            [open(), frame(CONTINUATION, END_HEADERS, 3, &[])].concat(),
            PROTOCOL_ERROR,
        ),
        (
            "a head that never began",
            frame(CONTINUATION, END_HEADERS, STREAM, &[]),
            PROTOCOL_ERROR,
        ),
        (
            "a body without a head",
            frame(DATA, 0, STREAM, b"x"),
            PROTOCOL_ERROR,
        ),
        (
            "a stream of the server's",
            head(2, WHOLE, &good(local)),
            PROTOCOL_ERROR,
        ),
        (
            "an empty window",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            PROTOCOL_ERROR,
        ),
        (
            "a frame too long",
            frame(DATA, 0, STREAM, &vec![0; 20_000]),
            FRAME_SIZE_ERROR,
        ),
        (
            "settings cut short",
            frame(SETTINGS, 0, 0, &[0; 5]),
            PROTOCOL_ERROR,
        ),
    ] {
        let mut raw = Raw::connect(local).await;
        raw.send(&frames).await;
        let came = raw.outcome(STREAM).await;
        assert_eq!(came, Came::ConnectionError(Some(code)), "{name}");
    }
    busy.goes_on().await;
}
