//! The body of an answer of the API server, with what drives its connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::Connection;

use super::upgrade::Io;

/// The body of an answer.
#[derive(Debug)]
pub(in crate::kube) struct UpstreamBody {
    incoming: Incoming,
    /// A connection that is nobody else's; one of the pool is driven by the pool.
    own: Option<Box<Connection<Io, Empty<Bytes>>>>,
}

impl UpstreamBody {
    /// Read from a connection of the pool.
    pub(super) fn pooled(incoming: Incoming) -> Self {
        Self {
            incoming,
            own: None,
        }
    }

    /// Read from `connection`, which is closed when the body is dropped.
    pub(super) fn own(incoming: Incoming, connection: Connection<Io, Empty<Bytes>>) -> Self {
        Self {
            incoming,
            own: Some(Box::new(connection)),
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let ended = match &mut self.own {
            // What breaks the connection breaks the body too, which says so.
            Some(connection) => Pin::new(connection).poll(cx).is_ready(),
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
