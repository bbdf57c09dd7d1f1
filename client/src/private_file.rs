//! Files and directories that only their owner may touch.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// Why a private file or directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// It belongs to somebody else, or others may touch it.
    #[error(
        "{path} has owner {owner} and mode {mode:04o}; it must be yours, for nobody else: chmod go= {path}"
    )]
    Exposed {
        /// Where it is.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// The system said no.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PrivateFileError {
    move |source| PrivateFileError::Io {
        operation,
        path: path.to_owned(),
        source,
    }
}

/// Makes `path` a directory of mode 0700, and what leads to it, or checks that it is one.
///
/// # Errors
/// [`PrivateFileError::Exposed`] for a directory that is not ours alone, or what the system said.
pub fn directory(path: &Path) -> Result<(), PrivateFileError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(failed("create", path))?;
    check(path)
}

/// Checks that `path` is ours and that nobody else has any right to it.
///
/// # Errors
/// [`PrivateFileError::Exposed`], or what the system said.
pub fn check(path: &Path) -> Result<(), PrivateFileError> {
    let metadata = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    let (owner, mode) = (metadata.uid(), metadata.permissions().mode() & 0o7777);
    let for_others = mode & 0o077;
    if owner == geteuid().as_raw() && for_others == 0 && !metadata.is_symlink() {
        return Ok(());
    }
    let path = path.to_owned();
    Err(PrivateFileError::Exposed { path, owner, mode })
}

/// Writes `content` to a file of mode 0600 that is replaced whole and is on disk when this returns.
///
/// # Errors
/// What the system said; the old file is there then.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    let temporary = beside(path);
    write_new(&temporary, content).map_err(failed("write", &temporary))?;
    fs::rename(&temporary, path).map_err(failed("replace", path))?;
    keep_name(path)
}

/// Writes `content` to a new file of mode 0600, whole or not at all; `false` if there is one already.
///
/// # Errors
/// What the system said.
pub fn create(path: &Path, content: &[u8]) -> Result<bool, PrivateFileError> {
    let temporary = beside(path);
    write_new(&temporary, content).map_err(failed("write", &temporary))?;
    // A link, unlike a rename, fails if the name is taken.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(failed("remove", &temporary))?;
    match linked {
        Ok(()) => keep_name(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed("create", path)(error)),
    }
}

/// Reads a file that must be ours alone; `None` if there is none.
///
/// # Errors
/// [`PrivateFileError::Exposed`], or what the system said.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, PrivateFileError> {
    match fs::read(path) {
        Ok(content) => check(path).map(|()| Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Opens a file of mode 0600 for appending, and makes it if there is none.
///
/// # Errors
/// [`PrivateFileError::Exposed`], or what the system said.
pub fn append_to(path: &Path) -> Result<File, PrivateFileError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    let file = options.open(path).map_err(failed("open", path))?;
    check(path).map(|()| file)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    // Two writers in one process differ by thread, two processes by number.
    let thread = std::thread::current().id();
    name.push(format!(".{}.{thread:?}", std::process::id()));
    path.with_file_name(name)
}

/// A name is on disk once its directory is.
fn keep_name(path: &Path) -> Result<(), PrivateFileError> {
    let directory = path.parent().unwrap_or(path);
    let opened = File::open(directory).and_then(|directory| directory.sync_all());
    opened.map_err(failed("keep", path))
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn directories_and_files_are_for_their_owner_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("a/b");
        directory(&dir).unwrap();
        assert_eq!(mode(&dir), 0o700);
        let file = dir.join("file");
        replace(&file, b"one").unwrap();
        replace(&file, b"two").unwrap();
        assert_eq!(
            (mode(&file), fs::read(&file).unwrap()),
            (0o600, b"two".to_vec())
        );
        assert!(!create(&file, b"three").unwrap());
        assert_eq!(read(&file).unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(
            fs::read_dir(&dir).unwrap().count(),
            1,
            "no temporary file stays"
        );
    }

    #[test]
    fn l10_what_others_can_read_is_refused_with_its_name() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("key");
        replace(&file, b"secret").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read(&file).unwrap_err().to_string();
        assert!(
            refused.contains("key") && refused.contains("0644"),
            "{refused}"
        );
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(directory(scratch.path()).is_err());
    }
}
