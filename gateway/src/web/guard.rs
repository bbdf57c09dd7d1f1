//! What every request and every answer of the public listener must have.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Site;

/// Only what this gateway serves, no inline script or style, no frame around it, no form.
/// `connect-src` is for the script's own requests; the way back to the agent is a navigation and needs no entry.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const FIXED: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), \
        microphone=(), geolocation=()",
    ),
    // Only counts over TLS; browsers ignore it on plain http.
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
];

/// Adds the fixed headers, and forbids caching where the answer does not say otherwise.
pub(super) async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Refuses other names for this host (DNS rebinding), and anything but a read that comes from another site.
pub(super) async fn same_site(
    State(site): State<Site>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let (method, headers) = (request.method(), request.headers());
    let host = only(headers, &header::HOST);
    let named = host.is_some_and(|host| host.eq_ignore_ascii_case(&site.authority));
    if !named {
        return (StatusCode::MISDIRECTED_REQUEST, "another host\n").into_response();
    }
    if *method != Method::GET && *method != Method::HEAD && !own_script(headers, site.origin()) {
        return (StatusCode::FORBIDDEN, "another origin\n").into_response();
    }
    next.run(request).await
}

/// A browser says where a script comes from; whoever is no browser says our origin, which proves nothing and needs not.
fn own_script(headers: &HeaderMap, origin: &str) -> bool {
    let same = only(headers, &header::ORIGIN) == Some(origin);
    let fetch = HeaderName::from_static("sec-fetch-site");
    let site = !headers.contains_key(&fetch) || only(headers, &fetch) == Some("same-origin");
    same && site
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
