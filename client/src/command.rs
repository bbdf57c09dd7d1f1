//! The commands. Each asks the agent, and prints its answer on stdout; all talk goes to stderr.

pub mod admin;
pub mod agent;
pub mod api;
pub mod clusters;
pub mod complete;
pub mod completions;
pub mod connect;
pub mod credential;
pub mod devices;
pub mod doctor;
pub mod enrol;
pub mod explain;
pub mod forward;
pub mod kube;
pub mod login;
pub mod man;
pub mod open;
pub mod passkeys;
pub mod ping;
pub mod profile;
pub mod services;
pub mod sessions;
pub mod status;
pub mod version;
pub mod whoami;

mod output;
mod prompt;
mod service;

use serde_json::{Value, json};

use crate::browser::Caller;
use crate::cli::Global;
use crate::exit::Failure;
use crate::statement::{Made, Proposal};

/// Whether a person sits at this process: its stdin is a terminal.
pub(crate) fn has_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdin())
}

/// Gets `path` of the API; signs in for it where a person sits here.
pub(crate) async fn get(global: &Global, path: &str) -> Result<Value, Failure> {
    request(global, "GET", path, None).await
}

/// Sends one request of the API; signs in for it where a person sits here.
pub(crate) async fn request(
    global: &Global,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Result<Value, Failure> {
    let caller = Caller::this_process(has_terminal());
    let call = json!({"method": method, "path": path, "body": body, "caller": caller});
    global.ask("api", call).await
}

/// Has the agent make statements.
async fn propose(global: &Global, proposal: Proposal) -> Result<Made, Failure> {
    let caller = Caller::this_process(has_terminal());
    let call = json!({"proposal": proposal, "caller": caller});
    let made = global.ask("statements", call).await?;
    serde_json::from_value(made).map_err(Failure::new)
}
