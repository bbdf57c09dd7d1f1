use super::*;

#[tokio::test]
async fn k1_impersonation_in_any_spelling_is_refused() {
    let rig = Rig::new().await;
    for header in [
        "Impersonate-User: admin",
        "impersonate-group: system:masters",
        "IMPERSONATE-EXTRA-scopes: x",
        "Impersonate-Uid: 1",
        "Impersonate_User: admin",
        "Impersonate-User: a\r\nImpersonate-User: b",
        "Impersonate-User:",
    ] {
        rig.refuses(get(&format!("{header}\r\n")), 403, "impersonation_refused")
            .await;
    }
}

#[tokio::test]
async fn k1_impersonation_in_trailers_cuts_the_request_off() {
    let rig = Rig::new().await;
    let request = "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: adit\r\n\
        Transfer-Encoding: chunked\r\nTrailer: Impersonate-Group\r\n\r\n\
        2\r\n{}\r\n0\r\nImpersonate-Group: system:masters\r\n\r\n";
    let got = rig.send(request).await;
    assert!(
        got.text.starts_with("HTTP/1.1 403 ") && got.text.contains("impersonation_refused"),
        "{}",
        got.text
    );
    let upstream = rig.upstream();
    assert!(
        !upstream.contains("masters") && !upstream.contains("\r\n0\r\n\r\n"),
        "{upstream}"
    );
}

#[tokio::test]
async fn k3_k18_line_breaks_and_controls_in_header_values_are_refused() {
    let rig = Rig::new().await;
    for (header, code) in [
        ("Accept: a\nImpersonate-Group: system:masters", 403),
        ("Accept: a\rImpersonate-Group: system:masters", 400),
        ("Accept: a\0b", 400),
        ("Accept: a\r\n Impersonate-Group: x", 400),
        ("Accept : a", 400),
        ("Accept\0: a", 400),
        (": a", 400),
        ("User-Agent: \u{e4}", 400),
    ] {
        rig.refuses(get(&format!("{header}\r\n")), code, "").await;
    }
}

#[tokio::test]
async fn k4_hop_by_hop_headers_are_removed_and_ours_stay() {
    let rig = Rig::new().await;
    let headers = "Connection: Impersonate-User, Authorization, Accept, Audit-Id, close\r\nAccept: text/plain\r\n\
        Keep-Alive: 300\r\nTE: trailers\r\nTrailer: X\r\nProxy-Authorization: Basic x\r\nProxy-Connection: close\r\n";
    rig.send(get(headers)).await;
    let upstream = rig.upstream().to_ascii_lowercase();
    for kept in [
        "impersonate-user: anna@example.com",
        "authorization: bearer token",
        "audit-id: ",
    ] {
        assert!(upstream.contains(kept), "{kept}: {upstream}");
    }
    for gone in [
        "accept",
        "keep-alive",
        "te:",
        "trailer",
        "proxy-",
        "connection: ",
    ] {
        assert!(!upstream.contains(gone), "{gone}: {upstream}");
    }
}

#[tokio::test]
async fn k5_the_clients_own_credentials_are_removed() {
    let rig = Rig::new().await;
    let headers = "Authorization: Bearer canary\r\nAuthorization: Basic canary\r\nCookie: canary\r\n\
        X-Remote-User: canary\r\nX-Remote-Group: canary\r\nX-Remote-Extra-A: canary\r\nX-Forwarded-For: canary\r\n\
        Audit-ID: canary\r\nX-HTTP-Method-Override: DELETE\r\n";
    rig.send(get(headers)).await;
    let upstream = rig.upstream();
    assert!(
        upstream.starts_with("GET ") && !upstream.contains("canary"),
        "{upstream}"
    );
    assert!(!upstream.contains("DELETE"), "{upstream}");
    // G9: nor do they reach the audit log.
    assert!(!format!("{:?}", rig.audited()).contains("canary"));
}

#[tokio::test]
async fn k6_a_bearer_in_the_websocket_protocol_is_removed() {
    let rig = Rig::new().await;
    let header = "Sec-WebSocket-Protocol: v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.Y2FuYXJ5\r\n";
    rig.send(get(header)).await;
    assert!(
        !rig.upstream().to_ascii_lowercase().contains("websocket"),
        "{}",
        rig.upstream()
    );
}

#[tokio::test]
async fn k7_without_a_credential_of_its_own_the_connector_sends_nothing() {
    let expired = "e30.eyJleHAiOjF9.c2ln";
    for token in ["", "\n", expired] {
        let rig = Rig::with(OK, token).await;
        let header = "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.Y2FuYXJ5\r\n";
        let got = rig.send(get(header)).await;
        assert!(
            got.text.starts_with("HTTP/1.1 503 ") && got.text.contains("target_offline"),
            "{}",
            got.text
        );
        assert_eq!(rig.upstream(), "");
    }
}

