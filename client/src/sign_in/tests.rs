use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use super::*;
use crate::api::Answer;
use crate::flight::Flights;

/// A gateway that names `url` as its page, and counts what it is asked.
struct FakeGateway {
    url: String,
    /// Path and body of each request.
    asked: Mutex<Vec<(String, Value)>>,
}

impl FakeGateway {
    fn new(url: &str) -> Arc<Self> {
        Arc::new(Self {
            url: url.to_owned(),
            asked: Mutex::default(),
        })
    }

    fn begun(&self) -> Option<Value> {
        let asked = self.asked.lock();
        asked
            .iter()
            .find(|(path, _)| path == "/v1/sign-ins")
            .map(|(_, body)| body.clone())
    }
}

impl Api for FakeGateway {
    fn send<'a>(
        &'a self,
        _: Method,
        path: &'a str,
        body: Option<Value>,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        self.asked
            .lock()
            .push((path.to_owned(), body.unwrap_or_default()));
        let answer = if path == "/v1/sign-ins/sgn_1" {
            json!({"answered": true})
        } else if path == "/v1/sign-ins" {
            let expires = clock::now().after(Duration::from_mins(5)).0;
            json!({"sign_in_id": "sgn_1", "url": self.url, "matching_code": "AB\u{1b}12", "expires_ms": expires})
        } else {
            json!({"sign_in": {"id": "sgn_1", "expires_ms": 5, "passkey_id": "psk_1"}})
        };
        let body = Bytes::from(answer.to_string());
        Box::pin(async {
            Ok(Answer {
                status: StatusCode::OK,
                body,
            })
        })
    }
}

const PAGE: &str = "https://gw.example.org/ceremony/abc";

fn caller(browser: &Path) -> Caller {
    let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    let browser = ("BROWSER".to_owned(), browser.display().to_string());
    Caller {
        interactive: true,
        environment: [path, browser].into(),
    }
}

/// A browser that appends the file that it is given to `opened`.
fn browser(scratch: &Path) -> std::path::PathBuf {
    use std::os::unix::fs::OpenOptionsExt;
    let program = scratch.join("browser");
    let opened = scratch.join("opened");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o700)
        .open(&program)
        .unwrap();
    write!(
        file,
        "#!/bin/sh\n[ $# = 1 ] && cat \"$1\" >>{}\n",
        opened.display()
    )
    .unwrap();
    program
}

async fn until<T>(mut check: impl FnMut() -> Option<T>) -> T {
    let look = async {
        loop {
            if let Some(found) = check() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), look).await.unwrap()
}

/// What the page does in the end: it goes back to the agent.
async fn go_back(begun: &Value) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let url = url::Url::parse(begun["callback"].as_str().unwrap()).unwrap();
    let port = url.port().unwrap();
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let state = begun["state"].as_str().unwrap();
    let head =
        format!("GET /callback?code=c0de&state={state} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn forty_that_start_while_signed_out_open_one_page_and_all_go_on() {
    let scratch = tempfile::tempdir().unwrap();
    let caller = Arc::new(caller(&browser(scratch.path())));
    let gateway = FakeGateway::new(PAGE);
    let flights = Arc::new(Flights::new(TaskTracker::new()));
    let talk = Talk::default();
    let forty: Vec<_> = (0..40)
        .map(|_| {
            let (gateway, caller, talk) = (gateway.clone(), caller.clone(), talk.clone());
            let directory = scratch.path().to_owned();
            flights.join((), move || async move {
                let origins = ["https://gw.example.org".to_owned()];
                let wanted = Wanted {
                    origins: &origins,
                    caller: &caller,
                    directory: &directory,
                    browser: Browser::Here,
                };
                sign_in(gateway.as_ref(), &wanted, &talk).await
            })
        })
        .collect();
    let page = async {
        let opened = until(|| {
            std::fs::read_to_string(scratch.path().join("opened"))
                .ok()
                .filter(|text| text.contains(PAGE))
        })
        .await;
        go_back(&gateway.begun().unwrap()).await;
        opened
    };
    let (landed, opened) = tokio::join!(futures_util::future::join_all(forty), page);
    assert!(
        landed
            .into_iter()
            .all(|one| one.unwrap().unwrap().id == "sgn_1")
    );
    assert_eq!(opened.matches("<!doctype html>").count(), 1);
    let asked = gateway.asked.lock();
    assert_eq!(asked.len(), 2, "begun once, finished once");
    let (path, body) = &asked[1];
    assert_eq!(
        (path.as_str(), &body["code"]),
        ("/v1/sign-ins/sgn_1/finish", &json!("c0de"))
    );
    let said = talk.listen().rest().join("\n");
    assert!(said.contains("AB12") && !said.contains('\u{1b}'), "{said}");
}

#[tokio::test]
async fn l7_a_hostile_page_is_not_opened_and_nothing_is_finished() {
    let scratch = tempfile::tempdir().unwrap();
    let caller = caller(&browser(scratch.path()));
    for url in [
        "javascript:alert(1)",
        "https://evil.example/",
        "-flag",
        "file:///etc/passwd",
    ] {
        let gateway = FakeGateway::new(url);
        let origins = ["https://gw.example.org".to_owned()];
        let wanted = Wanted {
            origins: &origins,
            caller: &caller,
            directory: scratch.path(),
            browser: Browser::Here,
        };
        assert!(
            sign_in(gateway.as_ref(), &wanted, &Talk::default())
                .await
                .is_err(),
            "{url}"
        );
        assert_eq!(gateway.asked.lock().len(), 1);
        assert!(!scratch.path().join("opened").exists());
    }
}

#[tokio::test]
async fn a_headless_sign_in_shows_address_and_code_and_opens_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let caller = caller(&browser(scratch.path()));
    let origins = ["https://gw.example.org".to_owned()];
    let wanted = |caller| Wanted {
        origins: &origins,
        caller,
        directory: scratch.path(),
        browser: Browser::Elsewhere,
    };
    let (gateway, talk) = (FakeGateway::new(PAGE), Talk::default());
    let signed_in = sign_in(gateway.as_ref(), &wanted(&caller), &talk).await;
    assert_eq!(signed_in.unwrap().id, "sgn_1");
    let said = talk.listen().rest().join("\n");
    assert!(said.contains(PAGE) && said.contains("AB12"), "{said}");
    assert!(!scratch.path().join("opened").exists());
    {
        let asked = gateway.asked.lock();
        let [(_, begin), (wait, _), (finish, proof)] = asked.as_slice() else {
            panic!("{asked:?}");
        };
        assert_eq!(begin["headless"], true);
        assert!(begin.get("callback").is_none() && proof.get("code").is_none());
        assert_eq!(wait, "/v1/sign-ins/sgn_1");
        assert_eq!(finish, "/v1/sign-ins/sgn_1/finish");
    }
    // An address outside the gateway's origins is not shown to anybody.
    let (hostile, talk) = (FakeGateway::new("https://evil.example/x"), Talk::default());
    let refused = sign_in(hostile.as_ref(), &wanted(&caller), &talk).await;
    assert!(refused.is_err() && talk.listen().rest().is_empty());
    let mut software = caller.clone();
    let choice = ("ADIT_AUTHENTICATOR".to_owned(), "software".to_owned());
    software.environment.extend([choice]);
    let untouched = FakeGateway::new(PAGE);
    let refused = sign_in(untouched.as_ref(), &wanted(&software), &Talk::default()).await;
    assert!(refused.is_err() && untouched.asked.lock().is_empty());
}
