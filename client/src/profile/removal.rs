//! The end of a profile on this machine: first out of the way as a whole, then erased.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{IN_USE, ProfileError, ProfileName, choose, in_use};
use crate::paths::Paths;
use crate::private_file::PrivateFileError;

/// The files of a profile that is none any more. They are to be erased once nobody uses them.
#[derive(Debug)]
#[must_use = "the device key is still on the disk"]
pub struct Removed(PathBuf);

impl Removed {
    /// Takes the profile `name` away in one step: from now on this machine is not enrolled with its gateway.
    ///
    /// # Errors
    /// [`ProfileError::Unknown`], or what the system said; then the profile is as it was.
    pub fn take(paths: &Paths, name: &ProfileName) -> Result<Self, ProfileError> {
        choose(paths, Some(name))?;
        // No name of a profile begins with a dot.
        let aside = paths.state().join(format!(".{name}.removed"));
        // What a removal left that was cut off.
        erase(&aside)?;
        let directory = paths.profile(name);
        std::fs::rename(&directory, &aside).map_err(failed("rename", &directory))?;
        if in_use(paths)?.as_ref() == Some(name) {
            let file = paths.state().join(IN_USE);
            std::fs::remove_file(&file).map_err(failed("remove", &file))?;
        }
        Ok(Self(aside))
    }

    /// Erases key and state.
    ///
    /// # Errors
    /// What the system said, with the path of what is left.
    pub fn erase(self) -> Result<(), ProfileError> {
        erase(&self.0)
    }
}

fn erase(directory: &Path) -> Result<(), ProfileError> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(failed("remove", directory)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ProfileError {
    let path = path.to_owned();
    move |source| {
        ProfileError::File(PrivateFileError::Io {
            operation,
            path,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_file;
    use crate::profile::tests::{paths, profile};
    use crate::profile::{key_file, list, make_default};

    #[test]
    fn a_removed_profile_is_none_at_once_and_leaves_no_key() {
        let scratch = tempfile::tempdir().unwrap();
        let paths = paths(scratch.path());
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        for name in [&one, &two] {
            profile().save(&paths, name).unwrap();
            private_file::replace(&key_file(&paths, name), b"key").unwrap();
        }
        make_default(&paths, &one).unwrap();
        let removed = Removed::take(&paths, &one).unwrap();
        assert_eq!(list(&paths).unwrap(), std::slice::from_ref(&two));
        assert_eq!(choose(&paths, None).unwrap(), two, "the only one is left");
        removed.erase().unwrap();
        let left: Vec<_> = std::fs::read_dir(paths.state())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != "run")
            .collect();
        assert_eq!(left, ["two"]);
        assert!(matches!(
            Removed::take(&paths, &one),
            Err(ProfileError::Unknown(_))
        ));
    }
}
