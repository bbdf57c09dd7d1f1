//! A service account's token: read again as it is replaced, never used when it is empty or expired.

use std::path::PathBuf;
use std::time::Duration;

use adit_proto::time::UnixMillis;
use arc_swap::ArcSwapOption;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde::Deserialize;

use crate::clock::{Clock, SystemClock};

/// How often the file is read. The kubelet replaces it when 80 % of its life (an hour) are over.
const REREAD: Duration = Duration::from_secs(10);

/// The value of the Authorization header, if there is one that may be sent.
pub struct Bearer {
    file: Option<PathBuf>,
    current: ArcSwapOption<Token>,
}

struct Token {
    header: HeaderValue,
    expires: Option<UnixMillis>,
}

/// The claim of a JWT that is looked at (RFC 7519, section 4.1.4).
#[derive(Deserialize)]
struct Claims {
    exp: Option<u64>,
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearer")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Bearer {
    /// A token that does not change.
    #[must_use]
    pub fn fixed(token: &str) -> Self {
        Self {
            file: None,
            current: ArcSwapOption::new(parse(token).map(Into::into)),
        }
    }

    /// The token in a file, which is read at once.
    #[must_use]
    pub fn from_file(file: PathBuf) -> Self {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Self {
            file: Some(file),
            current: ArcSwapOption::new(parse(&text).map(Into::into)),
        }
    }

    /// Reads the file again and again. Ends at once for a token that does not change.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn refresh(&self) {
        let Some(file) = &self.file else { return };
        loop {
            tokio::time::sleep(REREAD).await;
            match tokio::fs::read_to_string(file).await {
                Ok(text) => self.current.store(parse(&text).map(Into::into)),
                Err(error) => {
                    // The token in hand stays until it expires.
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the token file cannot be read"
                    );
                }
            }
        }
    }

    /// The header's value; `None` where there is no token that the API server could accept.
    #[must_use]
    pub fn header(&self) -> Option<HeaderValue> {
        let token = self.current.load();
        let token = token.as_ref()?;
        match token.expires {
            Some(expires) if SystemClock.wall() >= expires => None,
            _ => Some(token.header.clone()),
        }
    }
}

fn parse(text: &str) -> Option<Token> {
    let token = text.trim();
    if token.is_empty() {
        return None;
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(Token {
        header,
        expires: expires(token),
    })
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

    fn jwt(exp: u64) -> String {
        format!(
            "x.{}.y",
            URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{exp}}}"))
        )
    }

    #[test]
    fn k7_an_empty_expired_or_impossible_token_is_none() {
        for text in ["", " \n", "a\nb", "a\0", &jwt(1)] {
            assert!(Bearer::fixed(text).header().is_none(), "{text:?}");
        }
        assert!(
            Bearer::from_file("/nonexistent/token".into())
                .header()
                .is_none()
        );
    }

    #[test]
    fn a_valid_token_is_sent_and_not_shown() {
        for text in ["opaque\n".to_owned(), jwt(99_999_999_999)] {
            let header = Bearer::fixed(&text).header().unwrap();
            assert_eq!(header.to_str().unwrap(), format!("Bearer {}", text.trim()));
            assert!(header.is_sensitive());
        }
        assert!(!format!("{:?}", Bearer::fixed("canary")).contains("canary"));
    }
}
