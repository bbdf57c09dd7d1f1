//! Who may pass to an application, decided from a request's head alone.
//!
//! A page of any site can send requests to this port, also under a name that it makes resolve here, and so can every
//! other user of the machine. So the `Host` must be a name that this agent made, the browser must have been let in by a
//! nonce, and what a page asks for must be asked by the application's own.

use adit_proto::target::Target;
use adit_proto::time::UnixMillis;
use adit_proto::wire::link::Http;
use adit_proto::wire::link::stream_header::Kind;
use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue, LOCATION, ORIGIN, SET_COOKIE, UPGRADE};
use http::{HeaderMap, Method, Response, StatusCode, Uri, request};
use http_body_util::Full;

use super::cookie::{self, Admitted, CookieKey};
use super::names::Names;
use super::nonce::{Issued, Nonces};
use crate::carry::Passage;
use crate::exit::Failure;
use crate::loopback::{Found, host_of, only, page};

/// Where the first visit goes, with its nonce behind it. No application has a page of this name.
const ENTRANCE: &str = "/.well-known/adit-open/";
/// What browsers say of a request, and pages cannot (W3C Fetch Metadata).
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Why a request does not pass. Each is a 403 that names no application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Turned {
    /// Its `Host` is no application's.
    #[error("This address is not for web pages.")]
    Host,
    /// The nonce is not good, or not any more.
    #[error("This address was used already, or is too old. Run `adit open` again.")]
    Nonce,
    /// The browser was not let in.
    #[error("This browser was not let in. Run `adit open` with the name of the application.")]
    Cookie,
    /// Another site's page sent it.
    #[error("The request comes from a page of another site.")]
    Elsewhere,
}

/// A request that passed. Only [`Gate::check`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    target: Target,
    authority: String,
    _admitted: Admitted,
}

/// What a request is that passed.
#[derive(Debug)]
pub enum Passed {
    /// The first: it is answered with the cookie.
    Entered(Response<Full<Bytes>>),
    /// Any other.
    Visit(Visit),
}

/// The first address of an application, and the end of its wait.
#[derive(Debug)]
pub struct Invitation {
    /// The application's origin.
    pub origin: String,
    /// The nonce that its first visit carries.
    pub nonce: Issued,
}

impl Invitation {
    /// The address with the nonce.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}{ENTRANCE}{}", self.origin, self.nonce.text)
    }
}

/// The check of one listener.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    names: Names,
    cookies: CookieKey,
    nonces: Nonces,
}

impl Gate {
    /// A gate for the listener at `port`.
    ///
    /// # Errors
    /// Without randomness.
    pub fn new(port: u16, names: Names) -> Result<Self, Failure> {
        Ok(Self {
            port,
            names,
            cookies: CookieKey::new()?,
            nonces: Nonces::default(),
        })
    }

    /// Makes the first address of an application.
    ///
    /// # Errors
    /// Without randomness, or when its name cannot be kept.
    pub fn invite(&self, target: &Target, now: UnixMillis) -> Result<Invitation, Failure> {
        let label = self.names.label(target)?;
        Ok(Invitation {
            origin: format!("http://{}", self.authority(&label)),
            nonce: self.nonces.issue(&label, now)?,
        })
    }

    /// Checks `Host`, nonce or cookie, and where the request comes from, in this order.
    ///
    /// # Errors
    /// [`Turned`].
    pub fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        now: UnixMillis,
    ) -> Result<Passed, Turned> {
        let host = host_of(uri, headers).ok_or(Turned::Host)?;
        let label = host.split('.').next().unwrap_or_default();
        let target = self.names.target(label).ok_or(Turned::Host)?;
        let authority = self.authority(label);
        if host != authority {
            return Err(Turned::Host);
        }
        if let Some(nonce) = uri.path().strip_prefix(ENTRANCE) {
            return self.enter(method, label, nonce, now);
        }
        let admitted = self.cookies.check(label, headers).ok_or(Turned::Cookie)?;
        from_own_page(method, headers, &format!("http://{authority}"))?;
        Ok(Passed::Visit(Visit {
            target,
            authority,
            _admitted: admitted,
        }))
    }

    fn authority(&self, label: &str) -> String {
        format!("{label}.localhost:{}", self.port)
    }

    /// Swaps a nonce for the cookie.
    fn enter(
        &self,
        method: &Method,
        label: &str,
        nonce: &str,
        now: UnixMillis,
    ) -> Result<Passed, Turned> {
        if method != Method::GET {
            return Err(Turned::Nonce);
        }
        let _spent = self.nonces.spend(nonce, label, now).ok_or(Turned::Nonce)?;
        let cookie = self.cookies.set(label).map_err(|_| Turned::Nonce)?;
        let mut response = page(StatusCode::SEE_OTHER, "The application is at /.");
        let headers = response.headers_mut();
        headers.insert(LOCATION, HeaderValue::from_static("/"));
        headers.insert(SET_COOKIE, cookie);
        Ok(Passed::Entered(response))
    }
}

/// Refuses what a page of another site sends. A person who follows a link from there arrives: that is a GET of a whole
/// page, as the cookie's `SameSite=Lax` has it too.
fn from_own_page(method: &Method, headers: &HeaderMap, own: &str) -> Result<(), Turned> {
    let text = |name: &HeaderName| match only(headers, name) {
        Found::None => Ok(""),
        Found::One(text) => Ok(text),
        Found::Bad => Err(Turned::Elsewhere),
    };
    let (origin, site) = (text(&ORIGIN)?, text(&SITE)?);
    let by_origin = match origin {
        // Each browser names the origin of a WebSocket.
        "" => !headers.contains_key(UPGRADE),
        // So says a page without a referrer of itself.
        "null" => site == "same-origin" && !headers.contains_key(UPGRADE),
        origin => origin == own,
    };
    let by_site = match site {
        "" | "none" | "same-origin" => true,
        _ => {
            let reads = [Method::GET, Method::HEAD].contains(method);
            reads && text(&MODE)? == "navigate" && text(&DEST)? == "document"
        }
    };
    (by_origin && by_site)
        .then_some(())
        .ok_or(Turned::Elsewhere)
}

impl Passage for Visit {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn kind(&self) -> Kind {
        Kind::Http(Http {})
    }

    /// The agent's cookie stays here. `Host` tells the connector what the browser calls the application.
    fn prepare(&self, head: &mut request::Parts) -> Result<(), Failure> {
        let path = head.uri.path_and_query().cloned();
        head.uri = path.map(Uri::from).unwrap_or_default();
        cookie::take_out(&mut head.headers);
        let host = HeaderValue::try_from(&self.authority).map_err(Failure::new)?;
        head.headers.insert(HOST, host);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
