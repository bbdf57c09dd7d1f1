//! Paths beside the objects: discovery, schemas, health, version and the token issuer's metadata.

use super::path::push;
use super::{Envelope, KubeRequest, RequestError, field};

/// A read of a path beside the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonResourceRequest {
    pub(super) envelope: Envelope,
    path: String,
}

impl NonResourceRequest {
    /// The path, as it is sent upstream and as RBAC's `nonResourceURLs` name it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The API server's verb: the method in lower case.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        if self.envelope.method == http::Method::HEAD {
            "head"
        } else {
            "get"
        }
    }
}

/// Takes a path that is no resource's, if it is on the list.
pub(super) fn parse(words: &[&str], envelope: Envelope) -> Result<KubeRequest, RequestError> {
    match words {
        ["version" | "api" | "apis"]
        | ["openapi", "v2" | "v3"]
        | ["openapi", "v3", ..]
        | ["healthz" | "livez" | "readyz", ..]
        // Public keys and issuer, which admins read to set up federation; RBAC grants them to few.
        | [".well-known", "openid-configuration"]
        | ["openid", "v1", "jwks"] => {}
        ["api", version] => drop(field::version(version)?),
        ["apis", group] => drop(field::group(group)?),
        ["apis", group, version] => drop((field::group(group)?, field::version(version)?)),
        _ => return Err(RequestError::UnknownPath),
    }
    if !envelope.is_read() {
        return Err(RequestError::MethodOfPath);
    }
    if envelope.upgrade.is_some() {
        return Err(RequestError::Upgrade);
    }
    let mut path = String::new();
    for word in words {
        push(&mut path, word);
    }
    Ok(KubeRequest::NonResource(NonResourceRequest {
        envelope,
        path,
    }))
}
