//! The device key of an enrolment that has not ended: staged in the profile's directory, without a profile.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use adit_transport::key::PrivateKey;
use ring::rand::SystemRandom;
use rustix::fs::{FlockOperation, flock};

use crate::exit::{Exit, Failure};
use crate::paths::Paths;
use crate::private_file;
use crate::profile::{self, Profile, ProfileError, ProfileName};
use crate::statement::causes;

/// A device key that no roster names yet. One enrolment of a profile at a time holds it.
#[derive(Debug)]
pub struct Staged {
    key: PrivateKey,
    lock: File,
}

impl Staged {
    /// Makes a key for the profile `name`, in the place of one that an enrolment left that was cut off: should that one
    /// have got into the roster after all, it cannot be enrolled again.
    ///
    /// # Errors
    /// A failure if the profile is enrolled, or another enrolment is under way.
    pub fn make(paths: &Paths, name: &ProfileName) -> Result<Self, Failure> {
        let failed = |error: &dyn std::error::Error| Failure::new(causes(error));
        private_file::directory(&paths.profile(name)).map_err(|error| failed(&error))?;
        let lock = lock(&paths.profile(name).join("enrol.lock"))?;
        match Profile::load(paths, name) {
            Err(ProfileError::Unknown(_)) => {}
            Ok(profile) => {
                let text = format!("this machine is enrolled with {} already", profile.gateway);
                let repair = "add --profile NAME to enrol with another gateway";
                return Err(Failure::new(text).exiting(Exit::Usage).repaired_by(repair));
            }
            Err(error) => return Err(failed(&error)),
        }
        let file = profile::key_file(paths, name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&error)),
            Ok(()) | Err(_) => {}
        }
        let key = PrivateKey::generate(&SystemRandom::new()).map_err(|error| failed(&error))?;
        key.store(&file).map_err(|error| failed(&error))?;
        Ok(Self { key, lock })
    }

    /// The key, and what has to be kept until the profile is written.
    #[must_use]
    pub fn into_parts(self) -> (PrivateKey, File) {
        (self.key, self.lock)
    }
}

fn lock(path: &Path) -> Result<File, Failure> {
    let file = private_file::append_to(path).map_err(|error| Failure::new(causes(&error)))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Failure::new("another `adit enrol` is under way")
            .repaired_by("end it, or wait until it has ended")
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use adit_transport::key::DeviceSigner;
    use adit_transport::secret_file::Readers;

    use super::*;
    use crate::profile::tests::{paths, profile};

    #[test]
    fn a_repeat_replaces_what_a_killed_enrolment_left_and_two_at_once_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let (paths, name) = (paths(scratch.path()), "default".parse().unwrap());
        let one = Staged::make(&paths, &name).unwrap();
        assert!(Staged::make(&paths, &name).is_err(), "one at a time");
        let first = one.key.public_key().clone();
        drop(one);
        assert!(
            profile::list(&paths).unwrap().is_empty(),
            "a staged key is no profile"
        );
        let (key, _lock) = Staged::make(&paths, &name).unwrap().into_parts();
        assert_ne!(*key.public_key(), first);
        let stored = PrivateKey::load(&profile::key_file(&paths, &name), Readers::Owner).unwrap();
        assert_eq!(stored.public_key(), key.public_key());
    }

    #[test]
    fn the_key_of_an_enrolled_profile_is_never_touched() {
        let scratch = tempfile::tempdir().unwrap();
        let (paths, name) = (paths(scratch.path()), "default".parse().unwrap());
        drop(Staged::make(&paths, &name).unwrap());
        profile().save(&paths, &name).unwrap();
        let before = fs::read(profile::key_file(&paths, &name)).unwrap();
        let failure = Staged::make(&paths, &name).unwrap_err();
        assert!(failure.message.contains("gw.example.org"), "{failure}");
        assert_eq!(fs::read(profile::key_file(&paths, &name)).unwrap(), before);
    }
}
