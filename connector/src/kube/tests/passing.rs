use super::*;

#[tokio::test]
async fn a_request_is_rebuilt_with_the_identity_that_policy_gives() {
    let rig = Rig::new().await;
    let got = rig
        .send(get(
            "Accept: application/json\r\nUser-Agent: kubectl/v1.36\r\n",
        ))
        .await;
    assert!(
        got.text.starts_with("HTTP/1.1 200 OK\r\n") && got.text.ends_with("\r\n\r\n{}"),
        "{}",
        got.text
    );
    assert!(got.whole);
    let upstream = rig.upstream();
    let mut lines: Vec<&str> = upstream.trim_end().split("\r\n").collect();
    assert_eq!(
        lines.remove(0),
        "GET /api/v1/namespaces/default/pods HTTP/1.1"
    );
    let (intent, outcome) = rig.joined();
    let mut names: Vec<String> = lines
        .iter()
        .map(|line| line.split(':').next().unwrap().to_ascii_lowercase())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "accept",
            "audit-id",
            "authorization",
            "host",
            "impersonate-extra-adit.internal%2fdevice",
            "impersonate-extra-adit.internal%2fsession",
            "impersonate-group",
            "impersonate-user",
            "user-agent",
        ]
    );
    for line in [
        "authorization: Bearer token".to_owned(),
        "impersonate-user: anna@example.com".to_owned(),
        "impersonate-group: view".to_owned(),
        format!("audit-id: {}", intent.request_id),
    ] {
        assert!(lines.contains(&line.as_str()), "{line}: {upstream}");
    }
    assert_eq!(
        (
            intent.verb.as_str(),
            intent.resource.as_str(),
            intent.namespace.as_str()
        ),
        ("list", "pods", "default")
    );
    assert_eq!(intent.kube_groups, ["view"]);
    assert_eq!(intent.actor.unwrap().user_name, "anna@example.com");
    assert_eq!(
        (outcome.request_id, outcome.status, outcome.sent_bytes),
        (intent.request_id, 200, 2)
    );
}

#[tokio::test]
async fn a_body_is_passed_on_and_counted() {
    let rig = Rig::new().await;
    for (framing, body) in [
        ("Content-Length: 11\r\n", "{\"kind\":\"x\""),
        (
            "Transfer-Encoding: chunked\r\n",
            "b\r\n{\"kind\":\"x\"\r\n0\r\n\r\n",
        ),
    ] {
        let request = format!(
            "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: adit\r\nContent-Type: application/json\r\n{framing}\r\n{body}"
        );
        let got = rig.send(request).await;
        assert!(got.text.starts_with("HTTP/1.1 200"), "{}", got.text);
    }
    assert_eq!(rig.upstream().matches("{\"kind\":\"x\"").count(), 2);
    assert_eq!(rig.joined().1.received_bytes, 11);
}

