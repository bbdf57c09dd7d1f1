//! The project's own binaries.

use std::path::PathBuf;

use anyhow::{Context, Result};

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
