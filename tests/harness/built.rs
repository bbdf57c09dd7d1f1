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
}

impl Build {
    /// The build that can write TLS secrets, which it does into one file in `folder` for each machine.
    #[must_use]
    pub fn with_key_log(folder: &Path) -> Self {
        Self {
            logs_keys: true,
            keys: Some(folder.to_owned()),
        }
    }

    /// The build for use, asked for TLS secrets in the same way.
    #[must_use]
    pub fn for_use(folder: &Path) -> Self {
        Self {
            logs_keys: false,
            keys: Some(folder.to_owned()),
        }
    }

    /// A launch of `name` on `host`. Secrets go into the file `label`.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn launch(&self, host: &Host, name: &str, label: &str) -> Result<Launch> {
        let normal = program(name)?;
        let path = if self.logs_keys {
            beside(&normal, name)?
        } else {
            normal
        };
        let launch = host.netns().launch(path);
        Ok(match &self.keys {
            Some(folder) => launch.env("SSLKEYLOGFILE", folder.join(label)),
            None => launch,
        })
    }
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
