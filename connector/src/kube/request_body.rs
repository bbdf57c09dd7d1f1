//! The body of a request on its way to the API server: streamed, counted, without trailers.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use adit_policy::headers::refuse_impersonation;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// Why a body is not passed on. The upstream connection is closed then, so that the API server sees it cut off.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestBodyError {
    /// The client cut it off, or its framing is broken.
    #[error("the request's body was cut off")]
    CutOff(#[source] hyper::Error),
    /// Its trailers ask for another identity.
    #[error("the request's trailers ask for another identity")]
    Impersonation,
}

/// What became of a body, for whoever answers the request.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) bytes: AtomicU64,
    pub(super) impersonates: AtomicBool,
    pub(super) cut_off: AtomicBool,
}

#[derive(Debug)]
pub(super) struct RequestBody {
    incoming: Incoming,
    received: Arc<Received>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming) -> (Self, Arc<Received>) {
        let received = Arc::new(Received::default());
        let body = Self {
            incoming,
            received: received.clone(),
        };
        (body, received)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = self.get_mut();
        loop {
            let polled = Pin::new(&mut this.incoming).poll_frame(cx);
            let frame = match std::task::ready!(polled) {
                None => return Poll::Ready(None),
                Some(Err(error)) => {
                    this.received.cut_off.store(true, Ordering::Release);
                    return Poll::Ready(Some(Err(RequestBodyError::CutOff(error))));
                }
                Some(Ok(frame)) => frame,
            };
            if let Some(data) = frame.data_ref() {
                this.received
                    .bytes
                    .fetch_add(data.len() as u64, Ordering::Relaxed);
                return Poll::Ready(Some(Ok(frame)));
            }
            // The API server reads no trailers: they are dropped, unless they ask for what is refused in a header.
            if frame
                .trailers_ref()
                .is_some_and(|trailers| refuse_impersonation(trailers).is_err())
            {
                this.received.impersonates.store(true, Ordering::Release);
                return Poll::Ready(Some(Err(RequestBodyError::Impersonation)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