#[tokio::test]
async fn an_answer_that_the_server_cuts_off_never_looks_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\ncut",
    ] {
        let rig = Rig::answering(answer).await;
        let got = rig.send(get("")).await;
        assert!(!got.whole, "{}", got.text);
        assert_eq!(rig.joined().1.reason, "target_offline");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_closes_the_upstream_connection() {
    let rig =
        Rig::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    let mut tasks = JoinSet::new();
    let (mut near, end) = rig.open(&mut tasks);
    let watch = "GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: adit\r\n\r\n";
    near.write_all(watch.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let mut read = 0;
    while !String::from_utf8_lossy(&answer[..read]).contains("hello") {
        let more = near.read(&mut answer[read..]).await.unwrap();
        assert_ne!(more, 0, "the watch ended");
        read += more;
    }
    drop(near);
    rig.closed().await;
    tasks.join_all().await;
    assert!(!end.0.load(Ordering::SeqCst));
    assert_eq!(rig.joined().0.verb, "watch");
}

#[tokio::test]
async fn a_session_that_was_revoked_sends_nothing_more() {
    let mut rig = Rig::new().await;
    let device = rig.world.anna.device_id;
    rig.world
        .log
        .revoke(adit_proto::roster::Subject::Device(device));
    rig.world.deliver();
    let got = rig.send(get("")).await;
    assert!(got.text.starts_with("HTTP/1.1 403 "), "{}", got.text);
    assert!(got.text.contains("device_revoked"), "{}", got.text);
    assert_eq!(rig.upstream(), "");
}

#[tokio::test]
async fn a_forbidden_user_is_told_by_the_api_server() {
    let rig = Rig::answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    let got = rig.send(get("")).await;
    assert!(
        got.text.starts_with("HTTP/1.1 403 ") && got.text.ends_with("no"),
        "{}",
        got.text
    );
    assert_eq!(rig.upstream().matches("GET ").count(), 1);
}

#[tokio::test]
async fn f36_what_the_api_server_says_of_its_load_is_passed_on_as_it_is_and_not_tried_again() {
    for (status, header) in [
        ("429 Too Many Requests", "Retry-After: 7"),
        (
            "500 Internal Server Error",
            "X-Kubernetes-Pf-Flowschema-Uid: a",
        ),
        ("503 Service Unavailable", "Retry-After: 1"),
        ("504 Gateway Timeout", "Content-Type: application/json"),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\n{header}\r\nContent-Length: 4\r\n\r\nbody");
        let rig = Rig::answering(answer.leak()).await;
        let got = rig.send(get("")).await;
        let text = got.text.to_lowercase();
        assert!(
            text.starts_with(&format!("http/1.1 {}\r\n", status.to_lowercase())),
            "{text}"
        );
        assert!(
            text.contains(&format!("\r\n{}\r\n", header.to_lowercase())),
            "{text}"
        );
        assert!(got.whole && text.ends_with("\r\n\r\nbody"), "{text}");
        assert_eq!(rig.upstream().matches("GET ").count(), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_names_no_other_host() {
    let rig = Rig::answering(
        "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let got = rig.send(get("")).await;
    assert!(got.text.starts_with("HTTP/1.1 302 "), "{}", got.text);
    assert!(
        !got.text.contains("169.254") && !got.text.to_lowercase().contains("cookie"),
        "{}",
        got.text
    );
    assert_eq!(rig.upstream().matches("GET ").count(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_offline() {
    let mut rig = Rig::new().await;
    rig.server.shutdown().await;
    let got = rig.send(get("")).await;
    assert!(
        got.text.starts_with("HTTP/1.1 503 ") && got.text.contains("target_offline"),
        "{}",
        got.text
    );
    assert_eq!(rig.joined().1.reason, "target_offline");
}

#[tokio::test]
async fn g7_without_room_for_the_intent_nothing_is_forwarded() {
    let rig = Rig::new().await;
    let options = crate::audit::Options {
        dir: rig.world.dir.path().join("small"),
        max_bytes: 200,
        ..crate::testing::options(&rig.world.dir)
    };
    let audit = crate::audit::Audit::open(&options, rig.world.clock.clone()).unwrap();
    let (near, far) = duplex(64 << 10);
    let kube = Arc::new(Kube {
        upstream: load_again(&rig),
        audit,
        sessions: rig.world.table.clone(),
        clock: rig.world.clock.clone(),
    });
    let serving = kube.serve(
        far,
        BytesMut::new(),
        End::default(),
        rig.errand(Purpose::CarryOut),
    );
    let client = async {
        let mut near = near;
        near.write_all(get("").as_bytes()).await.unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let ((), answer) = tokio::join!(serving, client);
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("audit_unavailable"),
        "{answer}"
    );
    assert_eq!(rig.upstream(), "");
}

/// The same server, through a pool of its own.
fn load_again(rig: &Rig) -> Upstream {
    let dir = rig.world.dir.path();
    let kubernetes = Kubernetes::Direct {
        server: "https://127.0.0.1:1".to_owned(),
        ca_file: dir.join("ca"),
        credentials: Credentials::Token {
            file: dir.join("token"),
        },
    };
    load(&kubernetes, 1).unwrap()
}
