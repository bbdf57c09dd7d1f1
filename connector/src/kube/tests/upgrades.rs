use super::*;

pub(super) const POD: &str = "/api/v1/namespaces/default/pods/a";
pub(super) const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH_TO_SPDY: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n";

/// A request for a WebSocket to `path`.
pub(super) fn web_socket(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: adit\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
    )
}

fn spdy(path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: adit\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\
         X-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Switches, sends raw bytes, closes, and gives what came back behind the 101.
async fn switched(rig: &Rig, request: &str) -> String {
    let mut tasks = JoinSet::new();
    let (mut near, end) = rig.open(&mut tasks);
    near.write_all(request.as_bytes()).await.unwrap();
    let head = read_until(&mut near, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    near.write_all(b"raw\0bytes\r\n\r\n").await.unwrap();
    near.shutdown().await.unwrap();
    let mut raw = String::new();
    near.read_to_string(&mut raw).await.unwrap();
    tasks.join_all().await;
    assert!(end.0.load(Ordering::SeqCst), "it ended in order");
    raw
}

#[tokio::test]
async fn k12_web_socket_and_spdy_are_decided_and_recorded_alike_and_carry_raw_bytes() {
    for (answer, request) in [
        (SWITCH, web_socket(&format!("{POD}/exec?command=sh"))),
        (SWITCH_TO_SPDY, spdy(&format!("{POD}/exec?command=sh"))),
    ] {
        let rig = Rig::answering(answer).await;
        // The server answers whatever it reads with the same bytes.
        assert_eq!(switched(&rig, &request).await, answer);
        rig.closed().await;
        let upstream = rig.upstream();
        let (head, raw) = upstream.split_once("\r\n\r\n").unwrap();
        assert_eq!(raw, "raw\0bytes\r\n\r\n");
        let head = head.to_ascii_lowercase();
        for line in [
            "connection: upgrade",
            "authorization: bearer token",
            "impersonate-user: anna@example.com",
        ] {
            assert_eq!(head.matches(line).count(), 1, "{line}: {head}");
        }
        let (intent, outcome) = rig.joined();
        assert_eq!(
            (intent.resource.as_str(), intent.subresource.as_str()),
            ("pods", "exec")
        );
        assert_eq!((outcome.status, outcome.reason.as_str()), (101, ""));
        let carried = (outcome.received_bytes, outcome.sent_bytes);
        assert_eq!(carried, (13, answer.len() as u64));
    }
}

/// What a terminal would obey: a clipboard, a title, a link, a device control string, a cleared screen, and C1 codes.
const CODES: &str = "\u{1b}]52;c;aGk=\u{7}\u{1b}]0;root@prod\u{7}\u{1b}]8;;https://evil.example\u{1b}\\x\
    \u{1b}P$q\"p\u{1b}\\\u{1b}[2J\u{9b}31m\u{0}\u{8}\u{7f}\r\n";

#[tokio::test]
async fn k21_what_a_pod_says_and_what_is_copied_to_it_passes_byte_for_byte() {
    let switch = format!("{SWITCH}{CODES}");
    let rig = Rig::answering(switch.leak()).await;
    let mut tasks = JoinSet::new();
    let (mut near, _) = rig.open(&mut tasks);
    let tar = web_socket(&format!("{POD}/exec?command=tar&command=xf&command=-"));
    near.write_all(tar.as_bytes()).await.unwrap();
    let head = read_until(&mut near, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let every: Vec<u8> = (0..=255).cycle().take(64 << 10).collect();
    near.write_all(&every).await.unwrap();
    near.shutdown().await.unwrap();
    let mut said = Vec::new();
    near.read_to_end(&mut said).await.unwrap();
    tasks.join_all().await;
    assert!(said == CODES.as_bytes(), "{said:?}");
    rig.closed().await;
    let upstream = rig.seen.connections.lock().concat();
    assert!(upstream.ends_with(&[b"\r\n\r\n", &every[..]].concat()));

    let length = CODES.len();
    let logs = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{CODES}");
    let rig = Rig::answering(logs.leak()).await;
    let log = format!("GET {POD}/log HTTP/1.1\r\nHost: adit\r\n\r\n");
    let got = rig.send(log).await;
    assert!(got.whole && got.text.ends_with(&format!("\r\n\r\n{CODES}")));
}

#[tokio::test]
async fn k13_the_api_servers_proxy_is_denied_unless_policy_grants_it() {
    let denied = Rig::new().await;
    let paths = [
        format!("{POD}/proxy/"),
        "/api/v1/namespaces/default/services/https:web:443/proxy/x".to_owned(),
        "/api/v1/nodes/n/proxy/metrics".to_owned(),
    ];
    for path in &paths {
        let plain = format!("GET {path} HTTP/1.1\r\nHost: adit\r\n\r\n");
        for request in [plain, web_socket(path)] {
            denied.refuses(request, 403, "unknown_or_forbidden").await;
        }
    }
    let grant = r#"permit(principal, action == Action::"proxy", resource);"#;
    let world = World::with_policy(&format!("{}{grant}", crate::testing::POLICY));
    let granted = Rig::of(world, OK, "token").await;
    for path in &paths {
        let got = granted
            .send(format!("GET {path} HTTP/1.1\r\nHost: adit\r\n\r\n"))
            .await;
        assert!(got.text.starts_with("HTTP/1.1 200 "), "{}", got.text);
    }
}

#[tokio::test]
async fn a_proxied_applications_401_is_the_clients_and_asks_for_no_credential() {
    let grant = r#"permit(principal, action == Action::"proxy", resource);"#;
    let world = World::with_policy(&format!("{}{grant}", crate::testing::POLICY));
    let unauthorized = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"app\"\r\nContent-Length: 5\r\n\r\nlogin";
    let rig = Rig::of(world, unauthorized, "token").await;
    for request in [
        format!("GET {POD}/proxy/ HTTP/1.1\r\nHost: adit\r\n\r\n"),
        web_socket(&format!("{POD}/proxy/")),
    ] {
        let got = rig.send(request).await;
        let passed = got.text.starts_with("HTTP/1.1 401 ") && got.text.ends_with("login");
        assert!(passed, "{}", got.text);
        assert!(!got.text.to_lowercase().contains("www-"), "{}", got.text);
    }
}

#[tokio::test]
async fn k14_only_an_exact_101_splices_and_any_other_answer_closes_the_connection() {
    for (answer, code) in [
        (OK, 200),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}", 403),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", 404),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
            302,
        ),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", 503),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
            503,
        ),
        (SWITCH_TO_SPDY, 503),
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}",
            503,
        ),
    ] {
        let rig = Rig::answering(answer).await;
        // Behind it a second request, which some server might read (measurement M17).
        let exec = web_socket(&format!("{POD}/exec?command=sh"));
        let got = rig.send(format!("{exec}{}", get(""))).await;
        let head = format!("HTTP/1.1 {code} ");
        assert!(got.text.starts_with(&head), "{answer}: {}", got.text);
        assert!(!got.text.to_ascii_lowercase().contains("location:"));
        rig.closed().await;
        let upstream = rig.upstream();
        assert_eq!(upstream.matches(" HTTP/1.1\r\n").count(), 1, "{upstream}");
    }
}

