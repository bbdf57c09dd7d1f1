//! The headers of an application's answer, as the browser gets them.

use http::header::{
    ALT_SVC, CONNECTION, CONTENT_LOCATION, HeaderMap, HeaderName, HeaderValue, LOCATION,
    SET_COOKIE, STRICT_TRANSPORT_SECURITY, UPGRADE,
};

use super::{OF_CONNECTION, WebRequest, is_reserved};
use crate::headers::connection::nominated;
use crate::request::Upgrade;

impl WebRequest {
    /// The headers of the answer: addresses of the application by the browser's name, cookies for that name alone, and
    /// nothing that would lead the browser to another port or scheme.
    #[must_use]
    pub fn answer(&self, upstream: &HeaderMap) -> HeaderMap {
        let nominated = nominated(upstream);
        let stays = |name: &HeaderName| {
            OF_CONNECTION.contains(&name.as_str())
                || nominated.contains(name)
                || [ALT_SVC, STRICT_TRANSPORT_SECURITY].contains(name)
                || is_reserved(name)
        };
        let mut headers = HeaderMap::with_capacity(upstream.len());
        for (name, value) in upstream.iter().filter(|(name, _)| !stays(name)) {
            let value = if *name == SET_COOKIE {
                without_domain(value)
            } else if [LOCATION, CONTENT_LOCATION].contains(name) {
                self.located_outside(value)
            } else {
                value.clone()
            };
            headers.append(name.clone(), value);
        }
        headers
    }

    /// The headers of a 101, if that switches to the WebSocket that was asked for.
    #[must_use]
    pub fn switched(&self, upstream: &HeaderMap) -> Option<HeaderMap> {
        let switches = Upgrade::of(upstream).ok().flatten() == Some(Upgrade::WebSocket);
        (self.upgrades() && switches).then(|| {
            let mut headers = self.answer(upstream);
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers
        })
    }

    /// An address of the application by the browser's name. Others stay: to sign in, an application sends the browser to
    /// another site.
    fn located_outside(&self, location: &HeaderValue) -> HeaderValue {
        let rest = location
            .to_str()
            .ok()
            .and_then(|location| self.inside.rest_by_any_scheme(location));
        let outside = rest.map(|rest| HeaderValue::try_from(format!("{}{rest}", self.outside)));
        match outside {
            Some(Ok(outside)) => outside,
            Some(Err(_)) | None => location.clone(),
        }
    }
}

/// A cookie for one host alone (RFC 6265, section 5.3): with a domain the browser would refuse it, or another
/// application would get it.
fn without_domain(cookie: &HeaderValue) -> HeaderValue {
    let is_domain = |part: &[u8]| {
        let name = part.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"domain")
    };
    let parts = cookie.as_bytes().split(|byte| *byte == b';').enumerate();
    let kept: Vec<_> = parts
        .filter(|(at, part)| *at == 0 || !is_domain(part))
        .map(|(_, part)| part)
        .collect();
    // Parts of a value make a value.
    HeaderValue::from_bytes(&kept.join(&b';')).unwrap_or(HeaderValue::from_static(""))
}
