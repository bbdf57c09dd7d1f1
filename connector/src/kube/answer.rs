//! The answer on its way to the client: streamed from the API server or a `Status` of our own, with its outcome in
//! the audit log however it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use adit_policy::KubeStatus;
use adit_proto::Reason;
use adit_proto::wire::audit::RequestOutcome;
use adit_proto::wire::audit::record::Event;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::request_body::Received;
use super::upstream::UpstreamBody;
use crate::audit::Audit;
use crate::h1::Ending;
use crate::session::Session;

/// Records what became of a request when it is dropped, so that a cancelled one has an outcome too.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) audit: Audit,
    pub(super) session: Arc<Session>,
    pub(super) begun: Instant,
    pub(super) received: Arc<Received>,
    pub(super) event: RequestOutcome,
    pub(super) whole: bool,
}

impl Drop for Outcome {
    fn drop(&mut self) {
        let mut event = std::mem::take(&mut self.event);
        if !self.whole && event.reason.is_empty() {
            self.session.cut().clone_into(&mut event.reason);
        }
        event.took_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        event.received_bytes = self.received.bytes.load(Ordering::Relaxed);
        self.audit.note(Event::RequestOutcome(event));
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Answer<E: Ending> {
    /// A `Status` of our own, until it is handed over.
    Status(Option<Bytes>),
    /// Nothing: raw bytes follow.
    Switched,
    /// What the API server sends.
    Upstream {
        incoming: UpstreamBody,
        ending: E,
        outcome: Outcome,
        /// Frees a connection to the API server.
        _slot: OwnedSemaphorePermit,
    },
}

/// Makes an answer of our own.
pub(super) fn status<E: Ending>(status: &KubeStatus, ending: &E) -> Response<Answer<E>> {
    let code = StatusCode::from_u16(status.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    own(code, status.to_json(), ending)
}

/// Makes an answer of our own from a `Status` in JSON.
pub(super) fn own<E: Ending>(
    code: StatusCode,
    document: String,
    ending: &E,
) -> Response<Answer<E>> {
    // Its length is stated, so that a part of it does not look whole; and nobody reads the body of an answer to HEAD.
    ending.complete();
    let mut response = Response::new(Answer::Status(Some(document.into())));
    *response.status_mut() = code;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static(KubeStatus::CONTENT_TYPE),
    );
    response
}

/// Makes a 101, after which the stream is raw bytes.
pub(super) fn switched<E: Ending>(headers: HeaderMap) -> Response<Answer<E>> {
    let mut response = Response::new(Answer::Switched);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    response
}

impl<E: Ending> Answer<E> {
    /// Passes on what the API server answers.
    pub(super) fn upstream(
        incoming: UpstreamBody,
        ending: E,
        outcome: Outcome,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let mut answer = Self::Upstream {
            incoming,
            ending,
            outcome,
            _slot: slot,
        };
        answer.note_end();
        answer
    }

    /// hyper does not ask further once a body says that it has ended: this is the only moment to see it.
    fn note_end(&mut self) {
        if let Self::Upstream {
            incoming,
            ending,
            outcome,
            ..
        } = self
            && incoming.is_end_stream()
        {
            outcome.whole = true;
            ending.complete();
        }
    }
}

impl<E: Ending> Body for Answer<E> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let (incoming, ending, outcome) = match this {
            Self::Status(document) => {
                return Poll::Ready(document.take().map(|document| Ok(Frame::data(document))));
            }
            Self::Switched => return Poll::Ready(None),
            Self::Upstream {
                incoming,
                ending,
                outcome,
                ..
            } => (incoming, ending, outcome),
        };
        match ready!(Pin::new(incoming).poll_frame(cx)) {
            None => {
                outcome.whole = true;
                ending.complete();
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                ending.cut_off(Reason::TargetOffline);
                Reason::TargetOffline
                    .as_str()
                    .clone_into(&mut outcome.event.reason);
                Poll::Ready(Some(Err(error)))
            }
            Some(Ok(frame)) => {
                let sent = frame.data_ref().map_or(0, Bytes::len);
                outcome.event.sent_bytes += sent as u64;
                this.note_end();
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Status(document) => document.is_none(),
            Self::Switched => true,
            Self::Upstream { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Status(document) => SizeHint::with_exact(
                document
                    .as_ref()
                    .map_or(0, |document| document.len() as u64),
            ),
            Self::Switched => SizeHint::with_exact(0),
            Self::Upstream { incoming, .. } => incoming.size_hint(),
        }
    }
}
