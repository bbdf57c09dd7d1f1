//! The path: split on raw slashes, each segment decoded once, encoded again when it is sent.
//!
//! The API server decodes a path and then splits it (measurement M8), so an encoded slash would mean something
//! else there than here. No segment that leaves this module has a slash in it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::RequestError;

/// Bytes of the longest path. Longer than any object that the API server names, far below what a header may hold.
pub(super) const PATH_MAX: usize = 8 * 1024;

/// What stands unescaped in an encoded segment: RFC 3986 `pchar` without `;`.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// One decoded segment: not empty, not a dot segment, no control character and none of `/ \ ; # ? %`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment(String);

impl Segment {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn decode(raw: &str) -> Result<Self, RequestError> {
        if raw.is_empty() {
            return Err(RequestError::EmptySegment);
        }
        let decoded = decode(raw, "path", |byte| {
            if is_unreserved(byte) {
                Err(RequestError::NeedlessEscape)
            } else {
                Ok(())
            }
        })?;
        if decoded == "." || decoded == ".." {
            return Err(RequestError::DotSegment);
        }
        let forbidden = |c: char| c.is_control() || matches!(c, '/' | '\\' | ';' | '#' | '?' | '%');
        if decoded.contains(forbidden) {
            return Err(RequestError::Character { part: "path" });
        }
        Ok(Self(decoded))
    }
}

/// A split path.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) segments: Vec<Segment>,
    /// Whether a slash ends it, which means something to what is behind a proxy only.
    pub(super) trailing_slash: bool,
}

/// Splits an origin-form path. A single slash has no segments.
pub(super) fn split(path: &str) -> Result<Path, RequestError> {
    if path.len() > PATH_MAX {
        return Err(RequestError::TooLong {
            part: "path",
            limit: PATH_MAX,
        });
    }
    let rest = path.strip_prefix('/').ok_or(RequestError::NotOriginForm)?;
    if !path
        .bytes()
        .all(|byte| byte == b'/' || byte == b'%' || is_plain(byte))
    {
        return Err(RequestError::Character { part: "path" });
    }
    let (rest, trailing_slash) = rest
        .strip_suffix('/')
        .map_or((rest, rest.is_empty()), |rest| (rest, true));
    let segments = if path == "/" {
        Ok(Vec::new())
    } else {
        rest.split('/').map(Segment::decode).collect()
    };
    Ok(Path {
        segments: segments?,
        trailing_slash,
    })
}

/// Appends `/` and the segment, escaped where it has to be.
pub(super) fn push(path: &mut String, segment: &str) {
    path.push('/');
    path.extend(utf8_percent_encode(segment, SEGMENT));
}

/// Decodes percent escapes once; `check` judges each byte that was escaped.
pub(super) fn decode(
    raw: &str,
    part: &'static str,
    check: impl Fn(u8) -> Result<(), RequestError>,
) -> Result<String, RequestError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (high, low) = (bytes.next().and_then(hex), bytes.next().and_then(hex));
        let (Some(high), Some(low)) = (high, low) else {
            return Err(RequestError::Escape { part });
        };
        let value = high << 4 | low;
        check(value)?;
        decoded.push(value);
    }
    String::from_utf8(decoded).map_err(|_| RequestError::Escape { part })
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 `pchar` without escapes and without `;`, which would be part of a name (measurement M11).
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
        )
}
