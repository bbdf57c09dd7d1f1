//! The folder of one test process, and the end of all that the process started.
//!
//! A helper process holds the read end of a pipe whose write end only the test process has. When that closes (the
//! tests are done, or killed) the helper ends every process that carries the owner's mark in its environment, removes
//! the namespaces and the folder. What even that left (the machine was switched off) the next test process sweeps.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow};

/// Environment variable by which a process started by the tests is known.
pub const MARK: &str = "ADIT_TEST_OWNER";

const PREFIX: &str = "adit-test-";
const REAPER: &str = include_str!("reap.sh");

/// The one scratch folder of this process.
#[derive(Debug)]
pub struct Scratch {
    owner: String,
    folder: PathBuf,
    made: AtomicU32,
    /// Holds the pipe open for as long as this process lives.
    _reaper: Child,
}

/// Returns the scratch folder of this process, made on the first call.
///
/// # Errors
/// When the folder cannot be made or the helper process cannot be started.
pub fn scratch() -> Result<&'static Scratch> {
    static SCRATCH: OnceLock<std::result::Result<Scratch, String>> = OnceLock::new();
    SCRATCH
        .get_or_init(|| Scratch::open().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow!("{error}"))
}

impl Scratch {
    fn open() -> Result<Self> {
        sweep()?;
        let pid = std::process::id();
        let owner = format!(
            "{pid}-{}",
            start_of(pid).context("the start time of this process")?
        );
        let folder = std::env::temp_dir().join(format!("{PREFIX}{owner}"));
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        // Servers that refuse to run as root keep their data in here.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        let reaper = reaper(&owner, &folder)
            .arg("after-input")
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("start the helper that cleans up")?;
        Ok(Self {
            owner,
            folder,
            made: AtomicU32::new(0),
            _reaper: reaper,
        })
    }

    /// The mark of this process: its id and its start time.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// A number that no other call in this process returned.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.made.fetch_add(1, Ordering::Relaxed)
    }

    /// The folder itself, in which everything lies that this process made.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Makes a new folder whose name begins with `name`.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(format!("{name}-{}", self.number()));
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(path)
    }
}

fn reaper(owner: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", REAPER, "reap.sh", owner]).arg(folder);
    command
        .env_remove(MARK)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Cleans up after test processes that are gone.
fn sweep() -> Result<()> {
    for entry in fs::read_dir(std::env::temp_dir())? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(owner) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        let Some((pid, start)) = owner.split_once('-') else {
            continue;
        };
        let alive = pid
            .parse()
            .ok()
            .and_then(start_of)
            .is_some_and(|now| now == start);
        if !alive {
            // Its own helper may be at work at this moment; both do the same and neither minds.
            reaper(owner, &entry.path())
                .stdin(Stdio::null())
                .status()
                .context("sweep")?;
        }
    }
    Ok(())
}

/// When a process started, in clock ticks since boot; `None` when there is no such process.
fn start_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may contain anything.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_a_process_that_is_gone_is_swept() {
        scratch().unwrap();
        // Process ids end far below this one.
        let stale = std::env::temp_dir().join(format!("{PREFIX}4294967294-1"));
        fs::create_dir_all(stale.join("etcd")).unwrap();
        sweep().unwrap();
        assert!(!stale.exists());
        assert!(scratch().unwrap().folder("kept").unwrap().exists());
    }
}
