//! The API server: a pool of HTTP/1.1 connections, one request at a time on each.
//!
//! HTTP/1.1 because the measurements of hostile requests were made on it, because each request has its own flow
//! control, and because a cancelled request is a closed connection. No redirect is followed, and no request is sent
//! without a credential of the connector's own.

mod access;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::Empty;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::credentials;
use super::request_body::RequestBody;
use crate::config::Kubernetes;
use crate::h1::AnswerBody;
pub(super) use access::{Access, Server};
use upgrade::Io;
pub(super) use upgrade::{Answered, Raw};

/// The body of an answer of the API server.
pub(super) type UpstreamBody = AnswerBody<Io, Empty<Bytes>>;

/// How often token, authority and certificate are read. The kubelet replaces a token when 80 % of its life (an hour) are
/// over, and an authority when its ConfigMap changes; ten seconds are what a cluster may be out of reach for that.
const REREAD: Duration = Duration::from_secs(5);

/// Why the API server gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    /// The token file is empty, expired or unreadable. Nothing was sent.
    #[error("the connector has no valid credential for the API server")]
    NoCredential,
    /// All connections are taken.
    #[error("all connections to the API server are taken")]
    Busy,
    /// The path does not fit the server's address. Nothing was sent.
    #[error("the request cannot be addressed")]
    Address(#[source] http::Error),
    /// No connection, or it broke.
    #[error("the API server gave no answer")]
    NoAnswer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It switched protocols, but not to the one that was asked for.
    #[error("the API server switched to another protocol than was asked for")]
    OutOfOrder,
}

impl UpstreamError {
    fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::NoAnswer(Box::new(error))
    }
}

/// A cluster's API server.
#[derive(Debug)]
pub struct Upstream {
    source: Kubernetes,
    access: ArcSwap<Access>,
    connections: Arc<Semaphore>,
    limit: usize,
}

impl Upstream {
    pub(super) fn new(source: Kubernetes, access: ArcSwap<Access>, connections: usize) -> Self {
        Self {
            source,
            access,
            connections: Arc::new(Semaphore::new(connections)),
            limit: connections,
        }
    }

    /// Reads again and again what the configuration names, and asks with it from then on. What cannot be used is not
    /// taken: what was read before it stays. Ends never.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn follow(&self) {
        loop {
            tokio::time::sleep(REREAD).await;
            let source = self.source.clone();
            let Ok(read) = spawn_blocking(move || credentials::material(&source)).await else {
                continue;
            };
            match read.and_then(|material| self.access.load().renewed(material)) {
                Ok(access) => self.access.store(Arc::new(access)),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        error,
                        "what the API server is asked with cannot be read again; what was read before is used"
                    );
                }
            }
        }
    }

    /// Connections that carry a request now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.limit - self.connections.available_permits()
    }

    /// Sends a request. The slot is held until the answer's body has ended. Dropping the future, or the answer, closes
    /// the connection.
    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: RequestBody,
    ) -> Result<(Response<UpstreamBody>, OwnedSemaphorePermit), UpstreamError> {
        let slot = self.slot()?;
        let access = self.access.load_full();
        let request = access.request(method, target, headers, body)?;
        let response = access
            .client
            .request(request)
            .await
            .map_err(UpstreamError::broken)?;
        Ok((response.map(UpstreamBody::pooled), slot))
    }

    fn slot(&self) -> Result<OwnedSemaphorePermit, UpstreamError> {
        let connections = self.connections.clone();
        connections
            .try_acquire_owned()
            .map_err(|_| UpstreamError::Busy)
    }
}

impl Access {
    /// A request to this server, with the connector's own credential.
    fn request<B>(
        &self,
        method: Method,
        target: &str,
        mut headers: HeaderMap,
        body: B,
    ) -> Result<Request<B>, UpstreamError> {
        if let Some(token) = self.authorization()? {
            headers.insert(http::header::AUTHORIZATION, token);
        }
        let path: PathAndQuery = format!("{}{target}", self.server.prefix)
            .try_into()
            .map_err(|error: http::uri::InvalidUri| UpstreamError::Address(error.into()))?;
        let uri = Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(self.server.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(UpstreamError::Address)?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}
