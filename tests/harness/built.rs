//! The project's own binaries.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::netns::Host;
use crate::process::Launch;

/// Which build of the programs runs, and where it is told to write TLS secrets.
#[derive(Debug, Clone, Default)]
pub struct Build {
    logs_keys: bool,
    keys: Option<PathBuf>,
    installed: Option<PathBuf>,
}

impl Build {
    /// The build that can write TLS secrets, which it does into one file in `folder` for each machine.
    #[must_use]
    pub fn with_key_log(folder: &Path) -> Self {
        Self {
            logs_keys: true,
            keys: Some(folder.to_owned()),
            installed: None,
        }
    }

    /// The build for use, asked for TLS secrets in the same way.
    #[must_use]
    pub fn for_use(folder: &Path) -> Self {
        Self {
            logs_keys: false,
            keys: Some(folder.to_owned()),
            installed: None,
        }
    }

    /// The build for use, installed in `folder`, where [`install`] replaces a program.
    #[must_use]
    pub fn installed_in(folder: &Path) -> Self {
        Self {
            installed: Some(folder.to_owned()),
            ..Self::default()
        }
    }

    /// A launch of `name` on `host`. Secrets go into the file `label`.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn launch(&self, host: &Host, name: &str, label: &str) -> Result<Launch> {
        let path = match &self.installed {
            Some(folder) if folder.join(name).exists() => folder.join(name),
            Some(folder) => install(name, folder)?,
            None if self.logs_keys => beside(&program(name)?, name)?,
            None => program(name)?,
        };
        let launch = host.netns().launch(path);
        Ok(match &self.keys {
            Some(folder) => launch.env("SSLKEYLOGFILE", folder.join(label)),
            None => launch,
        })
    }
}

/// Installs a program in `folder` as a package manager does: one that is there is replaced whole, and runs on.
///
/// # Errors
/// When it has not been built.
pub fn install(name: &str, folder: &Path) -> Result<PathBuf> {
    let (new, path) = (folder.join(format!(".{name}")), folder.join(name));
    std::fs::copy(program(name)?, &new)?;
    std::fs::rename(&new, &path)?;
    Ok(path)
}

/// `target/key-log/PROFILE/NAME` for `target/PROFILE/NAME`.
fn beside(normal: &Path, name: &str) -> Result<PathBuf> {
    let mut folders = normal.ancestors().skip(1);
    let profile = folders.next().and_then(Path::file_name);
    let path = profile
        .zip(folders.next())
        .map(|(profile, target)| target.join("key-log").join(profile).join(name))
        .filter(|path| path.exists());
    path.with_context(|| format!("{name} with a key log is missing: tests/build-key-log makes it"))
}

/// Returns the path of `adit`, `adit-gateway` or `adit-connector` from the build that this test belongs to.
/// Cargo does not build them for a test of another package: `tests/run` does before it runs the tests.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("the path of this program")?;
    // target/PROFILE/deps/TEST, or target/PROFILE/PROGRAM
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
        .with_context(|| {
            format!(
                "{name} is missing beside {}: run cargo build --workspace --bins",
                own.display()
            )
        })
}
