//! Bodies that say how they ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::task::AbortHandle;

use super::{Body, BoxError, End};

/// A request's body that tells once it ended in order.
pub(super) struct Ending {
    body: Body,
    end: Option<Arc<dyn End>>,
}

impl Ending {
    pub(super) fn new(body: Body, end: Arc<dyn End>) -> Self {
        let mut this = Self {
            body,
            end: Some(end),
        };
        this.tell_if_ended();
        this
    }

    fn tell_if_ended(&mut self) {
        if self.body.is_end_stream() {
            self.tell();
        }
    }

    fn tell(&mut self) {
        if let Some(end) = self.end.take() {
            end.body_complete();
        }
    }
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.tell(),
            Some(Ok(_)) => self.tell_if_ended(),
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Ends the task that drives a stream, and so the stream.
#[derive(Debug)]
pub(super) struct Guard(AbortHandle);

impl Guard {
    pub(super) fn new(driver: AbortHandle) -> Self {
        Self(driver)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer's body: whoever drops it cancels the request.
#[derive(Debug)]
pub(super) struct Answered {
    body: Incoming,
    _guard: Guard,
}

impl Answered {
    pub(super) fn new(body: Incoming, guard: Guard) -> Self {
        Self {
            body,
            _guard: guard,
        }
    }
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
