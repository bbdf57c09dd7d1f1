//! F35: the API server is killed or restarts. F40: a client sends a byte now and then.

use super::upgrades::{POD, SWITCH, web_socket};
use super::*;

fn exec() -> String {
    web_socket(&format!("{POD}/exec?command=sh"))
}

#[tokio::test]
async fn f35_an_exec_ends_with_the_reason_when_the_api_server_is_killed() {
    let mut rig = Rig::answering(SWITCH).await;
    let mut tasks = JoinSet::new();
    let (mut near, end) = rig.open(&mut tasks);
    near.write_all(exec().as_bytes()).await.unwrap();
    read_until(&mut near, "\r\n\r\n").await;
    rig.server.shutdown().await;
    let mut rest = Vec::new();
    near.read_to_end(&mut rest).await.unwrap();
    drop(near);
    tasks.join_all().await;
    assert!(!end.0.load(Ordering::SeqCst), "it looks whole");
    assert_eq!(rig.joined().1.reason, "target_offline");
}

#[tokio::test]
async fn f35_a_watch_ends_in_order_with_the_api_server_and_is_cut_off_when_that_is_killed() {
    let event = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n";
    let last = format!("{event}0\r\n\r\n");
    let rig = Rig::answering(last.leak()).await;
    let got = rig.send(get("")).await;
    assert!(got.whole && got.text.contains("event"), "{}", got.text);
    assert_eq!(rig.joined().1.reason, "");

    let mut rig = Rig::answering(event).await;
    let mut tasks = JoinSet::new();
    let (mut near, end) = rig.open(&mut tasks);
    near.write_all(get("").as_bytes()).await.unwrap();
    read_until(&mut near, "event\r\n").await;
    rig.server.shutdown().await;
    let mut rest = Vec::new();
    near.read_to_end(&mut rest).await.unwrap();
    tasks.join_all().await;
    assert!(!end.0.load(Ordering::SeqCst), "it looks whole");
    assert_eq!(rig.joined().1.reason, "target_offline");
}

#[tokio::test]
async fn f35_requests_are_refused_while_the_api_server_is_away_and_the_first_one_after_it_is_answered()
 {
    let mut rig = Rig::new().await;
    rig.is_answered().await;
    rig.server.shutdown().await;
    for _ in 0..3 {
        let got = rig.send(get("")).await;
        assert!(got.text.starts_with("HTTP/1.1 503 "), "{}", got.text);
        assert!(got.text.contains("target_offline"), "{}", got.text);
    }
    rig.serve_on().await;
    rig.is_answered().await;
    // A restart between two requests: what the pool has is not good any more.
    rig.server.shutdown().await;
    rig.serve_on().await;
    rig.is_answered().await;
}

/// How many send at once. On the one thread of a test: whoever held it would hold up all of them.
const AT_ONCE: usize = 16;
/// A byte comes so seldom.
const SELDOM: Duration = Duration::from_mins(10);

/// Opens streams that have sent `head`, which the server has.
async fn slow(rig: &Rig, tasks: &mut JoinSet<()>, head: &str) -> Vec<(DuplexStream, End)> {
    let mut streams = Vec::new();
    for _ in 0..AT_ONCE {
        let (mut near, end) = rig.open(tasks);
        near.write_all(head.as_bytes()).await.unwrap();
        streams.push((near, end));
    }
    while rig.seen.connections.lock().len() < AT_ONCE {
        tokio::task::yield_now().await;
    }
    streams
}

/// Sends a byte on each stream, and the next one long after it. Each deadline that there were would pass meanwhile.
async fn trickle(streams: &mut [(DuplexStream, End)], bytes: &str) {
    tokio::time::pause();
    for byte in bytes.bytes() {
        tokio::time::advance(SELDOM).await;
        for (near, _) in &mut *streams {
            near.write_all(&[byte]).await.unwrap();
        }
    }
    tokio::time::resume();
}

#[tokio::test]
async fn f40_uploads_of_a_byte_now_and_then_are_kept_alive() {
    let rig = Rig::new().await;
    let mut tasks = JoinSet::new();
    let body = "{\"kind\":\"ConfigMap\"}";
    let head = format!(
        "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: adit\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut streams = slow(&rig, &mut tasks, &head).await;
    trickle(&mut streams, body).await;
    for (mut near, end) in streams {
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(end.0.load(Ordering::SeqCst));
    }
    tasks.join_all().await;
    assert_eq!(rig.upstream().matches(body).count(), AT_ONCE);
}

#[tokio::test]
async fn f40_port_forwards_that_carry_a_byte_now_and_then_are_kept_alive() {
    let rig = Rig::answering(SWITCH).await;
    let mut tasks = JoinSet::new();
    let head = web_socket(&format!("{POD}/portforward"));
    let mut streams = slow(&rig, &mut tasks, &head).await;
    for (near, _) in &mut streams {
        read_until(near, "\r\n\r\n").await;
    }
    let bytes = "ping\r\n\r\n";
    trickle(&mut streams, bytes).await;
    for (mut near, end) in streams {
        read_until(&mut near, "\r\n\r\n").await;
        near.shutdown().await.unwrap();
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        assert!(end.0.load(Ordering::SeqCst));
    }
    tasks.join_all().await;
    assert_eq!(rig.upstream().matches(bytes).count(), AT_ONCE);
}
