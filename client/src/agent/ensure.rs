//! Starting the agent: forty that need it at once make one.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::time::{Instant, sleep};

use super::client::AgentClient;
use crate::exit::Failure;
use crate::paths::Paths;
use crate::private_file;

/// How long an agent may take to answer on its socket.
const STARTING: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(10);

/// Connects to the agent, and starts it if there is none.
///
/// # Errors
/// When it does not come up in 10 s; what it said is in its log.
pub async fn ensure(paths: &Paths) -> Result<AgentClient, Failure> {
    if let Some(agent) = AgentClient::connect(&paths.socket()).await? {
        return Ok(agent);
    }
    let deadline = Instant::now() + STARTING;
    let file = private_file::append_to(&paths.start_lock()).map_err(Failure::new)?;
    // Held until the agent answers; the others find it then.
    let _lock = locked(&file, deadline).await?;
    if let Some(agent) = AgentClient::connect(&paths.socket()).await? {
        return Ok(agent);
    }
    // One that is about to end holds its lock a moment longer than its socket.
    wait_until_gone(paths).await?;
    spawn(paths)?;
    let deadline = Instant::now() + STARTING;
    while Instant::now() < deadline {
        if let Some(agent) = AgentClient::connect(&paths.socket()).await? {
            return Ok(agent);
        }
        sleep(LOOK).await;
    }
    let log = paths.agent_log();
    Err(Failure::new("the agent did not start").repaired_by(format!("look into {}", log.display())))
}

/// Waits until no agent holds the lock of the one that runs.
///
/// # Errors
/// When it does not end in 10 s.
pub async fn wait_until_gone(paths: &Paths) -> Result<(), Failure> {
    let file = private_file::append_to(&paths.agent_lock()).map_err(Failure::new)?;
    locked(&file, Instant::now() + STARTING).await.map(|_| ())
}

/// A lock on a file, given up when this is dropped.
#[derive(Debug)]
pub(super) struct Locked<'a>(&'a File);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // The descriptor's end gives it up in any case.
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

/// Takes the lock of `file` if nobody has it.
pub(super) fn try_lock(file: &File) -> Result<Option<Locked<'_>>, Failure> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Locked(file))),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(Failure::new(format!("a lock cannot be taken: {error}"))),
    }
}

async fn locked(file: &File, deadline: Instant) -> Result<Locked<'_>, Failure> {
    loop {
        if let Some(lock) = try_lock(file)? {
            return Ok(lock);
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(
                "another agent, or a command that starts one, does not end",
            ));
        }
        sleep(LOOK).await;
    }
}

fn spawn(paths: &Paths) -> Result<(), Failure> {
    let failed = |error| Failure::new(format!("the agent cannot be started: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let log = private_file::append_to(&paths.agent_log()).map_err(Failure::new)?;
    let mut child = Command::new(program)
        .args(["agent", "run"])
        // Not in this terminal's foreground group: an interrupt is not for it.
        .process_group(0)
        .current_dir(Path::new("/"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(failed)?;
    // It lives longer than we do; should it end before, it is reaped.
    std::thread::spawn(move || child.wait());
    Ok(())
}
