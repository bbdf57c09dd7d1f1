use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use adit_proto::explained;
use adit_proto::wire::link::Explained;
use hyper::service::service_fn;
use parking_lot::Mutex;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio_util::sync::CancellationToken;

use super::*;

/// A cluster that answers with the request's line and headers, or refuses as it is told.
pub(crate) struct FakeCluster {
    pub(crate) tasks: TaskTracker,
    /// Counts the streams that were opened.
    pub(crate) opened: AtomicUsize,
    /// Whether the last request was handed over in order.
    pub(crate) complete: Arc<AtomicBool>,
    /// Cancelled when the stream of an endless answer ends.
    pub(crate) ended: CancellationToken,
    /// How much of the bodies of `/slow` was read, in bytes.
    pub(crate) received: Arc<AtomicUsize>,
    pub(crate) refusal: Mutex<Option<Failure>>,
    /// The kinds of the streams that were opened.
    pub(crate) kinds: Mutex<Vec<Kind>>,
    /// Why streams ended before they were answered.
    pub(crate) unanswered: Mutex<Vec<Reason>>,
}

/// A change to the protocol that was asked for; what was asked stands in a header.
fn switch(request: &Request<Incoming>) -> Response<Body> {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade, close")
        .header("upgrade", &request.headers()["upgrade"])
        .header(
            "x-asked",
            format!("{} {:?}", request.method(), request.headers()),
        )
        .body(body)
        .unwrap()
}

/// A refusal before anything of the body was read.
fn full() -> Response<Body> {
    let body = http_body_util::Full::from("too large").map_err(|never| match never {});
    Response::builder()
        .status(StatusCode::PAYLOAD_TOO_LARGE)
        .body(body.boxed_unsync())
        .unwrap()
}

/// Reads a body, and lets everybody else do what they can before each piece of it.
async fn read_slowly(body: &mut Incoming, received: &AtomicUsize) -> Result<(), hyper::Error> {
    while let Some(frame) = body.frame().await {
        let read = frame?.data_ref().map_or(0, Bytes::len);
        received.fetch_add(read, Ordering::SeqCst);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Sends back what comes, and says goodbye when that has ended.
async fn echo(on: OnUpgrade) {
    let (mut read, mut write) = tokio::io::split(TokioIo::new(on.await.unwrap()));
    if tokio::io::copy(&mut read, &mut write).await.is_ok() {
        let _ = write.write_all(b" bye").await;
        let _ = write.shutdown().await;
    }
}

impl FakeCluster {
    pub(crate) fn new(tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            tasks,
            opened: AtomicUsize::new(0),
            complete: Arc::default(),
            ended: CancellationToken::new(),
            received: Arc::default(),
            refusal: Mutex::new(None),
            kinds: Mutex::default(),
            unanswered: Mutex::default(),
        })
    }

    async fn serve(io: DuplexStream, ended: CancellationToken, received: Arc<AtomicUsize>) {
        let tasks = TaskTracker::new();
        let answer = service_fn(|mut request: Request<Incoming>| {
            if request.uri().path() == "/switch" {
                tasks.spawn(echo(hyper::upgrade::on(&mut request)));
            }
            let received = received.clone();
            async move {
                match request.uri().path() {
                    "/switch" => return Ok(switch(&request)),
                    "/full" => return Ok(full()),
                    "/slow" => read_slowly(request.body_mut(), &received).await?,
                    _ => {}
                }
                let told = explained::to_header(&Explained {
                    policy_number: 3,
                    carried_out: request.method() == http::Method::GET,
                    ..Explained::default()
                });
                let tells = request.uri().path() == "/told";
                let endless = request.uri().path() == "/endless";
                let head = format!(
                    "{} {} {:?}",
                    request.method(),
                    request.uri(),
                    request.headers()
                );
                let body = request.into_body().collect().await?.to_bytes();
                let text = Bytes::from(format!("{head}\n{}", String::from_utf8_lossy(&body)));
                let body: Body = if endless {
                    let never = futures_util::stream::pending();
                    http_body_util::StreamBody::new(never).boxed_unsync()
                } else {
                    http_body_util::Full::new(text)
                        .map_err(|never| match never {})
                        .boxed_unsync()
                };
                let mut response = Response::new(body);
                if tells {
                    let told = told.parse().unwrap();
                    response.headers_mut().insert(explained::HEADER, told);
                }
                Ok::<_, hyper::Error>(response)
            }
        });
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(io), answer)
            .with_upgrades()
            .await;
        tasks.close();
        tasks.wait().await;
        ended.cancel();
    }
}

struct Complete(Arc<AtomicBool>);

impl End for Complete {
    fn body_complete(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn pass_through(&self) {}
}

impl Streams for FakeCluster {
    fn open<'a>(&'a self, passage: &'a dyn Passage) -> BoxFuture<'a, Result<Opened, Failure>> {
        Box::pin(async {
            self.kinds.lock().push(passage.kind());
            self.opened.fetch_add(1, Ordering::SeqCst);
            if let Some(failure) = self.refusal.lock().clone() {
                return Err(failure);
            }
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            let received = self.received.clone();
            let serving = Self::serve(theirs, self.ended.clone(), received);
            self.tasks.spawn(serving);
            let complete = self.complete.clone();
            Ok(Opened {
                io: Box::new(ours),
                end: Arc::new(Complete(complete)),
                over: CancellationToken::new(),
            })
        })
    }

    fn given_up(&self) -> BoxFuture<'_, Failure> {
        Box::pin(std::future::pending())
    }

    fn refused(&self, _: &Target, reason: Reason) {
        self.unanswered.lock().push(reason);
    }
}
