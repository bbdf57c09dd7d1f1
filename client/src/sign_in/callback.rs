//! Where the browser comes back to: one loopback port, one path, one use.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::exit::Failure;
use crate::loopback::page;
use crate::random;

/// How long a request's head may take. It comes from this machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the browser may take to fetch its answer once the code is there.
const FAREWELL: Duration = Duration::from_secs(2);
/// Connections at once: browsers open a few ahead of time.
const CONNECTIONS: usize = 32;

/// A listener that waits for one code.
#[derive(Debug)]
pub(super) struct Callback {
    listener: TcpListener,
    port: u16,
    state: String,
}

#[derive(Debug)]
struct Waiting {
    authority: String,
    state: String,
    code: Mutex<Option<oneshot::Sender<String>>>,
}

impl Callback {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port or no randomness.
    pub(super) async fn listen() -> Result<Self, Failure> {
        let failed =
            |error| Failure::new(format!("no port for the sign-in can be opened: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let state = random::text::<16>()?;
        Ok(Self {
            listener,
            port,
            state,
        })
    }

    /// The address that the page goes back to.
    #[must_use]
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/callback", self.port)
    }

    /// What the browser must bring along; the gateway passes it on.
    #[must_use]
    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// Waits for the code. What comes without the right state, to another name or a second time is refused.
    ///
    /// # Cancel safety
    /// Dropping it closes the port.
    pub(super) async fn code(self) -> Result<String, Failure> {
        let (sender, mut receiver) = oneshot::channel();
        let waiting = Arc::new(Waiting {
            authority: format!("127.0.0.1:{}", self.port),
            state: self.state,
            code: Mutex::new(Some(sender)),
        });
        let mut connections = JoinSet::new();
        let code = loop {
            let room = connections.len() < CONNECTIONS;
            tokio::select! {
                accepted = self.listener.accept(), if room => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(serve(stream, waiting.clone()));
                    }
                }
                Some(_) = connections.join_next() => {}
                code = &mut receiver => break code,
            }
        };
        drop(self.listener);
        // The browser still has to read its page; connections that it opened ahead of time end with this.
        let farewell = async { while connections.join_next().await.is_some() {} };
        if timeout(FAREWELL, farewell).await.is_err() {
            connections.abort_all();
        }
        code.map_err(|_| Failure::new("the sign-in was given up"))
    }
}

async fn serve(stream: TcpStream, waiting: Arc<Waiting>) {
    let answer = service_fn(move |request| {
        let response = waiting.answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "A browser's connection ended early.");
    }
}

impl Waiting {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
        if host != Some(self.authority.as_bytes()) {
            return page(StatusCode::FORBIDDEN, "This address is not for web pages.");
        }
        if request.method() != Method::GET || request.uri().path() != "/callback" {
            return page(StatusCode::NOT_FOUND, "There is nothing here.");
        }
        let query = request.uri().query().unwrap_or_default();
        let value = |name: &str| {
            let mut found = url::form_urlencoded::parse(query.as_bytes())
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned());
            // Given twice is not given.
            found.next().filter(|_| found.next().is_none())
        };
        let (Some(code), Some(state)) = (value("code"), value("state")) else {
            return page(StatusCode::FORBIDDEN, "This is not the end of a sign-in.");
        };
        let ours = state.as_bytes().ct_eq(self.state.as_bytes());
        if !bool::from(ours) {
            return page(
                StatusCode::FORBIDDEN,
                "This sign-in was not begun on this machine.",
            );
        }
        match self.code.lock().take().map(|sender| sender.send(code)) {
            Some(Ok(())) => page(
                StatusCode::OK,
                "Done here. Go back to the terminal; this page can be closed.",
            ),
            Some(Err(_)) | None => page(StatusCode::GONE, "This sign-in has ended already."),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn get(port: u16, host: &str, path: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
            return "refused".to_owned();
        };
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap_or("refused").to_owned()
    }

    #[tokio::test]
    async fn l8_only_the_right_state_ends_a_sign_in_and_only_once() {
        let callback = Callback::listen().await.unwrap();
        let (port, state) = (callback.port, callback.state().to_owned());
        assert_eq!(callback.url(), format!("http://127.0.0.1:{port}/callback"));
        let mut tasks = JoinSet::new();
        tasks.spawn(callback.code());
        let host = format!("127.0.0.1:{port}");
        for (path, status) in [
            ("/callback".to_owned(), "403"),
            ("/callback?code=a".to_owned(), "403"),
            ("/callback?code=a&state=".to_owned(), "403"),
            (format!("/callback?code=a&state={state}x"), "403"),
            (format!("/callback?code=a&code=b&state={state}"), "403"),
            (format!("/other?code=a&state={state}"), "404"),
        ] {
            assert_eq!(get(port, &host, &path).await, status, "{path}");
        }
        let right = format!("/callback?code=right&state={state}");
        for name in ["evil.example", &format!("localhost:{port}")] {
            assert_eq!(get(port, name, &right).await, "403", "{name}");
        }
        assert_eq!(get(port, &host, &right).await, "200");
        assert_eq!(tasks.join_next().await.unwrap().unwrap().unwrap(), "right");
        assert_eq!(
            get(port, &host, &right).await,
            "refused",
            "a second callback"
        );
    }
}
