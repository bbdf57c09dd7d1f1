//! `adit api METHOD PATH`: the gateway's API from a shell.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::output;
use crate::cli::Global;
use crate::exit::{Exit, Failure};

/// What to send.
#[derive(Debug, Args)]
pub struct ApiArgs {
    /// GET, POST, PUT or DELETE
    method: String,
    /// Path and query, such as /v1/whoami
    path: String,
    /// A file with the JSON to send, or - for stdin
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

impl ApiArgs {
    /// Sends it and prints the answer's JSON. It opens no browser.
    ///
    /// # Errors
    /// What the gateway said.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let body = self.input.as_deref().map(read).transpose()?;
        let method = self.method.to_ascii_uppercase();
        let call = json!({"method": method, "path": self.path, "body": body});
        output::print_json(&global.ask("api", call).await?)
    }
}

fn read(file: &std::path::Path) -> Result<Value, Failure> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let usage = |error: String| Failure::new(error).exiting(Exit::Usage);
    let text = text.map_err(|error| usage(format!("cannot read {}: {error}", file.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| usage(format!("{} holds no JSON: {error}", file.display())))
}
