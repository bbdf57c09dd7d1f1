//! A request for a web application, and its headers as the application gets them.

use adit_proto::Reason;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, REFERER, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{IDENTITY, OF_CONNECTION, Origin, is_reserved, spelled};
use crate::headers::connection::nominated;
use crate::request::Upgrade;

/// What is carried. CONNECT and TRACE concern a connection and not an application.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// What applications take for the word of a proxy in front of them: where a request came from, or who asks.
const OF_PROXIES: [&str; 7] = [
    "forwarded",
    "remote-user",
    "x-auth-request-",
    "x-forwarded-",
    "x-real-ip",
    "x-remote-",
    "x-webauth-",
];

/// Why a request is not carried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// Its method concerns no application.
    #[error("the method is not carried to web applications")]
    Method,
    /// Its target could be read in two ways.
    #[error("the request's target is malformed")]
    Target,
    /// It has not exactly one `Host` that can be read.
    #[error("the request does not name one host")]
    Host,
    /// It asks for an upgrade to something else than a WebSocket.
    #[error("of upgrades only WebSockets by GET are carried")]
    Upgrade,
    /// Another site's page sent it.
    #[error("the request comes from a page of another origin")]
    Origin,
    /// A header that only a connector writes.
    #[error("the header {name} is the connector's")]
    Reserved {
        /// The header.
        name: HeaderName,
    },
}

impl WebError {
    /// The stable reason, for audit and answer.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Method | Self::Upgrade => Reason::RequestUnsupported,
            Self::Target | Self::Host => Reason::RequestMalformed,
            Self::Origin => Reason::UnknownOrForbidden,
            Self::Reserved { .. } => Reason::ImpersonationRefused,
        }
    }
}

/// A request that may go to an application. Only [`WebRequest::parse`] makes it.
#[derive(Clone, Debug)]
pub struct WebRequest {
    method: Method,
    target: PathAndQuery,
    upgrades: bool,
    headers: HeaderMap,
    pub(super) outside: Origin,
    pub(super) inside: Origin,
}

impl WebRequest {
    /// Reads a request as it came in: `target` in origin form, as it was sent. `inside` is the application's name for
    /// itself; the browser's name for it is what `Host` says.
    ///
    /// # Errors
    /// [`WebError`].
    pub fn parse(
        method: &Method,
        target: &str,
        client: &HeaderMap,
        inside: &Origin,
    ) -> Result<Self, WebError> {
        // Asking for an identity is refused whatever else is wrong with a request.
        if let Some(name) = client.keys().find(|name| is_reserved(name)) {
            return Err(WebError::Reserved { name: name.clone() });
        }
        if !METHODS.contains(method) {
            return Err(WebError::Method);
        }
        let parsed: PathAndQuery = target.parse().map_err(|_| WebError::Target)?;
        if parsed.as_str() != target || !target.starts_with('/') {
            return Err(WebError::Target);
        }
        let upgrades = match Upgrade::of(client) {
            Ok(None) => false,
            Ok(Some(Upgrade::WebSocket)) if *method == Method::GET => true,
            Ok(Some(_)) | Err(_) => return Err(WebError::Upgrade),
        };
        let host = once(client, &HOST).ok_or(WebError::Host)?;
        let outside: Origin = format!("http://{host}")
            .parse()
            .map_err(|_| WebError::Host)?;
        let headers = passed(client, &outside, inside)?;
        Ok(Self {
            method: method.clone(),
            target: parsed,
            upgrades,
            headers,
            outside,
            inside: inside.clone(),
        })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// Whether it asks for a WebSocket.
    #[must_use]
    pub fn upgrades(&self) -> bool {
        self.upgrades
    }

    /// The headers for the application, with the token that says who asks. The body's lengths are the connection's, and
    /// not in it.
    #[must_use]
    pub fn headers(&self, identity: HeaderValue) -> HeaderMap {
        let mut headers = self.headers.clone();
        if self.upgrades {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        headers.insert(IDENTITY, identity);
        headers
    }
}

/// What passes of the client's headers, with the application's name in place of the browser's.
fn passed(client: &HeaderMap, outside: &Origin, inside: &Origin) -> Result<HeaderMap, WebError> {
    let nominated = nominated(client);
    let special = [HOST, ORIGIN, REFERER, CONTENT_LENGTH];
    let stays = |name: &HeaderName| {
        OF_CONNECTION.contains(&name.as_str())
            || nominated.contains(name)
            || special.contains(name)
            || is_of_proxies(name)
    };
    let mut headers = HeaderMap::with_capacity(client.len() + 4);
    let host = HeaderValue::from_str(inside.authority()).map_err(|_| WebError::Host)?;
    headers.insert(HOST, host);
    for (name, value) in client.iter().filter(|(name, _)| !stays(name)) {
        headers.append(name.clone(), value.clone());
    }
    if client.contains_key(ORIGIN) {
        let origin = once(client, &ORIGIN).ok_or(WebError::Origin)?;
        headers.insert(ORIGIN, origin_inside(origin, outside, inside)?);
    }
    // What another site's page is called is nobody's business here.
    let referer = once(client, &REFERER).and_then(|referer| outside.rest(referer));
    let referer = referer.map(|rest| HeaderValue::try_from(format!("{inside}{rest}")));
    if let Some(Ok(referer)) = referer {
        headers.insert(REFERER, referer);
    }
    Ok(headers)
}

/// A page without a referrer says `null` of itself; that it is the application's own is known where the browser is.
fn origin_inside(origin: &str, outside: &Origin, inside: &Origin) -> Result<HeaderValue, WebError> {
    if origin == "null" {
        return Ok(HeaderValue::from_static("null"));
    }
    match outside.rest(origin) {
        Some("") => HeaderValue::try_from(inside.to_string()).map_err(|_| WebError::Origin),
        Some(_) | None => Err(WebError::Origin),
    }
}

fn is_of_proxies(name: &HeaderName) -> bool {
    let spelled = spelled(name);
    OF_PROXIES.iter().any(|known| {
        let rest = spelled.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || known.ends_with('-'))
    })
}

fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (_, _) => None,
    }
}
