//! The API server: a pool of HTTP/1.1 connections, one request at a time on each.
//!
//! HTTP/1.1 because the measurements of hostile requests were made on it, because each request has its own flow
//! control, and because a cancelled request is a closed connection. No redirect is followed, and no request is sent
//! without a credential of the connector's own.

mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::Empty;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::credentials::Bearer;
use super::request_body::RequestBody;
use crate::h1::AnswerBody;
use upgrade::Io;
pub(super) use upgrade::{Answered, Raw};

/// The body of an answer of the API server.
pub(super) type UpstreamBody = AnswerBody<Io, Empty<Bytes>>;

/// How long an idle connection is kept. Below what servers and load balancers close after (Go: 90 s and more), since a
/// request that meets a closing connection is lost.
const IDLE: Duration = Duration::from_secs(30);
/// How many idle connections are kept.
const IDLE_MAX: usize = 64;
/// How long a new connection may take. An answer may take as long as it likes.
const CONNECT: Duration = Duration::from_secs(5);

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
    client: Client<HttpsConnector<HttpConnector>, RequestBody>,
    /// For connections that are not of the pool.
    connector: HttpsConnector<HttpConnector>,
    authority: Authority,
    /// What the server's address has before `/api`, without a slash at its end.
    prefix: String,
    bearer: Option<Arc<Bearer>>,
    connections: Arc<Semaphore>,
    limit: usize,
}

impl Upstream {
    pub(super) fn new(
        tls: rustls::ClientConfig,
        (authority, prefix): (Authority, String),
        bearer: Option<Arc<Bearer>>,
        connections: usize,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Off by default: the first request on a new connection would wait 40 ms.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(https.clone());
        Self {
            client,
            connector: https,
            authority,
            prefix,
            bearer,
            connections: Arc::new(Semaphore::new(connections)),
            limit: connections,
        }
    }

    /// Connections that carry a request now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.limit - self.connections.available_permits()
    }

    /// The token that is read again and again, if that is the credential.
    #[must_use]
    pub fn bearer(&self) -> Option<Arc<Bearer>> {
        self.bearer.clone()
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
        let request = self.request(method, target, headers, body)?;
        let response = self
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

    /// A request to this server, with the connector's own credential.
    fn request<B>(
        &self,
        method: Method,
        target: &str,
        mut headers: HeaderMap,
        body: B,
    ) -> Result<Request<B>, UpstreamError> {
        if let Some(bearer) = &self.bearer {
            let token = bearer.header().ok_or(UpstreamError::NoCredential)?;
            headers.insert(http::header::AUTHORIZATION, token);
        }
        let path: PathAndQuery = format!("{}{target}", self.prefix)
            .try_into()
            .map_err(|error: http::uri::InvalidUri| UpstreamError::Address(error.into()))?;
        let uri = Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(self.authority.clone())
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
