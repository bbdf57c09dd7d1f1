//! A small web application: pages, cookies, a WebSocket, events, and who its user is.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Poller, Poll};
use std::thread;

use adit_harness::netns::Host;
use adit_proto::key::PublicKey;
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, COOKIE, HOST, HeaderName, LOCATION, ORIGIN, SET_COOKIE, UPGRADE,
};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::task::TaskTracker;

use super::identity;

/// What a WebSocket's key is joined with (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");

/// An application that runs until the test process ends.
#[derive(Clone)]
pub(super) struct Application(Arc<Inner>);

struct Inner {
    name: &'static str,
    address: SocketAddr,
    /// The cluster's key that it was installed with.
    cluster: Mutex<Option<PublicKey>>,
    /// The last token that came.
    token: Mutex<String>,
    writes: AtomicUsize,
}

impl Application {
    /// Serves it on this host.
    pub(super) fn serve(name: &'static str, host: &Host) -> Result<Self> {
        let listener = host.netns().enter(|| TcpListener::bind("127.0.0.1:0"))??;
        listener.set_nonblocking(true)?;
        let application = Self(Arc::new(Inner {
            name,
            address: listener.local_addr()?,
            cluster: Mutex::new(None),
            token: Mutex::default(),
            writes: AtomicUsize::new(0),
        }));
        let serving = application.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::spawn(move || runtime.block_on(serving.accept(listener)));
        Ok(application)
    }

    /// Where it is.
    pub(super) fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// Gives it the cluster's key to verify by.
    pub(super) fn trust(&self, cluster: PublicKey) {
        *self.0.cluster.lock() = Some(cluster);
    }

    /// The last token that came.
    pub(super) fn token(&self) -> String {
        self.0.token.lock().clone()
    }

    /// How often something was written.
    pub(super) fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    async fn accept(self, listener: TcpListener) {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let tasks = TaskTracker::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (application, sockets) = (self.clone(), tasks.clone());
            tasks.spawn(async move {
                let answer = service_fn(move |request| {
                    let response = application.answer(request, &sockets);
                    async move { Ok::<_, Infallible>(response) }
                });
                // A browser that went away is no error.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .with_upgrades()
                    .await;
            });
        }
    }

    fn answer(&self, mut request: Request<Incoming>, tasks: &TaskTracker) -> Response<Page> {
        let text = |name: &HeaderName| {
            let value = request.headers().get(name);
            let value = value.map(|value| String::from_utf8_lossy(value.as_bytes()));
            value.unwrap_or_default().into_owned()
        };
        let (host, cookie, origin) = (text(&HOST), text(&COOKIE), text(&ORIGIN));
        let token = text(&HeaderName::from_static("adit-identity"));
        self.0.token.lock().clone_from(&token);
        let name = self.0.name;
        let line = format!("{} {}", request.method(), request.uri().path());
        let mut response = Response::new(Page::whole(""));
        match line.as_str() {
            "GET /" => {
                let page = format!("<!doctype html><title>{name}</title><h1>{name}</h1>");
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, "text/html".parse().unwrap());
                *response.body_mut() = Page::whole(&page);
            }
            "GET /who" => {
                let user = self.user(&token);
                let who = json!({"name": name, "user": user, "host": host, "cookie": cookie, "origin": origin});
                *response.body_mut() = Page::whole(&who.to_string());
            }
            "POST /login" => {
                let domain = host.split(':').next().unwrap_or_default();
                *response.status_mut() = StatusCode::SEE_OTHER;
                let headers = response.headers_mut();
                headers.insert(LOCATION, format!("http://{host}/who").parse().unwrap());
                let sid = format!("sid={name}; Domain={domain}; Path=/; HttpOnly");
                headers.insert(SET_COOKIE, sid.parse().unwrap());
            }
            "POST /write" | "GET /write" => {
                self.0.writes.fetch_add(1, Ordering::SeqCst);
            }
            "GET /events" => {
                let kind = "text/event-stream".parse().unwrap();
                response.headers_mut().insert(CONTENT_TYPE, kind);
                *response.body_mut() = Page::endless(&format!("data: {name}\n\n"));
            }
            "GET /socket" => {
                let accept = digest(&SHA1_FOR_LEGACY_USE_ONLY, (text(&KEY) + GUID).as_bytes());
                tasks.spawn(echo(hyper::upgrade::on(&mut request), name));
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                let headers = response.headers_mut();
                headers.insert(CONNECTION, "Upgrade".parse().unwrap());
                headers.insert(UPGRADE, "websocket".parse().unwrap());
                headers.insert(ACCEPT, STANDARD.encode(accept).parse().unwrap());
            }
            _ => *response.status_mut() = StatusCode::NOT_FOUND,
        }
        response
    }

    /// Who asks; the text says why nobody is believed.
    fn user(&self, token: &str) -> String {
        let cluster = self.0.cluster.lock();
        let Some(cluster) = &*cluster else {
            return "no key".to_owned();
        };
        let service = format!("service/prod/{}", self.0.name);
        match identity::verify(token, cluster, &service) {
            Ok(claims) => claims["preferred_username"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }
}

/// Sends each short text back, with the application's name before it.
async fn echo(upgrade: OnUpgrade, name: &str) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket = TokioIo::new(upgraded);
    let mut head = [0; 6];
    while socket.read_exact(&mut head).await.is_ok() && head[0] == 0x81 {
        let mut text = vec![0; usize::from(head[1] & 0x7f)];
        if socket.read_exact(&mut text).await.is_err() {
            return;
        }
        let mask = head[2..].iter().cycle();
        let said: Vec<u8> = text
            .iter()
            .zip(mask)
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        let answer = [name.as_bytes(), b": ", &said].concat();
        let length = u8::try_from(answer.len()).unwrap();
        let frame = [&[0x81, length][..], &answer].concat();
        if socket.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// A body: some bytes, and then its end or nothing for ever.
struct Page {
    bytes: Option<Bytes>,
    endless: bool,
}

impl Page {
    fn whole(text: &str) -> Self {
        let bytes = Some(Bytes::copy_from_slice(text.as_bytes()));
        Self {
            bytes,
            endless: false,
        }
    }

    fn endless(text: &str) -> Self {
        Self {
            endless: true,
            ..Self::whole(text)
        }
    }
}

impl Body for Page {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Poller<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            // Its reader leaves before anything more comes.
            None if self.endless => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}
