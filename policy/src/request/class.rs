//! How much a request can do, for audit and for what is carried at all.

use super::{KubeRequest, ResourceRequest};

/// The API group of roles and their bindings.
const RBAC: &str = "rbac.authorization.k8s.io";

/// How much a request can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestClass {
    /// Reads what is no secret.
    Read,
    /// Reads Secrets.
    SecretRead,
    /// Changes something, or asks the API server to compute something.
    Write,
    /// Changes who may do what, or gets a credential or a way into a running process: ephemeral containers, tokens
    /// of service accounts, approval of certificates, RBAC, reviews of others' access.
    HighRisk,
    /// Connects to a process: exec, attach, port-forward, proxy and every upgrade, whatever the method.
    Stream,
}

impl RequestClass {
    /// The stable name, for audit and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::SecretRead => "secret_read",
            Self::Write => "write",
            Self::HighRisk => "high_risk",
            Self::Stream => "stream",
        }
    }

    /// Whether its intent is synced to disk before it is forwarded (ARCHITECTURE, audit).
    #[must_use]
    pub fn is_synced_first(self) -> bool {
        self != Self::Read
    }
}

impl KubeRequest {
    /// How much it can do.
    #[must_use]
    pub fn class(&self) -> RequestClass {
        match self {
            Self::Proxy(_) => RequestClass::Stream,
            Self::NonResource(_) => RequestClass::Read,
            Self::Resource(_) if self.upgrade().is_some() => RequestClass::Stream,
            Self::Resource(request) => of_resource(request),
        }
    }
}

fn of_resource(request: &ResourceRequest) -> RequestClass {
    let reads = request.verb().is_read();
    match (request.group(), request.resource(), request.subresource()) {
        // In any group: aggregated APIs (virtual machines) name them in the same way.
        (_, _, Some("exec" | "attach" | "portforward")) => RequestClass::Stream,
        ("", "secrets", _) if reads => RequestClass::SecretRead,
        _ if reads => RequestClass::Read,
        ("", "pods", Some("ephemeralcontainers"))
        | ("", "serviceaccounts", Some("token"))
        | ("certificates.k8s.io", "certificatesigningrequests", Some("approval"))
        | ("authorization.k8s.io", "subjectaccessreviews" | "localsubjectaccessreviews", _)
        | ("authentication.k8s.io", "tokenreviews", _)
        | (RBAC, _, _) => RequestClass::HighRisk,
        _ => RequestClass::Write,
    }
}
