//! Public keys: identities of devices, clusters and gateways.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};

use crate::label::{Hash, sha256};

/// SubjectPublicKeyInfo of an uncompressed P-256 point up to the point (RFC 5480, section 2).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Length of an uncompressed P-256 point with its leading 0x04 (SEC 1, section 2.3.3).
const P256_POINT: usize = 65;
/// SubjectPublicKeyInfo of an Ed25519 key up to the key (RFC 8410, section 4).
const ED25519_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Why bytes are not a public key of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the SubjectPublicKeyInfo of an uncompressed P-256 point.
    #[error("not a P-256 public key in SubjectPublicKeyInfo form")]
    NotP256,
    /// Not 32 bytes of an Ed25519 key.
    #[error("not an Ed25519 public key of 32 bytes")]
    NotEd25519,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
}

/// SHA-256 of a key's SubjectPublicKeyInfo, shown as `SHA256:` and base64 without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub Hash);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.strip_prefix("SHA256:")
            .and_then(|rest| STANDARD_NO_PAD.decode(rest).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(KeyError::NotP256)
    }
}

/// A P-256 public key: the identity of a device, a cluster or the gateways.
///
/// That its point lies on the curve is checked where it verifies a signature.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; P256_PREFIX.len() + P256_POINT]);

impl PublicKey {
    /// Takes SubjectPublicKeyInfo DER.
    ///
    /// # Errors
    /// [`KeyError::NotP256`] for any other algorithm, curve, point form or length.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let bytes: [u8; P256_PREFIX.len() + P256_POINT] =
            der.try_into().map_err(|_| KeyError::NotP256)?;
        let (prefix, point) = bytes.split_at(P256_PREFIX.len());
        if prefix == P256_PREFIX && point.first() == Some(&0x04) {
            Ok(Self(bytes))
        } else {
            Err(KeyError::NotP256)
        }
    }

    /// Takes an uncompressed point of 65 bytes (SEC 1, section 2.3.3).
    ///
    /// # Errors
    /// [`KeyError::NotP256`] for any other form.
    pub fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        Self::from_spki(&[&P256_PREFIX, point].concat())
    }

    /// SubjectPublicKeyInfo DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.0
    }

    /// The uncompressed point.
    #[must_use]
    pub fn point(&self) -> &[u8] {
        self.0.split_at(P256_PREFIX.len()).1
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(sha256(&self.0))
    }

    /// Verifies an ECDSA signature with SHA-256 in DER (RFC 3279, section 2.2.3) over `message`.
    ///
    /// # Errors
    /// [`KeyError::Signature`] if it does not verify, or the point is not on the curve.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.point())
            .verify(message, signature)
            .map_err(|_| KeyError::Signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

/// An Ed25519 public key: what an invitation's key is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InvitationPublicKey([u8; 32]);

impl InvitationPublicKey {
    /// Takes the 32 bytes of the key (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// [`KeyError::NotEd25519`] for another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map(Self).map_err(|_| KeyError::NotEd25519)
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// SHA-256 of its SubjectPublicKeyInfo (RFC 8410).
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(sha256(&[&ED25519_PREFIX[..], &self.0].concat()))
    }

    /// Verifies an Ed25519 signature over `message`.
    ///
    /// # Errors
    /// [`KeyError::Signature`] if it does not verify.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .map_err(|_| KeyError::Signature)
    }
}

impl fmt::Debug for InvitationPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InvitationPublicKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    fn pair() -> EcdsaKeyPair {
        let rng = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &rng).unwrap();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &rng).unwrap()
    }

    #[test]
    fn a_signature_verifies_with_its_key_only() {
        let (one, other) = (pair(), pair());
        let signature = one.sign(&SystemRandom::new(), b"message").unwrap();
        let key = |pair: &EcdsaKeyPair| PublicKey::from_point(pair.public_key().as_ref()).unwrap();
        assert_eq!(key(&one).verify(b"message", signature.as_ref()), Ok(()));
        assert!(key(&other).verify(b"message", signature.as_ref()).is_err());
        assert!(key(&one).verify(b"massage", signature.as_ref()).is_err());
    }

    #[test]
    fn c9_a_point_off_the_curve_verifies_nothing() {
        let mut point = pair().public_key().as_ref().to_vec();
        point[64] ^= 1;
        let key = PublicKey::from_point(&point).unwrap();
        let signature = pair().sign(&SystemRandom::new(), b"m").unwrap();
        assert!(key.verify(b"m", signature.as_ref()).is_err());
    }

    #[test]
    fn c9_other_lengths_and_forms_are_refused() {
        let key = PublicKey::from_point(pair().public_key().as_ref()).unwrap();
        for len in 0..key.spki().len() {
            assert!(PublicKey::from_spki(&key.spki()[..len]).is_err());
        }
        let mut compressed = key.spki().to_vec();
        compressed[26] = 0x02;
        assert!(PublicKey::from_spki(&compressed).is_err());
    }

    #[test]
    fn a_fingerprint_reads_back() {
        let print = PublicKey::from_point(pair().public_key().as_ref())
            .unwrap()
            .fingerprint();
        assert_eq!(print.to_string().parse(), Ok(print));
    }
}
