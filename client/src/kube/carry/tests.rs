use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hyper::service::service_fn;
use parking_lot::Mutex;
use tokio::io::DuplexStream;
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
    pub(crate) refusal: Mutex<Option<Failure>>,
}

impl FakeCluster {
    pub(crate) fn new(tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            tasks,
            opened: AtomicUsize::new(0),
            complete: Arc::default(),
            ended: CancellationToken::new(),
            refusal: Mutex::new(None),
        })
    }

    async fn serve(io: DuplexStream, ended: CancellationToken) {
        let answer = service_fn(|request: Request<Incoming>| async move {
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
            Ok::<_, hyper::Error>(Response::new(body))
        });
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(io), answer)
            .await;
        ended.cancel();
    }
}

impl Streams for FakeCluster {
    fn open<'a>(&'a self, _: &'a Entitled) -> BoxFuture<'a, Result<Opened, Failure>> {
        Box::pin(async {
            self.opened.fetch_add(1, Ordering::SeqCst);
            if let Some(failure) = self.refusal.lock().clone() {
                return Err(failure);
            }
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            self.tasks.spawn(Self::serve(theirs, self.ended.clone()));
            let complete = self.complete.clone();
            Ok(Opened {
                io: Box::new(ours),
                body_complete: Box::new(move || complete.store(true, Ordering::SeqCst)),
                over: CancellationToken::new(),
            })
        })
    }

    fn refused(&self, _: &Name, _: Reason) {}
}
