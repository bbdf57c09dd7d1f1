//! What is said on the agent's socket.

use std::path::Path;

use adit_proto::target::{Name, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::browser::Caller;
use crate::exit::Failure;
use crate::profile::ProfileName;
use crate::statement::Proposal;

/// The header of each answer that names the agent's program, by [`identity`].
pub const IDENTITY_HEADER: &str = "adit-agent";
/// The name in place of a profile's for calls about the agent itself.
pub const AGENT: &str = "-";

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// For the person, on stderr; begins with [`BELL`](crate::talk::BELL) where that one has to do something.
    Say(String),
    /// It is done; the last line.
    Done(Value),
    /// It failed; the last line.
    Failed(Failure),
}

/// `api`: passes a request to the gateway's API.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiCall {
    /// The HTTP method.
    pub method: String,
    /// Path and query, from `/v1/` on.
    pub path: String,
    /// JSON, if any.
    #[serde(default)]
    pub body: Option<Value>,
    /// Given by whoever wants to be signed in for it.
    #[serde(default)]
    pub caller: Option<Caller>,
}

/// `sign-in`: signs in.
#[derive(Debug, Serialize, Deserialize)]
pub struct SignInCall {
    /// Who asks.
    pub caller: Caller,
    /// The browser tab to go on in.
    #[serde(default)]
    pub ceremony_id: Option<String>,
    /// Whether the browser is on another machine.
    #[serde(default)]
    pub headless: bool,
}

/// `credential`: a token of the local endpoint for the exec plugin. `explain`: one for an explanation, which begins.
#[derive(Debug, Serialize, Deserialize)]
pub struct CredentialCall {
    /// For which cluster.
    pub cluster: String,
    /// Who asks.
    pub caller: Caller,
}

impl CredentialCall {
    /// The cluster's name, checked.
    ///
    /// # Errors
    /// A failure for a text that is no name.
    pub fn cluster(&self) -> Result<Name, Failure> {
        self.cluster.parse().map_err(Failure::new)
    }
}

/// `explained`: ends an explanation and gives what was decided.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExplainedCall {
    /// Which.
    pub id: String,
}

/// `cluster-key`: the key of a cluster, by the roster as it was verified here.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClusterKeyCall {
    /// The cluster.
    pub cluster: String,
}

impl ClusterKeyCall {
    /// The cluster's name, checked.
    ///
    /// # Errors
    /// A failure for a text that is no name.
    pub fn cluster(&self) -> Result<Name, Failure> {
        self.cluster.parse().map_err(Failure::new)
    }
}

/// `ping`: measures the way to a cluster.
#[derive(Debug, Serialize, Deserialize)]
pub struct PingCall {
    /// The cluster.
    pub cluster: String,
    /// Who asks.
    pub caller: Caller,
}

impl PingCall {
    /// The cluster's name, checked.
    ///
    /// # Errors
    /// A failure for a text that is no name.
    pub fn cluster(&self) -> Result<Name, Failure> {
        self.cluster.parse().map_err(Failure::new)
    }
}

/// `forward`: forwards local ports until the caller leaves.
#[derive(Debug, Serialize, Deserialize)]
pub struct ForwardCall {
    /// What and where.
    pub forwards: Vec<Forwarded>,
    /// Who asks.
    pub caller: Caller,
}

/// A service and the local address that is forwarded to it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Forwarded {
    /// `service/CLUSTER/NAME`.
    pub target: String,
    /// Address and port to listen on; port 0 chooses one.
    pub listen: std::net::SocketAddr,
}

impl Forwarded {
    /// The target, checked.
    ///
    /// # Errors
    /// A failure for a text that is no target.
    pub fn target(&self) -> Result<Target, Failure> {
        self.target.parse().map_err(Failure::new)
    }
}

/// `open`: opens a web application in the person's browser.
#[derive(Debug, Serialize, Deserialize)]
pub struct OpenCall {
    /// `service/CLUSTER/NAME`.
    pub target: String,
    /// Whether another port is chosen first.
    #[serde(default)]
    pub move_port: bool,
    /// Who asks.
    pub caller: Caller,
}

impl OpenCall {
    /// The target, checked.
    ///
    /// # Errors
    /// A failure for a text that is no target.
    pub fn target(&self) -> Result<Target, Failure> {
        self.target.parse().map_err(Failure::new)
    }
}

/// The protocol of a call that ends in raw bytes.
pub const RAW: &str = "adit-stream";

/// `stream`: one stream to a service.
#[derive(Debug, Serialize, Deserialize)]
pub struct StreamCall {
    /// `service/CLUSTER/NAME`.
    pub target: String,
    /// Who asks.
    pub caller: Caller,
}

impl StreamCall {
    /// The target, checked.
    ///
    /// # Errors
    /// A failure for a text that is no target.
    pub fn target(&self) -> Result<Target, Failure> {
        self.target.parse().map_err(Failure::new)
    }
}

/// `statements`: makes statements of the roster.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatementsCall {
    /// What is proposed.
    pub proposal: Proposal,
    /// Who proposes and touches.
    pub caller: Caller,
}

/// `-/leave`: ends the seat of a profile whose files are gone.
#[derive(Debug, Serialize, Deserialize)]
pub struct LeaveCall {
    /// Which.
    pub profile: ProfileName,
}

/// The answer of `-/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// The agent's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
}

/// The answer of `status` for a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatStatus {
    /// The profile.
    pub profile: String,
    /// The gateway's host and port.
    pub gateway: String,
    /// Whether the control connection is registered.
    pub connected: bool,
    /// What is in the way, if it is not.
    pub trouble: Option<Failure>,
    /// Number of the newest statement of the roster that was verified here.
    pub roster_number: u64,
    /// Targets of the sessions that are held.
    pub sessions: Vec<String>,
    /// How many links are held.
    pub links: usize,
    /// The port of the local Kubernetes endpoint.
    pub port: Option<u16>,
    /// What is in the way of it.
    pub port_trouble: Option<Failure>,
}

/// Names this program as it is on disk: its version, length and time. An agent that was started from another one differs.
#[must_use]
pub fn identity() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let found = std::env::current_exe().and_then(|path| identity_of(&path));
    found.unwrap_or_else(|_| version.to_owned())
}

/// [`identity`] of the program that is at `path` now.
///
/// # Errors
/// When there is none.
pub fn identity_of(path: &Path) -> std::io::Result<String> {
    use std::os::unix::fs::MetadataExt;
    let version = env!("CARGO_PKG_VERSION");
    let found = std::fs::metadata(path)?;
    let (length, seconds, nanoseconds) = (found.len(), found.mtime(), found.mtime_nsec());
    Ok(format!("{version}+{length}.{seconds}.{nanoseconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = Event::Say("two\nlines".to_owned());
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(line, r#"{"say":"two\nlines"}"#);
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }
}
