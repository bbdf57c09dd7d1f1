//! `adit admin policy`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::{done, propose, revoke};
use crate::agent::client::on_stderr;
use crate::cli::Global;
use crate::command::{get, output, request};
use crate::exit::{Exit, Failure};
use crate::statement::{Named, Proposal};

/// What to do with the policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Put a policy in force
    Apply {
        /// The file with its Cedar text
        file: PathBuf,
    },
    /// Show the policy in force, or an earlier one
    Show {
        /// Its number
        number: Option<u64>,
    },
    /// Check a policy and change nothing
    Check {
        /// The file with its Cedar text
        file: PathBuf,
    },
    /// End trust in one; if it is in force, the newest one before it is in force again
    Revoke {
        /// Its number
        number: u64,
        /// Shown to who is refused
        #[arg(long)]
        reason: String,
    },
}

impl PolicyCommand {
    /// Does it.
    ///
    /// # Errors
    /// A failure that says what to do, with rule and line where a text is refused.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Apply { file } => {
                let text = read(&file)?;
                let made = propose(global, Proposal::ApplyPolicy { text }).await?;
                if let Some(number) = made.policy {
                    on_stderr(&format!("Policy {number} is in force."));
                }
                done(global, &made)
            }
            Self::Show { number } => {
                let number = number.map_or_else(|| "current".to_owned(), |it| it.to_string());
                let answer = get(global, &format!("/v1/admin/policies/{number}")).await?;
                if global.json {
                    return output::print_json(&answer);
                }
                on_stderr(&format!("Policy {}:", output::cell(answer.get("number"))));
                let text = answer
                    .get("text")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let plain = |letter: &char| !letter.is_control() || matches!(letter, '\n' | '\t');
                let text: String = text.chars().filter(plain).collect();
                output::print(text.trim_end())
            }
            Self::Check { file } => {
                let body = Some(json!({ "text": read(&file)? }));
                request(global, "POST", "/v1/admin/policies/check", body).await?;
                on_stderr("The policy is good.");
                Ok(())
            }
            Self::Revoke { number, reason } => revoke(global, Named::Policy(number), reason).await,
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        Failure::new(format!("{} cannot be read: {error}", file.display())).exiting(Exit::Usage)
    })
}
