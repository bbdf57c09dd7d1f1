//! Where the client keeps its files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::private_file::{self, PrivateFileError};
use crate::profile::ProfileName;

/// Why there is no place for the client's files.
#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    /// Neither variable is set.
    #[error("neither XDG_STATE_HOME nor HOME is set to an absolute path")]
    NoHome,
    /// A directory cannot be used.
    #[error("the directory for state or for the socket cannot be used")]
    Private(#[from] PrivateFileError),
}

/// The client's directories. Both exist with mode 0700 once this value does.
#[derive(Clone, Debug)]
pub struct Paths {
    state: PathBuf,
    runtime: PathBuf,
}

impl Paths {
    /// Finds the directories from the process's environment and makes them.
    ///
    /// # Errors
    /// [`PathsError`].
    pub fn from_env() -> Result<Self, PathsError> {
        Self::find(|name| std::env::var_os(name))
    }

    /// Finds the directories from `environment` and makes them.
    ///
    /// # Errors
    /// [`PathsError`].
    pub fn find(environment: impl Fn(&str) -> Option<OsString>) -> Result<Self, PathsError> {
        let absolute = |name: &str| {
            let path = PathBuf::from(environment(name)?);
            path.is_absolute().then_some(path)
        };
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
            .ok_or(PathsError::NoHome)?
            .join("adit");
        let runtime =
            absolute("XDG_RUNTIME_DIR").map_or_else(|| state.join("run"), |dir| dir.join("adit"));
        private_file::directory(&state)?;
        private_file::directory(&runtime)?;
        Ok(Self { state, runtime })
    }

    /// The directory that holds one directory for each profile.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The directory of the socket, gone after a restart of the machine.
    #[must_use]
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// The directory of a profile.
    #[must_use]
    pub fn profile(&self, name: &ProfileName) -> PathBuf {
        self.state.join(name.as_str())
    }

    /// The agent's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.runtime.join("agent.sock")
    }

    /// Locked while an agent is being started.
    #[must_use]
    pub fn start_lock(&self) -> PathBuf {
        self.runtime.join("agent.start")
    }

    /// Locked for as long as an agent runs.
    #[must_use]
    pub fn agent_lock(&self) -> PathBuf {
        self.runtime.join("agent.lock")
    }

    /// What the agent says.
    #[must_use]
    pub fn agent_log(&self) -> PathBuf {
        self.runtime.join("agent.log")
    }

    /// The key of the tokens for the local listener.
    #[must_use]
    pub fn token_key(&self) -> PathBuf {
        self.runtime.join("listener-token.key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_lies_in_the_runtime_directory_or_else_beside_the_state() {
        let scratch = tempfile::tempdir().unwrap();
        let home = scratch.path().as_os_str().to_owned();
        let found = Paths::find(|name| (name == "HOME").then(|| home.clone())).unwrap();
        let state = scratch.path().join(".local/state/adit");
        assert_eq!(found.socket(), state.join("run/agent.sock"));
        let run = scratch.path().join("run");
        let both = |name: &str| match name {
            "HOME" => Some(home.clone()),
            "XDG_RUNTIME_DIR" => Some(run.clone().into_os_string()),
            _ => None,
        };
        assert_eq!(
            Paths::find(both).unwrap().socket(),
            run.join("adit/agent.sock")
        );
    }

    #[test]
    fn l10_a_relative_state_directory_is_no_place() {
        let relative = |name: &str| (name == "XDG_STATE_HOME").then(|| "state".into());
        assert!(matches!(Paths::find(relative), Err(PathsError::NoHome)));
    }
}
