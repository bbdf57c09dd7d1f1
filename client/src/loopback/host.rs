//! What a request says about where it goes and where it comes from.

use http::header::{HOST, HeaderName};
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// A header that decides something must occur once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// It does not occur.
    None,
    /// It does, once.
    One(&'a str),
    /// More than once, or not as text.
    Bad,
}

/// The value of a header that must occur once.
#[must_use]
pub fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Found<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Found::None,
        (Some(value), None) => value.to_str().map_or(Found::Bad, Found::One),
        (Some(_), Some(_)) => Found::Bad,
    }
}

/// The one host that a request names, by `Host`, by its authority, or by both alike.
#[must_use]
pub fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let in_uri = uri.authority().map(Authority::as_str);
    match (only(headers, &HOST), in_uri) {
        (Found::One(host), None) => Some(host),
        (Found::None, Some(authority)) => Some(authority),
        (Found::One(host), Some(authority)) => (host == authority).then_some(host),
        (Found::None, None) | (Found::Bad, _) => None,
    }
}
