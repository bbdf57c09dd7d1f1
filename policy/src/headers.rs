//! The headers that go upstream and come back: new maps, filled from lists of what may pass.
//!
//! The client's header block is never edited and passed on. Whatever is not on a list stays behind: credentials,
//! cookies, `X-Remote-*`, hop-by-hop headers and whatever `Connection` nominates. Asking for an identity is refused
//! rather than dropped, so that nobody believes to have become somebody else.

pub(crate) mod connection;
mod impersonation;
mod response;
#[cfg(test)]
mod tests;
mod upgrade;

use adit_proto::Reason;
use adit_proto::id::RequestId;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};

pub use impersonation::Impersonation;
pub use response::downstream;
pub use upgrade::switched;

use crate::request::KubeRequest;

/// What passes upstream: what kubectl and client-go send beside credentials. Lengths and encodings of transfer are
/// the body's; those of an upgrade are added where one is asked for.
const REQUEST: [HeaderName; 10] = [
    ACCEPT,
    ACCEPT_ENCODING,
    CACHE_CONTROL,
    CONTENT_TYPE,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    USER_AGENT,
    HeaderName::from_static("kubectl-command"),
    HeaderName::from_static("kubectl-session"),
];

/// Headers that may occur more than once.
const LISTS: [HeaderName; 4] = [ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, IF_NONE_MATCH];

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// Why the headers of a request are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The client asks for another identity.
    #[error("the header {name} asks for another identity")]
    Impersonation {
        /// The header, in lower case.
        name: String,
    },
    /// A header that decides how the body is read, or who sent it, occurs twice.
    #[error("the header {name} occurs twice")]
    Duplicate {
        /// The header.
        name: HeaderName,
    },
    /// A header of the WebSocket handshake that is absent or wrong.
    #[error("the WebSocket handshake has no valid {name}")]
    Handshake {
        /// The header.
        name: HeaderName,
    },
    /// A value with a byte outside printable ASCII.
    #[error("the header {name} has a character that may not stand there")]
    Value {
        /// The header.
        name: HeaderName,
    },
}

impl HeaderError {
    /// The stable reason, for audit and answer.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Impersonation { .. } => Reason::ImpersonationRefused,
            Self::Duplicate { .. } | Self::Handshake { .. } | Self::Value { .. } => {
                Reason::RequestMalformed
            }
        }
    }
}

/// Makes the headers of the request that goes upstream. `Host`, `Authorization` and the body's headers are the
/// connection's, and not in it.
///
/// # Errors
/// A header that asks for impersonation, what could be read in two ways, and an incomplete handshake.
pub fn upstream(
    client: &HeaderMap,
    request: &KubeRequest,
    identity: &Impersonation,
    id: RequestId,
) -> Result<HeaderMap, HeaderError> {
    refuse_impersonation(client)?;
    let nominated = connection::nominated(client);
    let mut headers = HeaderMap::with_capacity(REQUEST.len() + 8);
    for name in &REQUEST {
        if nominated.contains(name) {
            continue;
        }
        for value in client.get_all(name) {
            if headers.contains_key(name) && !LISTS.contains(name) {
                return Err(HeaderError::Duplicate { name: name.clone() });
            }
            headers.append(name.clone(), printable(name, value)?);
        }
    }
    upgrade::ask(&mut headers, client, request)?;
    identity.write(&mut headers)?;
    headers.insert(AUDIT_ID, header_value(&AUDIT_ID, &id.to_string())?);
    Ok(headers)
}

/// Refuses headers, or trailers, that ask for impersonation in any spelling: an underscore becomes a hyphen in some
/// servers (measurement M7).
///
/// # Errors
/// [`HeaderError::Impersonation`] with the first one found.
pub fn refuse_impersonation(headers: &HeaderMap) -> Result<(), HeaderError> {
    let asks = |name: &&HeaderName| {
        let letters = name.as_str().bytes().filter(u8::is_ascii_alphanumeric);
        letters.take(11).eq(*b"impersonate")
    };
    match headers.keys().find(asks) {
        Some(name) => Err(HeaderError::Impersonation {
            name: name.as_str().to_owned(),
        }),
        None => Ok(()),
    }
}

fn printable(name: &HeaderName, value: &HeaderValue) -> Result<HeaderValue, HeaderError> {
    if value
        .as_bytes()
        .iter()
        .all(|byte| (b' '..=b'~').contains(byte))
    {
        Ok(value.clone())
    } else {
        Err(HeaderError::Value { name: name.clone() })
    }
}

fn header_value(name: &HeaderName, text: &str) -> Result<HeaderValue, HeaderError> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| HeaderError::Value { name: name.clone() })
}
