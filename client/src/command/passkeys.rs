//! `adit passkeys`: the passkeys that sign in as you.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{get, has_terminal, output, prompt, propose};
use crate::agent::client::on_stderr;
use crate::cli::Global;
use crate::exit::Failure;
use crate::statement::Proposal;

/// What to do with your passkeys.
#[derive(Debug, Subcommand)]
pub enum PasskeysCommand {
    /// List them
    List,
    /// Add one, with a touch of one that you have
    Add {
        /// What to call it, as "blue key" or "phone"
        name: String,
    },
    /// Remove one; what signed in with it ends at once
    Remove {
        /// Id, or name where it is the only one
        passkey: String,
        /// Shown to who is refused
        #[arg(long, default_value = "removed by its owner")]
        reason: String,
    },
}

impl PasskeysCommand {
    /// Does it.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::List => list(global).await,
            Self::Add { name } => {
                let made = propose(global, Proposal::AddPasskey { name }).await?;
                if global.json {
                    let (passkey, statements) = (&made.passkey, &made.statements);
                    return output::print_json(
                        &json!({ "passkey": passkey, "statements": statements }),
                    );
                }
                if let Some(passkey) = &made.passkey {
                    on_stderr(&format!(
                        "The passkey {:?} ({}) is yours, and signs you in.",
                        passkey.name, passkey.id
                    ));
                }
                Ok(())
            }
            Self::Remove { passkey, reason } => {
                let question = format!("Remove your passkey {passkey:?}? This is for good.");
                if has_terminal() && !prompt::confirms(&question).await {
                    return Err(Failure::new("nothing was done"));
                }
                let made = propose(global, Proposal::RemovePasskey { passkey, reason }).await?;
                if global.json {
                    return output::print_json(&json!({ "statements": made.statements }));
                }
                on_stderr("The passkey is removed. Nothing that it signed in goes on.");
                Ok(())
            }
        }
    }
}

async fn list(global: &Global) -> Result<(), Failure> {
    let mut answer = get(global, "/v1/passkeys").await?;
    // Keys are for programs: a person compares names and ids.
    let rows = answer.get_mut("passkeys").and_then(Value::as_array_mut);
    for row in rows.into_iter().flatten().filter_map(Value::as_object_mut) {
        row.retain(|key, _| !matches!(key.as_str(), "credential_id" | "cose_key"));
    }
    let columns = [
        ("ID", "/id"),
        ("NAME", "/name"),
        ("SIGNED IN HERE", "/signed_in"),
        ("REVOKED", "/revoked"),
    ];
    output::list(global.json, &answer, "/passkeys", &columns)
}
