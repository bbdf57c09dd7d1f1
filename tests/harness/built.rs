//! The project's own binaries.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// Returns the path of `adit`, `adit-gateway` or `adit-connector` from the build that this test belongs to.
/// Cargo does not build them for a test of another package: `tests/run` does before it runs the tests.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("the path of this test")?;
    // target/PROFILE/deps/TEST
    let folder = test.ancestors().nth(2).context("the folder of the build")?;
    let path = folder.join(name);
    ensure!(
        path.exists(),
        "{} is missing: run cargo build --workspace --bins",
        path.display()
    );
    Ok(path)
}