#[tokio::test]
async fn k8_paths_that_could_be_read_in_two_ways_are_refused() {
    let rig = Rig::new().await;
    let long = format!("/api/v1/{}", "a".repeat(64 << 10));
    for target in [
        "/api/v1/namespaces/default%2Fsecrets",
        "/api/v1/namespaces/default%2fsecrets",
        "/%61pi/v1/namespaces",
        "/api/v1/namespaces/default/%73ecrets",
        "/api/v1/namespaces/default/pods/foo%2fexec",
        "//api/v1/pods",
        "/api//v1/pods",
        "/api/v1/./pods",
        "/api/v1/../v1/pods",
        "/api/v1/%2e%2e/pods",
        "/api/v1/namespaces/default;x/pods",
        "/api/v1\\pods",
        "/api/v1/pods#x",
        "/api/v1/pods%00",
        "/api/v1/pods%23x",
        "/api/v1/pods%0a",
        "https://evil.example:1/api/v1/pods",
        "evil.example:443",
        "*",
        "api/v1/pods",
        "/api/v1/pods%",
        "/api/v1/pods%zz",
        long.as_str(),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: adit\r\n\r\n");
        rig.refuses(request, 400, "request_malformed").await;
    }
}

#[tokio::test]
async fn k8_an_escape_that_a_name_needs_is_decoded_once_and_encoded_again() {
    let rig = Rig::new().await;
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode";
    rig.send(format!("GET {path} HTTP/1.1\r\nHost: adit\r\n\r\n"))
        .await;
    let sent = rig.upstream();
    assert!(
        sent.starts_with("GET /apis/rbac.authorization.k8s.io/v1/clusterroles/system"),
        "{sent}"
    );
    assert!(!sent.contains("%25"), "{sent}");
    assert_eq!(rig.joined().0.name, "system:node");
}

#[tokio::test]
async fn k10_watch_is_decided_as_the_server_decides_it() {
    for (query, verb) in [
        ("watch=true", "watch"),
        ("watch=", "watch"),
        ("watch", "watch"),
        ("watch=yes", "watch"),
        ("%77atch=1", "watch"),
        ("watch=0", "list"),
        ("watch=false", "list"),
        ("Watch=1", "list"),
    ] {
        let rig = Rig::new().await;
        rig.send(format!(
            "GET /api/v1/pods?{query} HTTP/1.1\r\nHost: adit\r\n\r\n"
        ))
        .await;
        assert_eq!(rig.joined().0.verb, verb, "{query}");
    }
    let rig = Rig::new().await;
    let many = "a=1&".repeat(10_000);
    for query in ["watch=0&watch=1", "watch=0;watch=1", many.as_str()] {
        let request = format!("GET /api/v1/pods?{query} HTTP/1.1\r\nHost: adit\r\n\r\n");
        rig.refuses(request, 400, "request_malformed").await;
    }
}

#[tokio::test]
async fn k11_other_methods_are_refused() {
    let rig = Rig::new().await;
    for method in [
        "get",
        "TRACE",
        "CONNECT",
        "PROPFIND",
        "OPTIONS",
        &"A".repeat(1000),
    ] {
        let request = format!("{method} /api/v1/pods HTTP/1.1\r\nHost: adit\r\n\r\n");
        let got = rig.send(request).await;
        let code: u16 = got.text.split(' ').nth(1).unwrap().parse().unwrap();
        assert!((400..500).contains(&code), "{method}: {}", got.text);
        assert_eq!(rig.upstream(), "", "{method}");
    }
}

#[tokio::test]
async fn k18_a_body_that_ends_before_its_length_is_cut_off_at_the_server_too() {
    for framing in [
        "Content-Length: 5\r\n\r\n123",
        "Transfer-Encoding: chunked\r\n\r\n5\r\n123",
        "Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n",
    ] {
        let rig = Rig::new().await;
        let mut tasks = JoinSet::new();
        let (mut near, _) = rig.open(&mut tasks);
        let request = format!(
            "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: adit\r\n{framing}"
        );
        near.write_all(request.as_bytes()).await.unwrap();
        near.shutdown().await.unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        assert!(!answer.starts_with("HTTP/1.1 200 "), "{framing}: {answer}");
        tasks.join_all().await;
        rig.closed().await;
        let upstream = rig.upstream();
        assert!(upstream.contains("123"), "{framing}: {upstream}");
        assert!(!upstream.contains("\r\n0\r\n\r\n"), "{framing}: {upstream}");
        let (_, outcome) = rig.joined();
        assert_eq!(
            (outcome.reason.as_str(), outcome.received_bytes),
            ("request_malformed", 3),
            "it says nothing of the cluster"
        );
    }
}

#[tokio::test]
async fn a_refused_head_request_ends_whole() {
    let rig = Rig::new().await;
    let got = rig
        .send("HEAD /metrics HTTP/1.1\r\nHost: adit\r\n\r\n")
        .await;
    assert!(got.text.starts_with("HTTP/1.1 400 "), "{}", got.text);
    assert!(got.text.ends_with("\r\n\r\n"), "{}", got.text);
    assert!(got.whole);
}