#[tokio::test]
async fn k14_a_101_that_is_followed_by_the_end_ends_in_order() {
    const CUT: &str =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\ncut";
    let rig = Rig::answering(CUT).await;
    let mut tasks = JoinSet::new();
    let (mut near, _) = rig.open(&mut tasks);
    let request = web_socket(&format!("{POD}/exec?command=sh"));
    near.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\ncut"), "{answer}");
    drop(near);
    tasks.join_all().await;
}

#[tokio::test]
async fn k15_bytes_behind_an_upgrade_request_are_held_until_the_101() {
    let rig = Rig::answering(SWITCH).await;
    let mut tasks = JoinSet::new();
    let (mut near, _) = rig.open(&mut tasks);
    let request = web_socket(&format!("{POD}/exec?command=sh"));
    near.write_all(format!("{request}early\r\n\r\n").as_bytes())
        .await
        .unwrap();
    near.shutdown().await.unwrap();
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer.matches("HTTP/1.1 101 ").count(), 2, "{answer}");
    tasks.join_all().await;
    let upstream = rig.upstream();
    let (_, behind) = upstream.split_once("\r\n\r\n").unwrap();
    assert_eq!(behind, "early\r\n\r\n");
}

#[tokio::test]
async fn k16_other_protocols_bodies_and_broken_handshakes_are_refused() {
    let rig = Rig::new().await;
    let exec = format!("{POD}/exec?command=sh");
    let asking = |headers: &str| format!("GET {exec} HTTP/1.1\r\nHost: adit\r\n{headers}\r\n");
    for protocol in ["h2c", "TLS/1.0", "foo", "websocket, h2c", ""] {
        let request = asking(&format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n"));
        rig.refuses(request, 400, "request_unsupported").await;
    }
    let one = "Connection: Upgrade\r\n";
    rig.refuses(asking(one), 400, "request_unsupported").await;
    let no_key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    rig.refuses(asking(no_key), 400, "request_malformed").await;
    let body = spdy(&exec).replace("Content-Length: 0\r\n\r\n", "Content-Length: 3\r\n\r\nabc");
    rig.refuses(body, 400, "request_malformed").await;
}

#[tokio::test]
async fn an_upgrade_that_the_client_gives_up_closes_its_connection() {
    let rig = Rig::answering(SWITCH).await;
    let mut tasks = JoinSet::new();
    let (mut near, _) = rig.open(&mut tasks);
    let request = web_socket(&format!("{POD}/attach"));
    near.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut near, "\r\n\r\n").await;
    tasks.abort_all();
    rig.closed().await;
}
