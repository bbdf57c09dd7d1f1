//! Which texts may stand in which place of a path.

use super::RequestError;

/// Longest DNS label (RFC 1035, section 2.3.4).
const LABEL_MAX: usize = 63;
/// Longest DNS name in text (RFC 1035, section 2.3.4).
const NAME_MAX: usize = 253;

/// An API group: a DNS name in lower case (RFC 1123).
pub(super) fn group(text: &str) -> Result<String, RequestError> {
    checked(
        "group",
        text,
        text.len() <= NAME_MAX && text.split('.').all(is_label),
    )
}

/// An API version: one label.
pub(super) fn version(text: &str) -> Result<String, RequestError> {
    checked("version", text, is_label(text))
}

/// A namespace: one label, so that `default;x` (measurement M11) is none.
pub(super) fn namespace(text: &str) -> Result<String, RequestError> {
    checked("namespace", text, is_label(text))
}

/// A resource. Metrics servers put names of metrics here, hence dots and underscores.
pub(super) fn resource(text: &str) -> Result<String, RequestError> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    checked(
        "resource",
        text,
        text.len() <= NAME_MAX && text.bytes().all(plain),
    )
}

/// A subresource.
pub(super) fn subresource(text: &str) -> Result<String, RequestError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    checked(
        "subresource",
        text,
        text.len() <= NAME_MAX && text.bytes().all(plain),
    )
}

fn checked(field: &'static str, text: &str, valid: bool) -> Result<String, RequestError> {
    valid
        .then(|| text.to_owned())
        .ok_or(RequestError::Field { field })
}

fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LABEL_MAX).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(plain)
}
