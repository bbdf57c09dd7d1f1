//! The files of a kubeconfig: which there are, and how one is replaced.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use adit_proto::target::Name;

use super::chosen::{self, Chosen};
use super::document::Document;
use super::entries;
use super::{Changes, KubeconfigError, Lead, Unchanged, Wanted, change, choose, present, remove};
use crate::profile::ProfileName;

/// The mode of a file that is made here.
const MODE: u32 = 0o600;

/// The files that kubectl would read, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files(Vec<PathBuf>);

/// What was done to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub file: PathBuf,
    /// What was done to it.
    pub changes: Changes,
}

impl Files {
    /// The file that was asked for, else those of `KUBECONFIG`, else `~/.kube/config`.
    ///
    /// # Errors
    /// [`KubeconfigError::NoHome`].
    pub fn find(
        asked: Option<PathBuf>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, KubeconfigError> {
        if let Some(asked) = asked {
            return Ok(Self(vec![asked]));
        }
        let list = environment("KUBECONFIG").unwrap_or_default();
        let listed: Vec<PathBuf> = std::env::split_paths(&list)
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        if !listed.is_empty() {
            return Ok(Self(listed));
        }
        let home = environment("HOME").filter(|home| !home.is_empty());
        let home = home.ok_or(KubeconfigError::NoHome)?;
        Ok(Self(vec![PathBuf::from(home).join(".kube/config")]))
    }

    /// Where the entries that were written for `profile` lead, in all files.
    ///
    /// # Errors
    /// [`KubeconfigError`] for a file that cannot be read.
    pub fn leads(&self, profile: &ProfileName) -> Result<Vec<Lead>, KubeconfigError> {
        let mut all = Vec::new();
        for file in &self.0 {
            let text = read(file)?.unwrap_or_default();
            let document = Document::parse(&text).map_err(|why| why.of(file.clone()))?;
            all.extend(entries::leads(document.value(), profile));
        }
        Ok(all)
    }

    /// The context `asked`, or else the current one, as kubectl would find it.
    ///
    /// # Errors
    /// [`KubeconfigError`] for a file that cannot be read.
    pub fn chosen(&self, asked: Option<&str>) -> Result<Chosen, KubeconfigError> {
        let mut values = Vec::new();
        for file in &self.0 {
            let text = read(file)?.unwrap_or_default();
            let document = Document::parse(&text).map_err(|why| why.of(file.clone()))?;
            values.push(document.value().clone());
        }
        Ok(chosen::chosen(&values, asked))
    }

    /// Brings the files to what is wanted: entries stay in the file that has them, new ones go where kubectl would put
    /// them, which is the first file that exists, or else the last one. Where no file has a context, a single new one
    /// becomes the current one.
    ///
    /// # Errors
    /// [`KubeconfigError`]; files before the one that it names are changed.
    pub fn bring_to(&self, wanted: &Wanted<'_>) -> Result<Vec<Written>, KubeconfigError> {
        let exists = |file: &&PathBuf| file.exists();
        let target = self.0.iter().find(exists).or(self.0.last()).cloned();
        let mut have = Vec::new();
        let mut vacant = true;
        for file in &self.0 {
            let text = read(file)?.unwrap_or_default();
            vacant &= is_vacant(&text).map_err(|why| why.of(file.clone()))?;
            let found = present(&text, wanted.endpoint).map_err(|why| why.of(file.clone()))?;
            have.extend(found);
        }
        let missing: Vec<Name> = wanted
            .clusters
            .iter()
            .filter(|cluster| !have.iter().any(|it| it == cluster.as_str()))
            .cloned()
            .collect();
        let mut written = Vec::new();
        for file in &self.0 {
            let missing = if target.as_ref() == Some(file) {
                &missing[..]
            } else {
                &[]
            };
            if missing.is_empty() && !file.exists() {
                continue;
            }
            let changes = rewrite(file, |text| {
                let (text, changes) = change(text, wanted, missing)?;
                // kubectl without a context would ask localhost.
                let text = match missing {
                    [only] if vacant => choose(&text, wanted.endpoint, only)?,
                    _ => text,
                };
                Ok((text, changes))
            })?;
            written.extend(changes.map(|changes| Written {
                file: file.clone(),
                changes,
            }));
        }
        Ok(written)
    }

    /// Removes the entries that were written for `profile` from all files.
    ///
    /// # Errors
    /// [`KubeconfigError`]; files before the one that it names are changed.
    pub fn remove(&self, profile: &ProfileName) -> Result<Vec<Written>, KubeconfigError> {
        let mut written = Vec::new();
        for file in self.0.iter().filter(|file| file.exists()) {
            let changes = rewrite(file, |text| remove(text, profile))?;
            written.extend(changes.map(|changes| Written {
                file: file.clone(),
                changes,
            }));
        }
        Ok(written)
    }
}

fn is_vacant(text: &str) -> Result<bool, Unchanged> {
    Document::parse(text).map(|document| document.is_vacant())
}

/// Changes one file by `edit`; `None` if there was nothing to do.
fn rewrite(
    file: &Path,
    edit: impl FnOnce(&str) -> Result<(String, Changes), Unchanged>,
) -> Result<Option<Changes>, KubeconfigError> {
    // Where a link leads is replaced, not the link.
    let place = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    if let Some(parent) = place.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed("make the directory of", file))?;
    }
    let _lock = Lock::take(&place)?;
    let before = read(&place)?;
    let text = before.as_deref().unwrap_or_default();
    let (after, changes) = edit(text).map_err(|why| why.of(file.to_owned()))?;
    if before.as_deref() != Some(&after) && changes != Changes::default() {
        replace(&place, &after)?;
    }
    Ok((changes != Changes::default()).then_some(changes))
}

fn read(file: &Path) -> Result<Option<String>, KubeconfigError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", file)(error)),
    }
}

/// Puts a new file in the place of the old one, with its mode.
fn replace(file: &Path, text: &str) -> Result<(), KubeconfigError> {
    let mode = fs::metadata(file).map_or(MODE, |it| it.permissions().mode() & 0o7777);
    let beside = sibling(file, &format!("adit-{}", std::process::id()));
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut new = options
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&beside)?;
        new.write_all(text.as_bytes())?;
        // The process's umask must not narrow what was there.
        new.set_permissions(fs::Permissions::from_mode(mode))?;
        new.sync_all()?;
        fs::rename(&beside, file)
    };
    write().map_err(|error| {
        // It may not have been made at all; the error that counts is the first one.
        let _ = fs::remove_file(&beside);
        failed("write", file)(error)
    })
}

/// The lock that kubectl takes too (`clientcmd.lockFile`): a file of this name while it exists.
struct Lock(PathBuf);

impl Lock {
    fn take(file: &Path) -> Result<Self, KubeconfigError> {
        let mut name = file.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).open(&lock) {
            Ok(File { .. }) => Ok(Self(lock)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(KubeconfigError::Locked { lock })
            }
            Err(error) => Err(failed("lock", file)(error)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, "The lock of a kubeconfig was gone already.");
        }
    }
}

fn sibling(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    file.with_file_name(name)
}

fn failed(operation: &'static str, file: &Path) -> impl Fn(io::Error) -> KubeconfigError {
    let file = file.to_owned();
    move |source| KubeconfigError::Io {
        operation,
        file: file.clone(),
        source,
    }
}
