//! One stream of a link as an HTTP/1.1 connection with one request.

use std::sync::Arc;
use std::time::Duration;

use adit_policy::KubeStatus;
use adit_proto::Reason;
use adit_transport::stream::StreamEnd;
use bytes::BytesMut;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::exchange::{Call, exchange};
use super::request_line::{self, RequestLineError};
use super::rewound::Rewound;
use super::splice::Splice;
use super::upstream::Upstream;
use crate::audit::{Audit, event};
use crate::clock::Clock;
use crate::session::{Session, Table};

/// How long the header of a request may take, after its stream was opened.
const HEADER: Duration = Duration::from_secs(10);
/// The longest header block, in bytes: the request line at its limit and what a browser or client-go sends beside it.
const HEADER_MAX: usize = 256 << 10;

/// Decides how a stream ends: whole, or reset.
pub trait Ending: Clone + Send + Sync + Unpin + 'static {
    /// All of the answer has been handed over.
    fn complete(&self);
    /// An answer began that has not ended.
    fn incomplete(&self);
    /// Raw bytes from now on: each shutdown is a half-close.
    fn pass_through(&self);
    /// It will be reset, for this reason.
    fn cut_off(&self, reason: Reason);
}

impl Ending for StreamEnd {
    fn complete(&self) {
        self.body_complete();
    }

    fn incomplete(&self) {
        self.body_incomplete();
    }

    fn pass_through(&self) {
        Self::pass_through(self);
    }

    fn cut_off(&self, reason: Reason) {
        self.set_code(reason.code());
    }
}

/// The way to the API server, for sessions whose target it is.
#[derive(Debug)]
pub struct Kube {
    pub(super) upstream: Upstream,
    pub(super) audit: Audit,
    pub(super) sessions: Arc<Table>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Kube {
    /// Joins what a request needs.
    #[must_use]
    pub fn new(
        upstream: Upstream,
        audit: Audit,
        sessions: Arc<Table>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            upstream,
            audit,
            sessions,
            clock,
        }
    }

    /// The API server.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Serves the one request of a stream for a session. `read` is what was read of the stream already.
    ///
    /// # Cancel safety
    /// Dropping it cuts the answer off and cancels the request at the API server.
    pub async fn serve<I, E>(
        self: Arc<Self>,
        mut io: I,
        mut read: BytesMut,
        ending: E,
        session: Arc<Session>,
    ) where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        E: Ending,
    {
        // Until an answer begins there is nothing that could look whole: hyper's own 400 goes out in order.
        ending.complete();
        let target = match timeout(HEADER, request_line::read(&mut io, &mut read)).await {
            Ok(Ok(target)) => target,
            Ok(Err(error)) => return self.refuse_line(io, &session, &error).await,
            Err(_) => return,
        };
        let spliced = Arc::new(Mutex::new(None));
        let service = service_fn(|request| {
            let call = Call {
                kube: self.clone(),
                session: session.clone(),
                ending: ending.clone(),
                spliced: spliced.clone(),
            };
            let target = target.clone();
            ending.incomplete();
            async move { Ok::<_, std::convert::Infallible>(exchange(call, &target, request).await) }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER)
            .max_buf_size(HEADER_MAX)
            .keep_alive(false)
            .serve_connection(TokioIo::new(Rewound::new(read, io)), service)
            .with_upgrades()
            .await;
        let splice: Option<Splice> = spliced.lock().take();
        if let Some(splice) = splice {
            splice.run(&ending).await;
        }
        if let Err(error) = served {
            if error.is_parse() {
                self.note_refusal(&session, &error.to_string());
            }
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a request's stream was cut off"
            );
        }
    }

    fn note_refusal(&self, session: &Session, detail: &str) {
        let reason = Reason::RequestMalformed;
        self.audit
            .note(event::refusal(session.actor(), "request", reason, detail));
    }

    /// Answers what hyper would read otherwise than it was sent.
    async fn refuse_line<I>(&self, mut io: I, session: &Session, error: &RequestLineError)
    where
        I: AsyncWrite + Unpin,
    {
        if matches!(error, RequestLineError::Stream(_)) {
            return;
        }
        self.note_refusal(session, &error.to_string());
        let document = KubeStatus::new(Reason::RequestMalformed, &error.to_string()).to_json();
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{document}",
            KubeStatus::CONTENT_TYPE,
            document.len(),
        );
        // The client may be gone already, and then needs no answer.
        let _ = io.write_all(answer.as_bytes()).await;
        let _ = io.shutdown().await;
    }
}
