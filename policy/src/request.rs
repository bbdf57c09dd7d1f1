//! The Kubernetes request model: what a request means, decided as the API server decides it.
//!
//! A request is parsed once, at the edge of the connector. What goes upstream is built anew from the parsed fields by
//! [`KubeRequest::encode`], never from the text that came in. What does not parse is refused, not normalised. The
//! rules are those of `RequestInfoFactory` in `k8s.io/apiserver`, and the measurements M8 to M14 of how servers
//! treat hostile requests.
//!
//! Invariant: `parse(encode(parse(x))) == parse(x)`.

mod class;
mod error;
mod field;
mod non_resource;
mod path;
mod proxy;
mod query;
mod resource;
mod selector;
#[cfg(test)]
mod tests;
mod upgrade;

use http::{HeaderMap, Method};

pub use class::RequestClass;
pub use error::RequestError;
pub use non_resource::NonResourceRequest;
pub use proxy::{ProxyKind, ProxyRequest, ProxyTarget};
pub use query::Query;
pub use resource::{ResourceRequest, Verb};
pub use upgrade::Upgrade;

/// What a request means to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubeRequest {
    /// An object or a collection of them.
    Resource(ResourceRequest),
    /// A path beside the objects, one of a list.
    NonResource(NonResourceRequest),
    /// A request that the API server passes on to a pod, a service or a node.
    Proxy(ProxyRequest),
}

/// What every kind of request has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Envelope {
    method: Method,
    query: Query,
    upgrade: Option<Upgrade>,
}

impl Envelope {
    fn is_read(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}

impl KubeRequest {
    /// Parses a method and a request target in origin form, as they came in. Of the headers only `Connection` and
    /// `Upgrade` are read.
    ///
    /// # Errors
    /// The first thing that the API server might read otherwise, or that is not carried.
    pub fn parse(method: &Method, target: &str, headers: &HeaderMap) -> Result<Self, RequestError> {
        const METHODS: [Method; 6] = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ];
        if !METHODS.contains(method) {
            return Err(RequestError::Method);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path::split(path)?;
        let envelope = Envelope {
            method: method.clone(),
            query: Query::parse(query)?,
            upgrade: Upgrade::of(headers)?,
        };
        resource::parse(&path, envelope)
    }

    /// The path and query to send upstream, built from the parsed fields alone.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut target = String::new();
        match self {
            Self::Resource(request) => request.push_path(&mut target),
            Self::NonResource(request) => target.push_str(request.path()),
            Self::Proxy(request) => request.push_path(&mut target),
        }
        self.query().push_to(&mut target);
        target
    }

    /// The HTTP method, which is passed on unchanged.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.envelope().method
    }

    /// The query.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.envelope().query
    }

    /// The upgrade that is asked for.
    #[must_use]
    pub fn upgrade(&self) -> Option<Upgrade> {
        self.envelope().upgrade
    }

    fn envelope(&self) -> &Envelope {
        match self {
            Self::Resource(request) => &request.envelope,
            Self::NonResource(request) => &request.envelope,
            Self::Proxy(request) => &request.envelope,
        }
    }
}
