//! `adit agent run`: the agent in the foreground.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::ensure::try_lock;
use super::server::{Agent, serve, serve_the_last};
use crate::exit::Failure;
use crate::paths::Paths;
use crate::{private_file, profile};

/// How long an agent that left to another one goes on with what is open in it.
const DRAIN: Duration = Duration::from_hours(1);
/// How long calls have to end in order.
const CALLS: Duration = Duration::from_secs(2);

/// Runs the agent until it is stopped, told to end, or has left to another one and nothing is open any more.
///
/// # Errors
/// When one runs already, or the socket cannot be opened.
pub async fn run(paths: Paths) -> Result<(), Failure> {
    // The device key is in memory: no core file, and no other process of this user reads it.
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "Memory of the agent can be read by other processes of this user.");
    }
    let file = private_file::append_to(&paths.agent_lock()).map_err(Failure::new)?;
    let lock = try_lock(&file)?.ok_or_else(|| Failure::new("an agent runs already"))?;
    let listener = open(&paths)?;
    let stop = CancellationToken::new();
    let agent = Agent::new(paths.clone(), stop.clone());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "The agent runs.");
    for name in profile::list(&paths).map_err(Failure::new)? {
        if let Err(failure) = agent.seat(&name).await {
            tracing::error!(profile = %name, "A profile cannot be set to work: {failure}");
        }
    }
    let mut told = std::pin::pin!(told_to_end());
    let leaves = tokio::select! {
        () = serve(&agent, &listener) => agent.leaving.is_cancelled(),
        told = &mut told => told.map(|()| false)?,
    };
    // While the lock is held it is nobody else's.
    if let Err(error) = std::fs::remove_file(paths.socket()) {
        tracing::warn!(%error, "The socket was gone already.");
    }
    if leaves {
        serve_the_last(&agent, &listener);
        drop(listener);
        agent.give_up().await;
        drop(lock);
        tracing::info!("Another agent takes over; what is open here goes on.");
        tokio::select! {
            emptied = timeout(DRAIN, agent.emptied()) => if emptied.is_ok() {
                tracing::info!("Nothing is open any more.");
            } else {
                tracing::warn!("What is still open is cut off.");
            },
            told = &mut told => told?,
            () = stop.cancelled() => {}
        }
    }
    stop.cancel();
    agent.close().await;
    agent.tasks.close();
    if timeout(CALLS, agent.tasks.wait()).await.is_err() {
        tracing::info!("Calls were cut off.");
    }
    Ok(())
}

fn open(paths: &Paths) -> Result<UnixListener, Failure> {
    let socket = paths.socket();
    let failed = |error| Failure::new(format!("{} cannot be opened: {error}", socket.display()));
    // Under the lock nobody else serves it: it was left by an agent that was killed.
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&socket).map_err(failed)?;
    // The directory is 0700 already; the file says it too.
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

async fn told_to_end() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::new)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::new)?;
    // A terminal that closes is not the agent's.
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::new)?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => {}
        }
    }
}
