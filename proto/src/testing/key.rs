//! A P-256 key of a device, a cluster or the gateways.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use crate::key::{Fingerprint, PublicKey};

/// A P-256 key pair.
pub struct TestKey {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
    public: PublicKey,
}

impl TestKey {
    /// Makes a key.
    #[must_use]
    pub fn generate() -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .expect("the system has randomness");
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// Takes a key in PKCS #8.
    #[must_use]
    pub fn from_pkcs8(pkcs8: &[u8]) -> Self {
        let rng = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &rng)
            .expect("the bytes are PKCS #8 of a P-256 key");
        let public = PublicKey::from_point(pair.public_key().as_ref())
            .expect("ring's points are uncompressed");
        Self {
            pair,
            pkcs8: pkcs8.to_vec(),
            public,
        }
    }

    /// The key in PKCS #8, to give to an endpoint or to write to a file.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The public key's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.public.fingerprint()
    }

    /// Signs with SHA-256, in DER.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature
            .expect("the system has randomness")
            .as_ref()
            .to_vec()
    }
}

impl std::fmt::Debug for TestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TestKey({})", self.fingerprint())
    }
}

impl Clone for TestKey {
    fn clone(&self) -> Self {
        Self::from_pkcs8(&self.pkcs8)
    }
}
