//! Web applications: what of a browser's request goes to an application, and of its answer to the browser.
//!
//! The browser knows an application by one origin and the application itself by another. [`WebRequest`] carries both
//! names, and is the only way to the headers of either direction: new maps, filled from what came. Applications have
//! headers of their own, so that what stays behind is listed here and not what passes: what concerns one connection,
//! what only a proxy may say, and whatever names an `Adit-*` header, which is refused in any spelling.

mod answer;
mod origin;
mod request;
#[cfg(test)]
mod tests;

use http::HeaderName;

pub use origin::{Origin, OriginError};
pub use request::{WebError, WebRequest};

/// The header that says who asks. Only a connector writes it.
pub const IDENTITY: HeaderName = HeaderName::from_static("adit-identity");

/// Headers of one connection (RFC 9110, section 7.6.1), and those that the other side makes anew.
const OF_CONNECTION: [&str; 11] = [
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A header's name as servers read it that make no difference between a hyphen and another sign: CGI and those after it.
fn spelled(name: &HeaderName) -> String {
    let letters = name.as_str().chars();
    letters
        .map(|char| {
            if char.is_ascii_alphanumeric() {
                char
            } else {
                '-'
            }
        })
        .collect()
}

/// Whether a name is one that only a connector writes.
fn is_reserved(name: &HeaderName) -> bool {
    spelled(name).starts_with("adit-")
}
