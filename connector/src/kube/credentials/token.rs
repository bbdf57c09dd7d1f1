//! A service account's token: never used when it is empty or expired.

use adit_proto::time::UnixMillis;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde::Deserialize;

use crate::clock::{Clock, SystemClock};

/// The value of the Authorization header, while it may be sent.
pub(in crate::kube) struct Token {
    header: HeaderValue,
    expires: Option<UnixMillis>,
}

/// The claim of a JWT that is looked at (RFC 7519, section 4.1.4).
#[derive(Deserialize)]
struct Claims {
    exp: Option<u64>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// The token in this text; `None` if there is none that a header can carry.
    pub(in crate::kube) fn parse(text: &str) -> Option<Self> {
        let token = text.trim();
        if token.is_empty() {
            return None;
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        header.set_sensitive(true);
        Some(Self {
            header,
            expires: expires(token),
        })
    }

    /// The header's value; `None` once the API server would not accept it any more.
    pub(in crate::kube) fn header(&self) -> Option<HeaderValue> {
        match self.expires {
            Some(expires) if SystemClock.wall() >= expires => None,
            _ => Some(self.header.clone()),
        }
    }
}

/// When a JWT expires. Any other token has no time that could be read.
fn expires(token: &str) -> Option<UnixMillis> {
    let payload = token.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims
        .exp
        .map(|seconds| UnixMillis(seconds.saturating_mul(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Option<HeaderValue> {
        Token::parse(text).and_then(|token| token.header())
    }

    fn jwt(exp: u64) -> String {
        format!(
            "x.{}.y",
            URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{exp}}}"))
        )
    }

    #[test]
    fn k7_an_empty_expired_or_impossible_token_is_none() {
        for text in ["", " \n", "a\nb", "a\0", &jwt(1)] {
            assert!(header(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_valid_token_is_sent_and_not_shown() {
        for text in ["opaque\n".to_owned(), jwt(99_999_999_999)] {
            let header = header(&text).unwrap();
            assert_eq!(header.to_str().unwrap(), format!("Bearer {}", text.trim()));
            assert!(header.is_sensitive());
        }
        let shown = format!("{:?}", Token::parse("canary").unwrap());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
