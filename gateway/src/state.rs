//! The state directory: the gateways' keys, the route secret, and until genesis the seed of the first invitation.
//!
//! | file | holds |
//! | --- | --- |
//! | `gateways.key` | the gateways' key, PKCS#8 |
//! | `gateways-next.key` | its successor, to be taken away after `init`; `gateways-next.pub` stays |
//! | `route.secret` | what route ids are made with |
//! | `audit.chain` | the name of this gateway's audit chain |
//! | `first-invitation.seed` | removed once a genesis is stored |
//!
//! Each has mode 0600 and is written whole or not at all. Several gateways of one deployment share all but `audit.chain`.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adit_proto::key::PublicKey;
use adit_proto::secret::Secret;
use adit_transport::cid::{RouteSecret, RouteSecretError};
use adit_transport::key::{DeviceSigner, PrivateKey, PrivateKeyError};
use adit_transport::secret_file::{self, Readers, SecretFileError};

use crate::clock::Entropy;

const KEY: &str = "gateways.key";
const NEXT_KEY: &str = "gateways-next.key";
const NEXT_PUBLIC: &str = "gateways-next.pub";
const ROUTE: &str = "route.secret";
const CHAIN: &str = "audit.chain";
const SEED: &str = "first-invitation.seed";

/// Why the state directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A key cannot be read or made.
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
    /// The route secret cannot be read or made.
    #[error(transparent)]
    Route(#[from] RouteSecretError),
    /// Another file cannot be read or made.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The directory cannot be made.
    #[error("cannot make the state directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{} does not hold what belongs there; restore it from a backup", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
}

impl StateError {
    /// Whether `init` was never run here.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Key(PrivateKeyError::File(SecretFileError::Missing { .. }))
                | Self::File(SecretFileError::Missing { .. })
        )
    }
}

/// What a running gateway keeps in memory of the directory.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The gateways' key.
    pub gateways: Arc<dyn DeviceSigner>,
    /// The public half of its successor.
    pub next: PublicKey,
    /// What route ids are made with.
    pub route: Arc<RouteSecret>,
    /// The name of this gateway's audit chain.
    pub audit_chain: [u8; 16],
}

/// The directory.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// Names the directory; nothing is read yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes what is missing and reads the rest. What exists is never replaced.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn init(&self, entropy: &Entropy) -> Result<Keys, StateError> {
        let path = &self.0;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| StateError::Directory {
                path: path.clone(),
                source,
            })?;
        PrivateKey::load_or_generate(&self.file(KEY), entropy.ring())?;
        self.init_next(entropy)?;
        RouteSecret::load_or_generate(&self.file(ROUTE), entropy.ring())?;
        self.init_bytes(CHAIN, &entropy.bytes::<16>())?;
        self.load()
    }

    /// Reads the directory of an initialised gateway.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::is_missing`] if `init` was not run.
    pub fn load(&self) -> Result<Keys, StateError> {
        let next = self.read::<91>(NEXT_PUBLIC)?;
        let path = || self.file(NEXT_PUBLIC);
        Ok(Keys {
            gateways: PrivateKey::load(&self.file(KEY), Readers::Owner)?.into_signer(),
            next: PublicKey::from_spki(&next).map_err(|_| StateError::Content { path: path() })?,
            route: Arc::new(RouteSecret::from_bytes(self.read(ROUTE)?)),
            audit_chain: self.read(CHAIN)?,
        })
    }

    /// The first invitation's seed, made if there is none. It is in no database and goes away with
    /// [`StateDir::forget_first_invitation`].
    ///
    /// # Errors
    /// [`StateError`].
    pub fn first_invitation(&self, entropy: &Entropy) -> Result<Secret<[u8; 16]>, StateError> {
        self.init_bytes(SEED, &entropy.bytes::<16>())?;
        self.read(SEED).map(Secret::new)
    }

    /// Removes the first invitation's seed, once there is a genesis.
    ///
    /// # Errors
    /// [`StateError::File`].
    pub fn forget_first_invitation(&self) -> Result<(), StateError> {
        let path = self.file(SEED);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                let operation = "remove";
                Err(SecretFileError::Io {
                    operation,
                    path,
                    source,
                }
                .into())
            }
            _ => Ok(()),
        }
    }

    /// The file that an operator takes away after `init`, if it is still here.
    #[must_use]
    pub fn successor_here(&self) -> Option<PathBuf> {
        Some(self.file(NEXT_KEY)).filter(|path| path.exists())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The successor is made once: its public half stays when the file is taken away.
    fn init_next(&self, entropy: &Entropy) -> Result<(), StateError> {
        match self.read::<91>(NEXT_PUBLIC) {
            Err(error) if error.is_missing() => {}
            other => return other.map(drop),
        }
        let next = PrivateKey::load_or_generate(&self.file(NEXT_KEY), entropy.ring())?;
        self.init_bytes(NEXT_PUBLIC, next.public_key().spki())
    }

    fn init_bytes(&self, name: &str, content: &[u8]) -> Result<(), StateError> {
        match secret_file::create(&self.file(name), content) {
            Err(SecretFileError::Exists { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn read<const N: usize>(&self, name: &str) -> Result<[u8; N], StateError> {
        let path = self.file(name);
        let bytes = secret_file::read(&path, Readers::Owner)?;
        bytes[..]
            .try_into()
            .map_err(|_| StateError::Content { path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn init_twice_keeps_every_key_and_the_successor_may_be_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(&dir.path().join("adit"));
        assert!(state.load().unwrap_err().is_missing());
        let entropy = Entropy::default();
        let first = state.init(&entropy).unwrap();
        std::fs::remove_file(state.successor_here().unwrap()).unwrap();
        let second = state.init(&entropy).unwrap();
        assert_eq!(first.gateways.public_key(), second.gateways.public_key());
        assert_eq!(first.next, second.next);
        assert_eq!(first.audit_chain, second.audit_chain);
        assert_eq!(state.successor_here(), None);
        for entry in std::fs::read_dir(dir.path().join("adit")).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o600);
        }
    }

    #[test]
    fn the_first_invitation_is_the_same_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        let entropy = Entropy::default();
        let one = state.first_invitation(&entropy).unwrap();
        let again = state.first_invitation(&entropy).unwrap();
        assert_eq!(one.expose(), again.expose());
        state.forget_first_invitation().unwrap();
        state.forget_first_invitation().unwrap();
        let new = state.first_invitation(&entropy).unwrap();
        assert_ne!(one.expose(), new.expose());
    }
}
