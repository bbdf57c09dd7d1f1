//! `adit agent`: the background process.

use clap::Subcommand;
use serde_json::{Value, json};

use super::output;
use crate::agent::client::AgentClient;
use crate::agent::ensure;
use crate::agent::protocol::AGENT;
use crate::cli::Global;
use crate::exit::Failure;

/// What to do with the agent.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum AgentCommand {
    /// Run it in the foreground; commands start it by themselves
    Run,
    /// End it; the next command starts it again
    Stop,
    /// Show whether it runs
    Status,
}

impl AgentCommand {
    /// Does it.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let paths = global.paths()?;
        if matches!(self, Self::Run) {
            return crate::agent::run::run(paths).await;
        }
        let Some(mut agent) = AgentClient::connect(&paths.socket()).await? else {
            let text = "The agent does not run.";
            return if global.json {
                output::print_json(&json!({"running": false}))
            } else {
                output::print(text)
            };
        };
        match self {
            Self::Run => Ok(()),
            Self::Stop => {
                agent.call(AGENT, "stop", &Value::Null, |_| {}).await?;
                drop(agent);
                ensure::wait_until_gone(&paths).await
            }
            Self::Status => {
                let answered = agent.call(AGENT, "status", &Value::Null, |_| {}).await?;
                let (version, pid) = (answered.value.get("version"), answered.value.get("pid"));
                if global.json {
                    return output::print_json(&json!({
                        "running": true,
                        "version": version,
                        "pid": pid,
                        "other_program": answered.other_program,
                    }));
                }
                let version = output::cell(version);
                output::print(&format!(
                    "The agent runs: version {version}, process {}.",
                    output::cell(pid)
                ))?;
                if answered.other_program {
                    output::print(
                        "It was started from another program than this one; the next command replaces it if it is idle or its program was replaced.",
                    )?;
                }
                Ok(())
            }
        }
    }
}
