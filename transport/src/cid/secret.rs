//! The gateways' route secret, and the keys that are derived from it.

use std::fmt;
use std::path::Path;

use adit_proto::key::PublicKey;
use quinn_proto::crypto::{CryptoError, HmacKey};
use ring::hmac;
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use super::generator::{ControlIds, IdSeed, RandomnessError};
use super::{OVERLAY_BIT, RouteId};
use crate::secret_file::{self, Readers, SecretFileError};

/// The length of the secret, in bytes.
const SECRET_LEN: usize = 32;

/// The length of an instance, in bytes: random bytes that a process makes when it starts.
pub const INSTANCE_LEN: usize = 16;

/// What every gateway of a deployment knows, and from which routes, resets and control connection IDs follow.
///
/// Nothing of that is issued or stored: each gateway, and the same one after a restart, computes the same. Whoever has
/// it can reset control connections and recognise parties; no link can be read or opened with it.
pub struct RouteSecret(Zeroizing<[u8; SECRET_LEN]>);

impl fmt::Debug for RouteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouteSecret(..)")
    }
}

/// Why there is no route secret.
#[derive(Debug, thiserror::Error)]
pub enum RouteSecretError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The file does not hold 32 bytes.
    #[error("the route secret must be {SECRET_LEN} bytes")]
    Length,
    /// No randomness could be had to make one.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

impl RouteSecret {
    /// Takes 32 secret bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; SECRET_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the secret in `path`, or makes one and stores it there, mode 0600, if there is none.
    ///
    /// # Errors
    /// [`RouteSecretError`] names the file that others can read, or what else is wrong.
    pub fn load_or_generate(path: &Path, rng: &dyn SecureRandom) -> Result<Self, RouteSecretError> {
        match secret_file::read(path, Readers::Owner) {
            Ok(bytes) => Self::from_slice(&bytes),
            Err(SecretFileError::Missing { .. }) => {
                let mut made = Zeroizing::new([0; SECRET_LEN]);
                rng.fill(made.as_mut_slice()).map_err(|_| RandomnessError)?;
                match secret_file::create(path, made.as_slice()) {
                    // Another process was faster: its secret counts.
                    Err(SecretFileError::Exists { .. }) => {
                        Self::from_slice(&secret_file::read(path, Readers::Owner)?)
                    }
                    created => Ok(created.map(|()| Self(made))?),
                }
            }
            Err(other) => Err(other.into()),
        }
    }

    fn from_slice(bytes: &[u8]) -> Result<Self, RouteSecretError> {
        bytes
            .try_into()
            .map(Self::from_bytes)
            .map_err(|_| RouteSecretError::Length)
    }

    /// The route of the process that proved `key` on its control connection and calls itself `instance`.
    #[must_use]
    pub fn route_of(&self, key: &PublicKey, instance: &[u8; INSTANCE_LEN]) -> RouteId {
        let mut context = hmac::Context::with_key(&self.subkey("adit/1/route"));
        context.update(key.spki());
        context.update(instance);
        RouteId(first_eight(context.sign().as_ref()) | OVERLAY_BIT)
    }

    /// The key of the gateways' stateless resets (RFC 9000, section 10.3).
    #[must_use]
    pub fn reset_key(&self) -> ResetKey {
        ResetKey(self.subkey("adit/1/reset"))
    }

    /// The generator of a gateway's control connection IDs, which knows those of the process before it.
    ///
    /// # Errors
    /// [`RandomnessError`] when `rng` fails.
    pub fn control_ids(&self, rng: &dyn SecureRandom) -> Result<ControlIds, RandomnessError> {
        Ok(ControlIds::new(
            self.subkey("adit/1/cid"),
            IdSeed::new(rng)?,
        ))
    }

    /// The key of the tokens in a `challenge` ([`crate::rebind`]), so that a gateway keeps no state for one.
    #[must_use]
    pub fn rebind_key(&self) -> hmac::Key {
        self.subkey("adit/1/rebind")
    }

    fn subkey(&self, label: &str) -> hmac::Key {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        hmac::Key::new(
            hmac::HMAC_SHA256,
            hmac::sign(&secret, label.as_bytes()).as_ref(),
        )
    }
}

/// The key of stateless resets, for [`quinn::EndpointConfig::new`].
#[derive(Debug, Clone)]
pub struct ResetKey(hmac::Key);

impl ResetKey {
    /// A key that nobody can know: for an endpoint whose resets need not outlive it.
    ///
    /// # Errors
    /// [`RandomnessError`] when `rng` fails.
    pub fn ephemeral(rng: &dyn SecureRandom) -> Result<Self, RandomnessError> {
        hmac::Key::generate(hmac::HMAC_SHA256, rng)
            .map(Self)
            .map_err(|_| RandomnessError)
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(hmac::sign(&self.0, data).as_ref());
    }

    fn signature_len(&self) -> usize {
        ring::digest::SHA256_OUTPUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        hmac::verify(&self.0, data, signature).map_err(|_| CryptoError)
    }
}

/// The first 8 bytes of a MAC, big endian; a MAC is never shorter.
pub(super) fn first_eight(mac: &[u8]) -> u64 {
    mac.first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;
    use crate::key::{DeviceSigner, PrivateKey};

    #[test]
    fn a_route_follows_from_secret_key_and_instance_and_from_nothing_else() {
        let rng = SystemRandom::new();
        let (one, two) = (
            PrivateKey::generate(&rng).unwrap(),
            PrivateKey::generate(&rng).unwrap(),
        );
        let (before, after) = (
            RouteSecret::from_bytes([7; 32]),
            RouteSecret::from_bytes([7; 32]),
        );
        let route = before.route_of(one.public_key(), &[1; 16]);
        assert_eq!(
            route,
            after.route_of(one.public_key(), &[1; 16]),
            "a restart"
        );
        assert_ne!(
            route,
            before.route_of(one.public_key(), &[2; 16]),
            "another instance"
        );
        assert_ne!(
            route,
            before.route_of(two.public_key(), &[1; 16]),
            "another key"
        );
        assert_ne!(
            route,
            RouteSecret::from_bytes([8; 32]).route_of(one.public_key(), &[1; 16])
        );
        assert_eq!(
            RouteId::from_bits(route.bits()),
            Some(route),
            "its class is overlay"
        );
    }

    #[test]
    fn a_stored_secret_is_read_back_and_a_short_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("route.secret");
        let made = RouteSecret::load_or_generate(&path, &SystemRandom::new()).unwrap();
        let read = RouteSecret::load_or_generate(&path, &SystemRandom::new()).unwrap();
        assert_eq!(made.0, read.0);
        let short = dir.path().join("short");
        secret_file::create(&short, b"short").unwrap();
        let refused = RouteSecret::load_or_generate(&short, &SystemRandom::new());
        assert!(matches!(refused, Err(RouteSecretError::Length)));
    }
}
