//! A connection of its own for one request that asks for an upgrade (RFC 9110, section 7.8).
//!
//! Only a 101 that switches to what was asked for makes it a stream of raw bytes.

use std::time::Duration;

use adit_policy::headers;
use adit_policy::request::Upgrade;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Empty;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tower::Service;

use super::{Access, Upstream, UpstreamBody, UpstreamError};
use crate::h1::{Asked, Rewound, ask};

/// How long a new connection may take, with TLS. Its answer may take as long as it likes.
const CONNECT: Duration = Duration::from_secs(10);

/// A TLS connection to the API server.
pub(in crate::kube) type Io = MaybeHttpsStream<TokioIo<TcpStream>>;

/// The raw bytes of one.
pub(in crate::kube) type Raw = Rewound<TokioIo<Box<Io>>>;

/// The API server's answer to an upgrade.
pub(in crate::kube) enum Answered {
    /// It switched: raw bytes from now on.
    Switched(HeaderMap, Raw),
    /// It did not.
    Other(Response<UpstreamBody>),
}

impl Upstream {
    /// Sends a request that asks for `upgrade`. The slot is held as long as the connection is used. Dropping the
    /// future, or what came out, closes the connection.
    pub(in crate::kube) async fn upgrade(
        &self,
        (method, upgrade): (Method, Upgrade),
        target: &str,
        headers: HeaderMap,
    ) -> Result<(Answered, OwnedSemaphorePermit), UpstreamError> {
        let slot = self.slot()?;
        let access = self.access.load_full();
        let mut request = access.request(method, target, headers, Empty::<Bytes>::new())?;
        let io = access.dial(&mut request).await?;
        let (switched, io, read) = match ask(io, request).await.map_err(UpstreamError::broken)? {
            Asked::Answered(response) => return Ok((Answered::Other(response), slot)),
            Asked::Switched(headers, io, read) => (headers, io, read),
        };
        let switched = headers::switched(&switched, upgrade);
        let headers = switched.ok_or(UpstreamError::OutOfOrder)?;
        let stream = Rewound::new(read, TokioIo::new(Box::new(io)));
        Ok((Answered::Switched(headers, stream), slot))
    }
}

impl Access {
    /// Connects, and puts the request into the form that it has on a connection of its own.
    async fn dial(&self, request: &mut Request<Empty<Bytes>>) -> Result<Io, UpstreamError> {
        let uri = request.uri().clone();
        let path = uri.path_and_query().cloned().map(Uri::from);
        *request.uri_mut() = path.unwrap_or_default();
        let host = HeaderValue::from_str(self.server.authority.as_str())
            .map_err(|error| UpstreamError::Address(error.into()))?;
        request.headers_mut().insert(HOST, host);
        timeout(CONNECT, self.connector.clone().call(uri))
            .await
            .map_err(UpstreamError::broken)?
            .map_err(UpstreamError::NoAnswer)
    }
}
