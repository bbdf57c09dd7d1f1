//! The headers of an answer.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG,
    LAST_MODIFIED, LOCATION, RETRY_AFTER, VARY, WARNING, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{AUDIT_ID, connection};

/// What comes back from the API server. Not on it: cookies, challenges for credentials that the client does not have,
/// CORS, and what concerns one connection.
const RESPONSE: [HeaderName; 15] = [
    ALLOW,
    AUDIT_ID,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    DATE,
    ETAG,
    LAST_MODIFIED,
    RETRY_AFTER,
    VARY,
    WARNING,
    X_CONTENT_TYPE_OPTIONS,
    HeaderName::from_static("x-kubernetes-pf-flowschema-uid"),
    HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid"),
];

/// Makes the headers of the answer that goes to the client. A `Location` stays only if it is a path: one that names
/// a host would lead the client past the connector.
#[must_use]
pub fn downstream(upstream: &HeaderMap) -> HeaderMap {
    let nominated = connection::nominated(upstream);
    let mut headers = HeaderMap::with_capacity(upstream.len());
    for name in RESPONSE.iter().filter(|name| !nominated.contains(name)) {
        for value in upstream.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    if let Some(location) = upstream.get(LOCATION).filter(|value| is_path(value)) {
        headers.insert(LOCATION, location.clone());
    }
    headers
}

/// A path on the same origin. Browsers read `/\` and `//` as the beginning of a host.
fn is_path(location: &HeaderValue) -> bool {
    let bytes = location.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'\\';
    matches!(bytes, [b'/', second, ..] if *second != b'/') && bytes.iter().all(plain)
}
