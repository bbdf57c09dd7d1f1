use super::*;

/// A second request that must never be seen.
const HIDDEN: &str = "GET /admin HTTP/1.1\r\nHost: db\r\n\r\n";

fn post(headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn k1_a_client_that_says_who_it_is_is_refused() {
    let rig = Rig::answering(OK).await;
    for name in ["Adit-Identity", "adit_identity", "ADIT-Session"] {
        let request = get(&format!("{name}: forged\r\n"));
        rig.refuses(request, 403, "impersonation_refused").await;
    }
}

#[tokio::test]
async fn k1_trailers_say_nothing() {
    let rig = Rig::answering(OK).await;
    let body = "5\r\nhello\r\n0\r\nAdit-Identity: forged\r\nX-Mine: 1\r\n\r\n";
    let request = post(
        "Transfer-Encoding: chunked\r\nTrailer: Adit-Identity\r\n",
        body,
    );
    rig.send(request).await;
    let sent = rig.seen.all();
    assert!(sent.contains("hello"), "{sent}");
    assert!(
        !sent.contains("forged") && !sent.contains("X-Mine"),
        "{sent}"
    );
}

#[tokio::test]
async fn h13_a_page_of_another_origin_is_refused_by_the_connector_too() {
    let rig = Rig::answering(OK).await;
    for origin in ["http://evil.example", "http://db-k3j4x2aa.localhost"] {
        let request = get(&format!("Origin: {origin}\r\n"));
        rig.refuses(request, 403, "unknown_or_forbidden").await;
    }
}

#[tokio::test]
async fn k8_request_lines_that_could_be_read_in_two_ways_are_refused() {
    let rig = Rig::answering(OK).await;
    for line in [
        "GET /a#b HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.0",
        "GET http://evil.example/ HTTP/1.1",
        "GET * HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1",
        "GET /a\rb HTTP/1.1",
        "GET /\u{e4} HTTP/1.1",
    ] {
        let request = format!("{line}\r\nHost: {HOST}\r\n\r\n");
        rig.refuses(request, 400, "request_malformed").await;
    }
    let bare = format!("GET / HTTP/1.1\nHost: {HOST}\n\n");
    rig.refuses(bare, 400, "request_malformed").await;
}

#[tokio::test]
async fn l4_no_host_two_hosts_or_none_that_is_one_are_refused() {
    let rig = Rig::answering(OK).await;
    for hosts in [
        String::new(),
        format!("Host: {HOST}\r\nHost: evil.example\r\n"),
        "Host: a/b\r\n".to_owned(),
    ] {
        let request = format!("GET / HTTP/1.1\r\n{hosts}\r\n");
        rig.refuses(request, 400, "request_malformed").await;
    }
}

#[tokio::test]
async fn k3_line_breaks_in_headers_reach_nobody() {
    let rig = Rig::answering(OK).await;
    for headers in [
        "X-Mine: a\r Adit-Identity: forged\r\n",
        "X-Mine: a\r\n folded: b\r\n",
        "X-Mine: a\0b\r\n",
    ] {
        let got = rig.send(get(headers)).await;
        let sent = rig.seen.all();
        assert!(
            got.text.starts_with("HTTP/1.1 400 "),
            "{headers:?}: {}",
            got.text
        );
        assert_eq!(sent, "", "{headers:?}");
    }
}

/// One request or a refusal: the application never sees a second one, nor the framing that hides it.
async fn at_most_one(request: &str) {
    let rig = Rig::answering(OK).await;
    let got = rig.send(request).await;
    let sent = rig.seen.all();
    assert!(
        sent.matches(" HTTP/1.1\r\n").count() <= 1,
        "{request:?}: {sent}"
    );
    assert!(!sent.contains("/admin HTTP"), "{request:?}: {sent}");
    let framings = header(&sent, "content-length").len() + header(&sent, "transfer-encoding").len();
    assert!(framings <= 1, "{request:?}: {sent}");
    let answers = got.text.matches("HTTP/1.1 ").count();
    assert_eq!(answers, 1, "{request:?}: {}", got.text);
}

#[tokio::test]
async fn k17_a_request_behind_another_or_hidden_by_its_framing_is_never_sent() {
    at_most_one(&format!("{}{HIDDEN}", get(""))).await;
    at_most_one(&format!("{}{HIDDEN}", get("Connection: keep-alive\r\n"))).await;
    at_most_one(&format!("{}{HIDDEN}", get("Content-Length: 0\r\n"))).await;
    let chunks = format!("0\r\n\r\n{HIDDEN}");
    let length = chunks.len();
    for headers in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        "Content-Length: 0\r\nContent-Length: 50\r\n".to_owned(),
        "Content-Length: +5\r\n".to_owned(),
    ] {
        at_most_one(&post(&headers, &chunks)).await;
    }
    at_most_one(&post("Expect: 100-continue\r\n", "")).await;
}

#[tokio::test]
async fn k15_k16_an_upgrade_to_anything_else_or_with_a_body_is_refused() {
    let rig = Rig::answering(OK).await;
    for upgrade in ["h2c", "SPDY/3.1", "TLS/1.0"] {
        let request = get(&format!("Connection: Upgrade\r\nUpgrade: {upgrade}\r\n"));
        rig.refuses(request, 400, "request_unsupported").await;
    }
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n";
    let request = format!("{}hello", get(socket));
    rig.refuses(request, 400, "request_malformed").await;
}

#[tokio::test]
async fn k14_a_switch_that_nobody_asked_for_is_none() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let rig = Rig::answering(switch).await;
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for headers in ["", socket] {
        let got = rig.send(get(headers)).await;
        assert!(
            got.text.starts_with("HTTP/1.1 503 "),
            "{headers:?}: {}",
            got.text
        );
    }
}
