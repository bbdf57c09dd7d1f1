//! `adit version`: of this program, and of an agent that runs.

use serde_json::{Value, json};

use super::output;
use crate::agent::client::AgentClient;
use crate::agent::protocol::AGENT;
use crate::cli::Global;
use crate::exit::Failure;

/// Shows them. Starts nothing.
///
/// # Errors
/// When stdout is gone.
pub async fn run(global: &Global) -> Result<(), Failure> {
    let own = env!("CARGO_PKG_VERSION");
    let agent = agents(global).await;
    if global.json {
        return output::print_json(&json!({"version": own, "agent": agent}));
    }
    output::print(&format!("adit {own}"))?;
    match agent {
        Some(agent) => output::print(&format!("agent {}", output::cell(Some(&agent)))),
        None => Ok(()),
    }
}

async fn agents(global: &Global) -> Option<Value> {
    let socket = global.paths().ok()?.socket();
    let mut agent = AgentClient::connect(&socket).await.ok()??;
    let status = agent
        .call(AGENT, "status", &Value::Null, |_| {})
        .await
        .ok()?;
    status.value.get("version").cloned()
}
