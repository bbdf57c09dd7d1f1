//! The answer on its way to the browser: streamed from the application, or a few words of our own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use adit_proto::Reason;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::request_body::RequestBody;
use crate::h1::{AnswerBody, Ending};
use crate::metered::Metered;
use crate::service::{Counter, Tally};

/// The type of our own words. They are text, whatever a request puts into them.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// A connection to an application.
pub(super) type Io = TokioIo<Metered<TcpStream, Counter>>;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Answer<E: Ending> {
    /// Words of our own, until they are handed over.
    Words(Option<Bytes>),
    /// Nothing: raw bytes follow.
    Switched,
    /// What the application sends.
    Application {
        body: AnswerBody<Io, RequestBody>,
        ending: E,
        tally: Tally,
    },
}

/// What somebody is told whose request was not carried.
pub(super) fn words(reason: Reason, sentence: &str) -> String {
    format!("{sentence} ({reason})\n{}\n", reason.repair())
}

/// Makes an answer of our own.
pub(super) fn refusal<E: Ending>(
    reason: Reason,
    sentence: &str,
    ending: &E,
) -> Response<Answer<E>> {
    // Its length is stated, so that a part of it does not look whole; and nobody reads the body of an answer to HEAD.
    ending.complete();
    let mut response = Response::new(Answer::Words(Some(words(reason, sentence).into())));
    *response.status_mut() =
        StatusCode::from_u16(reason.http_status()).unwrap_or(StatusCode::FORBIDDEN);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
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
    /// Passes on what the application answers.
    pub(super) fn application(
        body: AnswerBody<Io, RequestBody>,
        ending: E,
        mut tally: Tally,
    ) -> Self {
        // hyper does not ask further once a body says that it has ended.
        if body.is_end_stream() {
            ending.complete();
            tally.whole(true);
        }
        Self::Application {
            body,
            ending,
            tally,
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
        let (body, ending, tally) = match self.get_mut() {
            Self::Words(words) => {
                return Poll::Ready(words.take().map(|words| Ok(Frame::data(words))));
            }
            Self::Switched => return Poll::Ready(None),
            Self::Application {
                body,
                ending,
                tally,
            } => (body, ending, tally),
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        match &frame {
            Some(Err(_)) => {
                ending.cut_off(Reason::TargetOffline);
                tally.failed(Reason::TargetOffline);
            }
            Some(Ok(_)) if !body.is_end_stream() => {}
            Some(Ok(_)) | None => {
                ending.complete();
                tally.whole(true);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Words(words) => words.is_none(),
            Self::Switched => true,
            Self::Application { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Words(words) => {
                SizeHint::with_exact(words.as_ref().map_or(0, |words| words.len() as u64))
            }
            Self::Switched => SizeHint::with_exact(0),
            Self::Application { body, .. } => body.size_hint(),
        }
    }
}
