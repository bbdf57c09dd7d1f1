//! The request line, read before hyper does.
//!
//! hyper gives the request target as a parsed URI, from which a fragment is gone, and takes a bare line feed for the end
//! of a line. Here the line is taken as it was sent: what whoever is behind the connector might read otherwise is refused.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest target, in bytes: what hyper's type for it holds. An exec sends its command there, which may be a script.
const TARGET_MAX: usize = 65_534;
/// The longest request line, in bytes, with method and version.
const LINE_MAX: usize = TARGET_MAX + 64;
/// How much is read at once, in bytes.
const READ_AHEAD: usize = 4096;

/// Why there is no request line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestLineError {
    /// It is not `METHOD SP target SP HTTP/1.1 CR LF` in printable ASCII, its target is not in origin form (RFC 9112,
    /// section 3.2.1), or has a fragment.
    #[error("the request line is malformed")]
    Malformed,
    /// It is longer than any that is carried.
    #[error("the request's target is longer than {TARGET_MAX} bytes")]
    TooLong,
    /// The stream ended before it did.
    #[error("the stream ended before the request line did")]
    Stream(#[source] io::Error),
}

/// Reads up to the end of the request line; `read` holds what was read already. Gives the target as it was sent, and
/// leaves everything in `read`.
///
/// # Errors
/// [`RequestLineError`].
pub(crate) async fn read(
    io: &mut (impl AsyncRead + Unpin),
    read: &mut BytesMut,
) -> Result<String, RequestLineError> {
    let mut seen = 0;
    loop {
        let found = read
            .get(seen..)
            .and_then(|new| new.iter().position(|byte| *byte == b'\n'));
        if let Some(at) = found {
            return target(read.get(..seen + at).unwrap_or_default());
        }
        seen = read.len();
        if seen > LINE_MAX {
            return Err(RequestLineError::TooLong);
        }
        read.reserve(READ_AHEAD);
        let more = io.read_buf(read).await.map_err(RequestLineError::Stream)?;
        if more == 0 {
            let ended = io::ErrorKind::UnexpectedEof.into();
            return Err(RequestLineError::Stream(ended));
        }
    }
}

/// The target of a line without its line feed.
fn target(line: &[u8]) -> Result<String, RequestLineError> {
    let text = line
        .strip_suffix(b"\r")
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or(RequestLineError::Malformed)?;
    let mut words = text.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some(target), Some("HTTP/1.1"), None)
            if !method.is_empty()
                && target.starts_with('/')
                && !target.contains('#')
                && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) =>
        {
            if target.len() > TARGET_MAX {
                return Err(RequestLineError::TooLong);
            }
            Ok(target.to_owned())
        }
        _ => Err(RequestLineError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn line(text: &[u8]) -> Result<String, RequestLineError> {
        let mut buffer = BytesMut::new();
        read(&mut &text[..], &mut buffer).await
    }

    #[tokio::test]
    async fn the_target_is_given_as_it_was_sent() {
        let target = line(b"GET /api/v1/pods?x=%41 HTTP/1.1\r\nHost: a\r\n").await;
        assert_eq!(target.unwrap(), "/api/v1/pods?x=%41");
    }

    #[tokio::test]
    async fn k8_k18_fragments_bare_line_feeds_controls_and_other_versions_are_refused() {
        for text in [
            &b"GET /api/v1/pods#x HTTP/1.1\r\n"[..],
            b"GET /api HTTP/1.1\n",
            b"GET /api HTTP/1.0\r\n",
            b"GET /api HTTP/2.0\r\n",
            b"GET  /api HTTP/1.1\r\n",
            b"GET /a b HTTP/1.1\r\n",
            b"GET /a\0 HTTP/1.1\r\n",
            b"GET /a\r HTTP/1.1\r\n",
            b"GET /\xc3\xa4 HTTP/1.1\r\n",
            b" /api HTTP/1.1\r\n",
            b"GET /api\r\n",
            b"GET api HTTP/1.1\r\n",
            b"GET * HTTP/1.1\r\n",
            b"GET https://evil.example/api HTTP/1.1\r\n",
            b"CONNECT evil.example:443 HTTP/1.1\r\n",
            b"\r\n",
        ] {
            assert!(
                matches!(line(text).await, Err(RequestLineError::Malformed)),
                "{text:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_given_up() {
        let long = [&b"GET /"[..], &vec![b'a'; LINE_MAX + READ_AHEAD]].concat();
        assert!(matches!(line(&long).await, Err(RequestLineError::TooLong)));
        assert!(matches!(
            line(b"GET /").await,
            Err(RequestLineError::Stream(_))
        ));
    }
}
