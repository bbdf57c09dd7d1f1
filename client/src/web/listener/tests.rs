use std::sync::atomic::Ordering;

use ring::rand::SystemRandom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::names::Names;
use super::*;
use crate::carry::tests::FakeCluster;
use crate::loopback::STRANGERS;

struct Local {
    port: u16,
    host: String,
    cookie: String,
    cluster: Arc<FakeCluster>,
    closing: Closing,
    _scratch: tempfile::TempDir,
}

impl Drop for Local {
    fn drop(&mut self) {
        self.closing.now.cancel();
    }
}

async fn local() -> Local {
    let scratch = tempfile::tempdir().unwrap();
    let bound = place(scratch.path()).bind(&SystemRandom::new()).await;
    let bound = bound.unwrap();
    let port = bound.port();
    let names = Names::load(scratch.path()).unwrap();
    let gate = Arc::new(Gate::new(port, names).unwrap());
    let (tasks, closing) = (TaskTracker::new(), Closing::default());
    let cluster = FakeCluster::new(tasks.clone());
    let service = Arc::new(Service {
        gate: gate.clone(),
        carrier: Carrier::new(cluster.clone(), tasks.clone()),
    });
    tasks.spawn(serve(bound, service, tasks.clone(), closing.clone()));
    let target = "service/prod/wiki".parse().unwrap();
    let invitation = gate.invite(&target, clock::now()).unwrap();
    let host = invitation
        .origin
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let path = invitation.address();
    let path = path.strip_prefix(&invitation.origin).unwrap();
    let mut local = Local {
        port,
        host,
        cookie: String::new(),
        cluster,
        closing,
        _scratch: scratch,
    };
    let entered = local.send(&local.get(path, "")).await;
    assert!(entered.starts_with("HTTP/1.1 303 "), "{entered}");
    let cookie = entered
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    cookie
        .and_then(|cookie| cookie.split(';').next())
        .unwrap()
        .clone_into(&mut local.cookie);
    local
}

impl Local {
    fn get(&self, path: &str, headers: &str) -> String {
        let host = &self.host;
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n")
    }

    async fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn opened(&self) -> usize {
        self.cluster.opened.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_visit_goes_on_with_the_browsers_name_and_without_the_agents_cookie() {
    let local = local().await;
    let headers = format!("Cookie: sid=1; {}\r\n", local.cookie);
    let answer = local.send(&local.get("/a%2Fb?c", &headers)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (_, sent) = answer.split_once("\r\n\r\n").unwrap();
    assert!(sent.contains("GET /a%2Fb?c "), "{sent}");
    assert!(
        sent.contains(&format!("\"host\": \"{}\"", local.host)),
        "{sent}"
    );
    assert!(sent.contains("\"cookie\": \"sid=1\""), "{sent}");
    assert!(!sent.contains("adit-visitor"), "{sent}");
}

#[tokio::test]
async fn l3_l4_who_was_not_let_in_gets_403_without_cors_and_opens_no_stream() {
    let local = local().await;
    let cookie = format!("Cookie: {}\r\n", local.cookie);
    let foreign = local
        .get("/", &cookie)
        .replace(&local.host, &format!("evil.example:{}", local.port));
    for request in [
        local.get("/", ""),
        local.get("/", "Cookie: adit-visitor=x\r\n"),
        local.get("/", &format!("{cookie}Origin: http://evil.example\r\n")),
        foreign,
    ] {
        let answer = local.send(&request).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{request}: {answer}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
    assert_eq!(local.opened(), 0);
}

#[tokio::test]
async fn a_refusal_is_a_page_that_says_what_to_do() {
    let local = local().await;
    let failure = Failure::of(Reason::SignInRequired, "you are not <signed> in");
    *local.cluster.refusal.lock() = Some(failure);
    let cookie = format!("Cookie: {}\r\n", local.cookie);
    let answer = local.send(&local.get("/", &cookie)).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("you are not &lt;signed&gt; in"), "{answer}");
    assert!(answer.contains("adit login"), "{answer}");
}

#[tokio::test]
async fn an_upload_that_its_browser_gives_up_is_not_the_applications_fault() {
    let local = local().await;
    let headers = format!("Cookie: {}\r\nContent-Length: 9\r\n", local.cookie);
    let request = local.get("/", &headers).replacen("GET", "POST", 1) + "half";
    let mut stream = TcpStream::connect(("127.0.0.1", local.port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let ended = local.cluster.ended.cancelled();
    tokio::time::timeout(std::time::Duration::from_secs(10), ended)
        .await
        .unwrap();
    assert_eq!(local.opened(), 1);
    assert_eq!(*local.cluster.unanswered.lock(), []);
}

#[tokio::test]
async fn a_browser_that_was_let_in_keeps_its_connection_when_strangers_come() {
    let local = local().await;
    let headers = format!("Cookie: {}\r\n", local.cookie);
    let request = local
        .get("/", &headers)
        .replace("Connection: close\r\n", "");
    let mut known = TcpStream::connect(("127.0.0.1", local.port)).await.unwrap();
    let mut status = [0; 13];
    known.write_all(request.as_bytes()).await.unwrap();
    known.read_exact(&mut status).await.unwrap();
    let mut strangers = Vec::new();
    for _ in 0..=STRANGERS {
        strangers.push(TcpStream::connect(("127.0.0.1", local.port)).await.unwrap());
    }
    let mut byte = [0];
    let turned_out = strangers[0].read(&mut byte);
    let turned_out = tokio::time::timeout(std::time::Duration::from_secs(10), turned_out).await;
    assert!(matches!(turned_out, Ok(Ok(0) | Err(_))));
    let request = request.replace("GET / ", "GET /last ");
    let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    known.write_all(request.as_bytes()).await.unwrap();
    let mut answers = String::new();
    known.read_to_string(&mut answers).await.unwrap();
    assert!(answers.contains("GET /last "), "{answers}");
}
