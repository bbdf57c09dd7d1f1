//! Requests that the API server passes on: `pods/proxy`, `services/proxy`, `nodes/proxy`.

use super::path::push;
use super::resource::Place;
use super::{Envelope, KubeRequest, RequestError, field};

/// What the API server proxies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// A pod's port.
    Pod,
    /// A service's port.
    Service,
    /// A node's kubelet, which can do more than the API server allows.
    Node,
}

impl ProxyKind {
    /// The resource whose `proxy` subresource it is.
    #[must_use]
    pub fn resource(self) -> &'static str {
        match self {
            Self::Pod => "pods",
            Self::Service => "services",
            Self::Node => "nodes",
        }
    }
}

/// The name in the path of a proxied request: `NAME`, `NAME:PORT` or `SCHEME:NAME:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyTarget(String);

impl ProxyTarget {
    /// The whole text, which is what the API server authorizes as the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `http` or `https`, where the text says it.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        let mut parts = self.0.split(':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(scheme), Some(_), Some(_)) => Some(scheme).filter(|scheme| !scheme.is_empty()),
            _ => None,
        }
    }

    /// The name of the pod, service or node.
    #[must_use]
    pub fn name(&self) -> &str {
        let mut parts = self.0.split(':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(name), Some(_)) | (Some(name), _, None) => name,
            _ => "",
        }
    }

    /// The port's number or name, where the text says it.
    #[must_use]
    pub fn port(&self) -> Option<&str> {
        self.0
            .split(':')
            .skip(1)
            .last()
            .filter(|port| !port.is_empty())
    }

    fn parse(text: &str) -> Result<Self, RequestError> {
        let word = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
        };
        let mut parts = text.split(':');
        let valid = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(name), port, None, None) => {
                !name.is_empty() && word(name) && port.is_none_or(word)
            }
            (Some("http" | "https" | ""), Some(name), Some(port), None) => {
                !name.is_empty() && word(name) && word(port)
            }
            _ => false,
        };
        valid
            .then(|| Self(text.to_owned()))
            .ok_or(RequestError::Field { field: "name" })
    }
}

/// A request to something behind the API server.
///
/// It runs a request of its own, so it counts as a stream whatever its method. What is behind the target's name is
/// opaque: only its escapes and segments were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRequest {
    pub(super) envelope: Envelope,
    kind: ProxyKind,
    namespace: Option<String>,
    target: ProxyTarget,
    rest: String,
}

impl ProxyRequest {
    /// What is proxied to.
    #[must_use]
    pub fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// The namespace of a pod or a service.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Name, port and scheme.
    #[must_use]
    pub fn target(&self) -> &ProxyTarget {
        &self.target
    }

    /// The path behind it, escaped as it is sent: empty, or beginning with a slash.
    #[must_use]
    pub fn rest(&self) -> &str {
        &self.rest
    }

    pub(super) fn push_path(&self, path: &mut String) {
        path.push_str("/api/v1");
        if let Some(namespace) = &self.namespace {
            path.push_str("/namespaces");
            push(path, namespace);
        }
        push(path, self.kind.resource());
        push(path, self.target.as_str());
        path.push_str("/proxy");
        path.push_str(&self.rest);
    }
}

/// Takes the proxy subresource of the three resources that have one.
pub(super) fn parse(
    place: &Place<'_>,
    trailing_slash: bool,
    envelope: Envelope,
) -> Result<KubeRequest, RequestError> {
    let kind = match (place.resource, place.namespace) {
        ("pods", Some(_)) => ProxyKind::Pod,
        ("services", Some(_)) => ProxyKind::Service,
        ("nodes", None) => ProxyKind::Node,
        _ => return Err(RequestError::UnknownPath),
    };
    let mut rest = String::new();
    for segment in place.rest {
        push(&mut rest, segment);
    }
    if trailing_slash {
        rest.push('/');
    }
    Ok(KubeRequest::Proxy(ProxyRequest {
        envelope,
        kind,
        namespace: place.namespace.map(field::namespace).transpose()?,
        target: ProxyTarget::parse(place.name.unwrap_or_default())?,
        rest,
    }))
}
