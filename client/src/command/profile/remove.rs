//! `adit profile remove NAME`: takes a gateway off this machine.
//!
//! Contexts go first, because that alone can be refused for a reason of the person's; then this machine is not enrolled any
//! more, in one step; what follows is told if it fails, and nothing of it brings the profile back.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::agent::client::{AgentClient, on_stderr};
use crate::agent::protocol::{AGENT, LeaveCall};
use crate::command::prompt::confirms;
use crate::command::{has_terminal, kube, output};
use crate::exit::{Exit, Failure};
use crate::kubeconfig::{Files, Written};
use crate::paths::Paths;
use crate::profile::{self, Profile, ProfileName, Removed};

/// How long the agent may take for one step: more than it gives its own tasks to end, and less than a person waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which profile.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The profile
    name: ProfileName,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// The file with the contexts, instead of those of KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

impl RemoveArgs {
    /// Removes it, after asking.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub(super) async fn run(self, paths: &Paths, as_json: bool) -> Result<(), Failure> {
        profile::choose(paths, Some(&self.name))?;
        if !self.yes {
            self.asked(paths, has_terminal()).await?;
        }
        let files = Files::find(self.kubeconfig, |name| std::env::var_os(name));
        let done = remove(paths, &self.name, &files.map_err(kube::refused)?).await?;
        if as_json {
            output::print_json(&done.as_json(&self.name))?;
        } else {
            after(paths, &self.name);
        }
        done.agent.map(|_| ())
    }

    async fn asked(&self, paths: &Paths, terminal: bool) -> Result<(), Failure> {
        let name = &self.name;
        if !terminal {
            return Err(Failure::new("there is no terminal to ask on")
                .exiting(Exit::Usage)
                .repaired_by(format!("add --yes to remove the profile {name}")));
        }
        let of = match Profile::load(paths, name) {
            Ok(profile) => format!(" (gateway {})", profile.gateway),
            Err(_) => String::new(),
        };
        let question = format!(
            "Remove the profile {name}{of} from this machine? Only a new invitation brings it back."
        );
        if confirms(&question).await {
            return Ok(());
        }
        Err(Failure::new(format!("the profile {name} was not removed")))
    }
}

/// What was done.
#[derive(Debug)]
struct Done {
    /// What the gateway said, if it was asked: whether somebody was signed in.
    signed_out: Option<bool>,
    contexts: Vec<Written>,
    /// Whether an agent had the profile at work; or why it may have it still.
    agent: Result<bool, Failure>,
}

impl Done {
    fn as_json(&self, name: &ProfileName) -> Value {
        let contexts = self.contexts.iter();
        let contexts: Vec<_> = contexts
            .map(|it| json!({"file": it.file, "removed": it.changes.removed}))
            .collect();
        json!({
            "name": name,
            "signed_out": self.signed_out,
            "contexts": contexts,
            "agent_ended": self.agent.as_ref().ok(),
        })
    }
}

async fn remove(paths: &Paths, name: &ProfileName, files: &Files) -> Result<Done, Failure> {
    let contexts = files.remove(name).map_err(kube::refused)?;
    kube::say_changes(&contexts);
    let signed_out = sign_out(paths, name).await;
    let removed = Removed::take(paths, name)?;
    let agent = leave(paths, name).await;
    removed.erase()?;
    on_stderr(&format!(
        "The profile {name} is removed, with its key and state."
    ));
    Ok(Done {
        signed_out,
        contexts,
        agent,
    })
}

/// Signs out as well as that goes. An agent is not started for it: without the key the sign-in is of no use to anybody.
async fn sign_out(paths: &Paths, name: &ProfileName) -> Option<bool> {
    let answered = call(paths, name.as_str(), "sign-out", &Value::Null).await;
    let (line, signed_out) = match answered {
        Ok(Some(answer)) => match answer.get("signed_out").and_then(Value::as_bool) {
            Some(false) => ("You were not signed in.".to_owned(), Some(false)),
            Some(true) | None => ("Signed out.".to_owned(), Some(true)),
        },
        Ok(None) => (
            "The agent does not run, so the gateway was not told; without the key the sign-in cannot be used."
                .to_owned(),
            None,
        ),
        Err(failure) => (
            format!(
                "The gateway was not told ({}); without the key the sign-in cannot be used.",
                failure.message
            ),
            None,
        ),
    };
    on_stderr(&line);
    signed_out
}

/// Has the agent end what it does for the profile.
async fn leave(paths: &Paths, name: &ProfileName) -> Result<bool, Failure> {
    let leave = json!(LeaveCall {
        profile: name.clone()
    });
    let answered = call(paths, AGENT, "leave", &leave)
        .await
        .map_err(|failure| {
            let text = "the agent may still hold the removed profile";
            Failure::new(format!("{text}: {}", failure.message))
                .repaired_by("run `adit agent stop`")
        });
    let ended = |answer: Value| answer.get("ended") == Some(&Value::Bool(true));
    Ok(answered?.is_some_and(ended))
}

/// Makes one call of the agent that runs; `None` if none does.
async fn call(
    paths: &Paths,
    profile: &str,
    name: &str,
    body: &Value,
) -> Result<Option<Value>, Failure> {
    let call = async {
        let Some(mut agent) = AgentClient::connect(&paths.socket()).await? else {
            return Ok(None);
        };
        let answered = agent.call(profile, name, body, on_stderr).await?;
        Ok(Some(answered.value))
    };
    let late = |_| Err(Failure::new("the agent did not answer in time"));
    timeout(PATIENCE, call).await.unwrap_or_else(late)
}

/// Says what is to be done next.
fn after(paths: &Paths, name: &ProfileName) {
    on_stderr("Its gateway knows the device until an admin revokes it.");
    match profile::choose(paths, None) {
        Ok(next) => on_stderr(&format!(
            "{next} is used from now on; `adit kube` brings its contexts' names up to date."
        )),
        Err(error) => {
            let failure = Failure::from(error);
            on_stderr(&format!("Without {name}, {failure}."));
        }
    }
}

#[cfg(test)]
mod tests;
