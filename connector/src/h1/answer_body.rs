//! The body of an answer, with what drives its connection.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::Connection;
use hyper::rt::{Read, Write};

/// The body of an answer.
pub(crate) struct AnswerBody<I, B>
where
    I: Read + Write,
    B: Body + 'static,
{
    incoming: Incoming,
    /// A connection that is nobody else's; one of a pool is driven by the pool.
    own: Option<Pin<Box<Connection<I, B>>>>,
}

impl<I, B> AnswerBody<I, B>
where
    I: Read + Write,
    B: Body + 'static,
{
    /// Read from a connection of a pool.
    pub(crate) fn pooled(incoming: Incoming) -> Self {
        Self {
            incoming,
            own: None,
        }
    }

    /// Read from `connection`, which is closed when the body is dropped.
    pub(super) fn own(incoming: Incoming, connection: Connection<I, B>) -> Self {
        Self {
            incoming,
            own: Some(Box::pin(connection)),
        }
    }
}

impl<I, B> fmt::Debug for AnswerBody<I, B>
where
    I: Read + Write,
    B: Body + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody")
            .field("incoming", &self.incoming)
            .finish_non_exhaustive()
    }
}

impl<I, B> Body for AnswerBody<I, B>
where
    I: Read + Write + Unpin,
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let ended = match &mut self.own {
            // What breaks the connection breaks the body too, which says so.
            Some(connection) => connection.as_mut().poll(cx).is_ready(),
            None => false,
        };
        if ended {
            self.own = None;
        }
        Pin::new(&mut self.incoming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
