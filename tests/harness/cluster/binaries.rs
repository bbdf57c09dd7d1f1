//! Where `tests/cluster/build` put the parts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

/// Set by `tests/run`, so that not every test process asks Go for its version.
const FOLDER: &str = "ADIT_TEST_CLUSTER";

/// Returns the path of a part, such as `etcd`, `kube-apiserver`, `kubectl`, `kubectl-1.34` or `images.tar`.
///
/// # Errors
/// When it has not been built.
pub fn binary(name: &str) -> Result<PathBuf> {
    static WHERE: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let folder = WHERE.get_or_init(|| folder().map_err(|error| format!("{error:#}")));
    let path = folder
        .as_ref()
        .map_err(|error| anyhow!("{error}"))?
        .join(name);
    ensure!(
        path.exists(),
        "{name} has not been built: run tests/cluster/build"
    );
    Ok(path)
}

fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Ok(folder.into());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/build");
    let printed = Command::new(&script)
        .arg("--where")
        .output()
        .with_context(|| format!("run {}", script.display()))?;
    ensure!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    Ok(String::from_utf8(printed.stdout)?.trim().into())
}
