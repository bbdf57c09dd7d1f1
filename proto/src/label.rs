//! Domain separation: every hash and MAC of the protocol begins with a label of its own.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// A statement's hash, which its signer signs.
pub const STATEMENT: &str = "adit/1/statement";
/// The challenge of a touch over a statement's body.
pub const SIGN: &str = "adit/1/sign";
/// The challenge of a sign-in.
pub const SIGN_IN: &str = "adit/1/sign-in";
/// The challenge of a passkey's registration during enrolment.
pub const REGISTER: &str = "adit/1/register";
/// The challenge of the registration of a further passkey.
pub const OWN_PASSKEY: &str = "adit/1/own-passkey";
/// HKDF info of the invitation key.
pub const INVITATION: &str = "adit/1/invitation";
/// What an invitation key signs on first contact.
pub const ENROL_START: &str = "adit/1/enrol-start";
/// What a device's evidence signs during enrolment.
pub const ENROL_EVIDENCE: &str = "adit/1/enrol-evidence";
/// The digest of a policy's text.
pub const POLICY: &str = "adit/1/policy";
/// The hash of an audit record.
pub const AUDIT: &str = "adit/1/audit";
/// The digest that is shown as words.
pub const WORDS: &str = "adit/1/words";

/// Hashes `label` and then each part, without lengths: callers pass parts of fixed length, the last one excepted.
#[must_use]
pub fn digest(label: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(label.as_bytes());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// SHA-256 of `bytes`, for places where the format says so without a label (statement bodies, fingerprints).
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_separate_equal_content() {
        assert_ne!(digest(SIGN, &[b"x"]), digest(SIGN_IN, &[b"x"]));
    }
}
