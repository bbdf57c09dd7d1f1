//! `adit login` and `adit logout`.

use clap::Args;
use serde_json::{Value, json};

use super::output;
use crate::agent::client::on_stderr;
use crate::browser::Caller;
use crate::cli::Global;
use crate::exit::Failure;

/// How to sign in.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Open the page in a browser on another machine, and type the code there; lasts less long
    #[arg(long)]
    headless: bool,
}

impl LoginArgs {
    /// Signs in. Whoever types it wants the page, with a terminal or without.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let call = json!({"caller": Caller::this_process(true), "headless": self.headless});
        let sign_in = global.ask("sign-in", call).await?;
        if global.json {
            return output::print_json(&sign_in);
        }
        Ok(())
    }
}

/// Ends the sign-in and its sessions.
///
/// # Errors
/// What the gateway said.
pub async fn logout(global: &Global) -> Result<(), Failure> {
    let ended = global.ask("sign-out", Value::Null).await?;
    if global.json {
        return output::print_json(&ended);
    }
    let was = ended.get("signed_out").and_then(Value::as_bool);
    on_stderr(match was {
        Some(false) => "You were not signed in.",
        Some(true) | None => "Signed out.",
    });
    Ok(())
}
