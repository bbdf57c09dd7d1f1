//! Files that hold a secret: created whole or not at all, mode 0600, and refused when others can read them.
//!
//! Owns the rules for such files and knows nothing of what is in them. A file that exists is never overwritten.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The largest secret file that is read, in bytes. A key is under 200; more is a mistake, and is not read into memory.
const MAX_LEN: u64 = 64 * 1024;

/// Who besides the owner may be able to read a secret file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Nobody: mode 0600 or narrower.
    Owner,
    /// The file's group, for reading only: how a kubelet mounts a Secret for a pod that has an `fsGroup`.
    OwnerAndGroup,
}

impl Readers {
    const fn forbidden(self) -> u32 {
        match self {
            Self::Owner => 0o077,
            Self::OwnerAndGroup => 0o037,
        }
    }
}

/// Why a secret file was not read or not written.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// There is no such file.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Others than those allowed can read or write it.
    #[error("{} has mode {mode:04o}: others can read it; run chmod 0600 on it, and replace the secret if that matters", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is a directory or a device, or larger than any secret.
    #[error("{} is not a secret file", path.display())]
    NotASecret {
        /// The file.
        path: PathBuf,
    },
    /// Something is there already, and is kept.
    #[error("{} exists and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Reads a secret file whole.
///
/// # Errors
/// [`SecretFileError::Missing`], [`SecretFileError::TooOpen`] with the mode found, [`SecretFileError::NotASecret`], or
/// what the system said. The mode is that of the opened file, so it cannot be swapped between check and reading.
pub fn read(path: &Path, readers: Readers) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let failed = |operation| move |source| io_error(operation, path, source);
    let file = File::open(path).map_err(failed("open"))?;
    let metadata = file.metadata().map_err(failed("examine"))?;
    if !metadata.is_file() || metadata.len() > MAX_LEN {
        return Err(SecretFileError::NotASecret {
            path: path.to_owned(),
        });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & readers.forbidden() != 0 {
        return Err(SecretFileError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(MAX_LEN).unwrap_or_default(),
    ));
    file.take(MAX_LEN)
        .read_to_end(&mut bytes)
        .map_err(failed("read"))?;
    Ok(bytes)
}

/// Writes a new secret file, mode 0600, that is there whole and on disk when this returns, or not at all.
///
/// # Errors
/// [`SecretFileError::Exists`] if there is one already, or what the system said.
pub fn create(path: &Path, secret: &[u8]) -> Result<(), SecretFileError> {
    let failed = |operation| move |source| io_error(operation, path, source);
    let temporary = temporary_beside(path);
    let written = write_synced(&temporary, secret)
        .map_err(failed("write"))
        // A link, unlike a rename, fails if the name is taken.
        .and_then(|()| std::fs::hard_link(&temporary, path).map_err(failed("create")));
    let removed = std::fs::remove_file(&temporary);
    written?;
    removed.map_err(failed("tidy up after"))?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))
        .and_then(|opened| opened.sync_all())
        .map_err(failed("sync the directory of"))
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

fn write_synced(path: &Path, secret: &[u8]) -> io::Result<()> {
    // What a killed process of the same number left behind.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(secret)?;
    file.sync_all()
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> SecretFileError {
    let path = path.to_owned();
    let kind = source.kind();
    if kind == io::ErrorKind::NotFound && operation == "open" {
        SecretFileError::Missing { path }
    } else if kind == io::ErrorKind::AlreadyExists && operation == "create" {
        SecretFileError::Exists { path }
    } else {
        SecretFileError::Io {
            operation,
            path,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_secret_is_written_with_mode_0600_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        create(&path, b"hidden").unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(read(&path, Readers::Owner).unwrap().as_slice(), b"hidden");
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            1,
            "no temporary file stays"
        );
    }

    #[test]
    fn an_existing_secret_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        create(&path, b"first").unwrap();
        assert!(matches!(
            create(&path, b"second"),
            Err(SecretFileError::Exists { .. })
        ));
        assert_eq!(read(&path, Readers::Owner).unwrap().as_slice(), b"first");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_its_name_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        create(&path, b"hidden").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o666] {
            set_mode(&path, mode);
            let refused = read(&path, Readers::Owner).unwrap_err().to_string();
            assert!(
                refused.contains("secret") && refused.contains(&format!("{mode:04o}")),
                "{refused}"
            );
        }
        set_mode(&path, 0o440);
        assert!(
            read(&path, Readers::OwnerAndGroup).is_ok(),
            "a mounted Secret"
        );
        set_mode(&path, 0o444);
        assert!(read(&path, Readers::OwnerAndGroup).is_err());
    }

    #[test]
    fn a_missing_file_a_directory_and_a_huge_file_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let missing = read(&dir.path().join("none"), Readers::Owner);
        assert!(matches!(missing, Err(SecretFileError::Missing { .. })));
        assert!(matches!(
            read(dir.path(), Readers::Owner),
            Err(SecretFileError::NotASecret { .. })
        ));
        let huge = dir.path().join("huge");
        create(&huge, &vec![0; 70_000]).unwrap();
        assert!(matches!(
            read(&huge, Readers::Owner),
            Err(SecretFileError::NotASecret { .. })
        ));
    }
}
