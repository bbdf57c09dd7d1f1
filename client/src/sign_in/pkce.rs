//! Proof key for code exchange (RFC 7636, method S256).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::random;

/// The secret that finishes the sign-in that its hash began.
pub(super) struct Verifier(Zeroizing<String>);

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(…)")
    }
}

impl Verifier {
    /// Makes one of 32 random bytes.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self(Zeroizing::new(random::text::<32>()?)))
    }

    /// Its hash, base64url (section 4.2).
    #[must_use]
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_bytes()))
    }

    /// The secret itself, for the request that finishes.
    #[must_use]
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // RFC 7636, appendix B.
        let text = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let verifier = Verifier(Zeroizing::new(text));
        assert_eq!(
            verifier.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn each_verifier_is_new_and_long_enough() {
        let (one, two) = (Verifier::new().unwrap(), Verifier::new().unwrap());
        assert_ne!(one.expose(), two.expose());
        assert!(one.expose().len() >= 43, "section 4.1");
    }
}
