//! What the API server is asked with, as the files said it last. Replaced whole, so that no request mixes two states.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::UpstreamError;
use crate::kube::credentials::{Bearer, CredentialsError, Material, Token};
use crate::kube::request_body::RequestBody;

/// How long an idle connection is kept. Below what servers and load balancers close after (Go: 90 s and more), since a
/// request that meets a closing connection is lost.
const IDLE: Duration = Duration::from_secs(30);
/// How many idle connections are kept.
const IDLE_MAX: usize = 64;
/// How long a new connection may take. An answer may take as long as it likes.
const CONNECT: Duration = Duration::from_secs(5);

/// Where the API server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kube) struct Server {
    pub(in crate::kube) authority: Authority,
    /// What the server's address has before `/api`, without a slash at its end.
    pub(in crate::kube) prefix: String,
}

/// Server, connections and credential.
#[derive(Debug)]
pub(in crate::kube) struct Access {
    pub(super) server: Server,
    pub(super) client: Client<HttpsConnector<HttpConnector>, RequestBody>,
    /// For connections that are not of the pool.
    pub(super) connector: HttpsConnector<HttpConnector>,
    /// Of what the connections are made with.
    print: [u8; 32],
    credential: Credential,
}

#[derive(Clone, Debug)]
enum Credential {
    Certificate,
    Token(Option<Arc<Token>>),
}

impl Access {
    /// Makes a pool without connections.
    ///
    /// # Errors
    /// [`CredentialsError::Pem`] and [`CredentialsError::Tls`].
    pub(in crate::kube) fn new(material: Material) -> Result<Self, CredentialsError> {
        Self::made(material, None)
    }

    fn made(material: Material, held: Option<&Credential>) -> Result<Self, CredentialsError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Off by default: the first request on a new connection would wait 40 ms.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(material.tls()?)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector.clone());
        Ok(Self {
            client,
            connector,
            print: material.print(),
            server: material.server,
            credential: credential(material.bearer, held),
        })
    }

    /// What is asked with from now on. Connections are kept where they would be made again in the same way; else
    /// requests end on those that they have, and new ones get new connections.
    ///
    /// # Errors
    /// As [`Access::new`].
    pub(super) fn renewed(&self, material: Material) -> Result<Self, CredentialsError> {
        let held = Some(&self.credential);
        if material.print() != self.print || material.server != self.server {
            let renewed = Self::made(material, held)?;
            tracing::info!("the API server's address, authority or our certificate was replaced");
            return Ok(renewed);
        }
        Ok(Self {
            server: self.server.clone(),
            client: self.client.clone(),
            connector: self.connector.clone(),
            print: self.print,
            credential: credential(material.bearer, held),
        })
    }

    /// The Authorization header, if a token says who asks.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, UpstreamError> {
        match &self.credential {
            Credential::Certificate => Ok(None),
            Credential::Token(token) => {
                let header = token.as_ref().and_then(|token| token.header());
                header.map(Some).ok_or(UpstreamError::NoCredential)
            }
        }
    }
}

/// A token whose file cannot be read stays until it expires.
fn credential(bearer: Bearer, held: Option<&Credential>) -> Credential {
    match bearer {
        Bearer::Certificate => Credential::Certificate,
        Bearer::Token(token) => Credential::Token(token),
        Bearer::Unreadable(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the token for the API server cannot be read");
            match held {
                Some(Credential::Token(token)) => Credential::Token(token.clone()),
                Some(Credential::Certificate) | None => Credential::Token(None),
            }
        }
    }
}
