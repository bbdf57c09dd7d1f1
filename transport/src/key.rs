//! The private half of an identity: a P-256 key that signs, in a file or behind a [`DeviceSigner`].
//!
//! The public half and its fingerprint are [`adit_proto::key`]. A private key never leaves this module but into its own
//! 0600 file, and has no `Display`, no `Serialize` and a redacted `Debug`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_proto::key::PublicKey;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::secret_file::{self, Readers, SecretFileError};

/// Signs with a device's, a cluster's or the gateways' key, wherever that key lives.
///
/// [`PrivateKey`] is the implementation for a key in a file; a TPM is another. `sign` may block: the TLS layer calls it
/// inside `block_in_place` where the runtime has that.
pub trait DeviceSigner: fmt::Debug + Send + Sync + 'static {
    /// Returns the public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs SHA-256 of `message` with ECDSA and returns the signature in DER (RFC 3279, section 2.2.3).
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// No randomness could be had for the signature.
    #[error("the system gave no randomness for a signature")]
    Randomness,
    /// The hardware that holds the key does not answer or refused.
    #[error("the device that holds the key did not sign")]
    Device,
}

/// Why there is no private key.
#[derive(Debug, thiserror::Error)]
pub enum PrivateKeyError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The file holds something else than a P-256 key in PKCS#8.
    #[error("{} does not hold a P-256 key in PKCS#8", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// No randomness could be had to make one.
    #[error("the system gave no randomness to make a key")]
    Randomness,
}

/// A P-256 key in memory, to sign with.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`PrivateKeyError::Randomness`] when `rng` fails.
    pub fn generate(rng: &dyn SecureRandom) -> Result<Self, PrivateKeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, rng)
            .map_err(|_| PrivateKeyError::Randomness)?;
        Self::from_pkcs8(Zeroizing::new(document.as_ref().to_vec()), rng)
            .ok_or(PrivateKeyError::Randomness)
    }

    /// Reads a key from a file that only its owner can read.
    ///
    /// # Errors
    /// [`PrivateKeyError::File`] names a file that others can read and its mode; [`PrivateKeyError::NotAKey`] one that
    /// holds something else.
    pub fn load(path: &Path, readers: Readers) -> Result<Self, PrivateKeyError> {
        let bytes = secret_file::read(path, readers)?;
        Self::from_pkcs8(bytes, &SystemRandom::new()).ok_or_else(|| PrivateKeyError::NotAKey {
            path: path.to_owned(),
        })
    }

    /// Writes the key to a new 0600 file, whole or not at all.
    ///
    /// # Errors
    /// [`PrivateKeyError::File`]; a file that exists is not overwritten.
    pub fn store(&self, path: &Path) -> Result<(), PrivateKeyError> {
        Ok(secret_file::create(path, &self.pkcs8)?)
    }

    /// Reads the key in `path`, or makes one and stores it there if there is none.
    ///
    /// # Errors
    /// As [`load`](Self::load), [`generate`](Self::generate) and [`store`](Self::store).
    pub fn load_or_generate(path: &Path, rng: &dyn SecureRandom) -> Result<Self, PrivateKeyError> {
        match Self::load(path, Readers::Owner) {
            Err(PrivateKeyError::File(SecretFileError::Missing { .. })) => {}
            other => return other,
        }
        let key = Self::generate(rng)?;
        match key.store(path) {
            // Another process was faster: its key counts.
            Err(PrivateKeyError::File(SecretFileError::Exists { .. })) => {
                Self::load(path, Readers::Owner)
            }
            stored => stored.map(|()| key),
        }
    }

    /// Returns the key in PKCS#8, for the one place that must hand it on: the files of a new cluster.
    #[must_use]
    pub fn pkcs8(&self) -> &Zeroizing<Vec<u8>> {
        &self.pkcs8
    }

    /// Shares the key as a signer.
    #[must_use]
    pub fn into_signer(self) -> Arc<dyn DeviceSigner> {
        Arc::new(self)
    }

    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>, rng: &dyn SecureRandom) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, rng).ok()?;
        let public = PublicKey::from_point(pair.public_key().as_ref()).ok()?;
        Some(Self {
            pair,
            public,
            pkcs8,
        })
    }
}

impl DeviceSigner for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message)
            .map_err(|_| SignError::Randomness)?;
        Ok(signature.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_comes_back_and_signs_for_its_public_half() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        let made = PrivateKey::load_or_generate(&path, &SystemRandom::new()).unwrap();
        let read = PrivateKey::load_or_generate(&path, &SystemRandom::new()).unwrap();
        assert_eq!(made.public_key(), read.public_key());
        let signature = read.sign(b"message").unwrap();
        made.public_key().verify(b"message", &signature).unwrap();
        assert!(made.public_key().verify(b"other", &signature).is_err());
    }

    #[test]
    fn a_file_without_a_key_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        secret_file::create(&path, b"not a key").unwrap();
        let refused = PrivateKey::load(&path, Readers::Owner).unwrap_err();
        assert!(matches!(&refused, PrivateKeyError::NotAKey { path: named } if *named == path));
    }

    #[test]
    fn debug_shows_nothing_of_the_private_half() {
        let key = PrivateKey::generate(&SystemRandom::new()).unwrap();
        let shown = format!("{key:?}");
        assert!(
            shown.contains("PrivateKey") && !shown.contains("pkcs8") && !shown.contains("pair"),
            "{shown}"
        );
    }
}
