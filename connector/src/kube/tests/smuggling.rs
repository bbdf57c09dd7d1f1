use super::*;

/// A second request that must never be seen.
const HIDDEN: &str = "GET /api/v1/secrets HTTP/1.1\r\nHost: adit\r\n\r\n";

fn post(headers: &str, body: &str) -> String {
    format!(
        "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: adit\r\n{headers}\r\n{body}"
    )
}

/// One request or a refusal: the server never sees a second one, nor the framing that hides it.
async fn at_most_one(request: &str) {
    let rig = Rig::new().await;
    let got = rig.send(request).await;
    let upstream = rig.upstream();
    assert!(
        upstream.matches(" HTTP/1.1\r\n").count() <= 1,
        "{request:?}: {upstream}"
    );
    assert!(
        !upstream.contains("GET /api/v1/secrets HTTP"),
        "{request:?}: {upstream}"
    );
    let head = upstream
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .to_ascii_lowercase();
    let framings =
        head.matches("content-length").count() + head.matches("transfer-encoding").count();
    assert!(framings <= 1, "{request:?}: {upstream}");
    assert_eq!(
        got.text.matches("HTTP/1.1 ").count(),
        1,
        "{request:?}: {}",
        got.text
    );
}

#[tokio::test]
async fn k17_a_request_behind_another_is_never_sent() {
    at_most_one(&format!("{}{HIDDEN}", get(""))).await;
    at_most_one(&format!("{}{HIDDEN}", get("Connection: keep-alive\r\n"))).await;
    at_most_one(&format!("{}{HIDDEN}", get("Content-Length: 0\r\n"))).await;
}

#[tokio::test]
async fn k17_length_and_chunks_together_are_one_request() {
    let chunks = format!("0\r\n\r\n{HIDDEN}");
    for headers in [
        format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
            chunks.len()
        ),
        format!(
            "Transfer-Encoding: chunked\r\nContent-Length: {}\r\n",
            chunks.len()
        ),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: identity, chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked, chunked\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n".to_owned(),
        "Transfer-Encoding:\tchunked\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
    ] {
        at_most_one(&post(&headers, &chunks)).await;
    }
}

#[tokio::test]
async fn k17_lengths_that_differ_or_are_no_numbers_are_refused() {
    for headers in [
        "Content-Length: 0\r\nContent-Length: 50\r\n",
        "Content-Length: 0, 50\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 99999999999999999999\r\n",
    ] {
        let rig = Rig::new().await;
        let got = rig.send(post(headers, &format!("hello{HIDDEN}"))).await;
        assert!(
            got.text.starts_with("HTTP/1.1 400 "),
            "{headers}: {}",
            got.text
        );
        assert_eq!(rig.upstream(), "", "{headers}");
    }
}

#[tokio::test]
async fn k17_broken_chunks_are_cut_off() {
    for body in [
        "5\nhello\n0\n\n",
        "5;a=b\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello",
        "5\r\nhelloX0\r\n\r\n",
        "zz\r\n",
    ] {
        let rig = Rig::new().await;
        let request = post("Transfer-Encoding: chunked\r\n", &format!("{body}{HIDDEN}"));
        let mut tasks = JoinSet::new();
        let (mut near, _) = rig.open(&mut tasks);
        near.write_all(request.as_bytes()).await.unwrap();
        near.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = near.read_to_end(&mut answer).await;
        let upstream = rig.upstream();
        assert!(
            !upstream.contains("/api/v1/secrets HTTP"),
            "{body:?}: {upstream}"
        );
        assert!(
            upstream.matches(" HTTP/1.1\r\n").count() <= 1,
            "{body:?}: {upstream}"
        );
    }
}

#[tokio::test]
async fn k17_old_versions_and_expectations_are_one_request_or_none() {
    let old = post(
        "Transfer-Encoding: chunked\r\n",
        &format!("0\r\n\r\n{HIDDEN}"),
    )
    .replace("HTTP/1.1\r\nHost", "HTTP/1.0\r\nHost");
    let rig = Rig::new().await;
    let got = rig.send(old).await;
    assert!(got.text.starts_with("HTTP/1.1 400 "), "{}", got.text);
    assert_eq!(rig.upstream(), "");
    let rig = Rig::new().await;
    let got = rig
        .send(post("Expect: 100-continue\r\nContent-Length: 2\r\n", "{}"))
        .await;
    assert!(got.text.contains("HTTP/1.1 200 OK"), "{}", got.text);
    assert!(
        !rig.upstream().to_ascii_lowercase().contains("expect"),
        "{}",
        rig.upstream()
    );
    at_most_one(&format!("\r\n\r\n{}{HIDDEN}", get(""))).await;
    at_most_one(&format!("{HIDDEN}X").replace("GET /api/v1/secrets", "GET /api/v1/pods")).await;
}
