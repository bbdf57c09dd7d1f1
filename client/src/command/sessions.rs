//! `adit sessions`: what you may reach now.

use clap::Args;

use super::{get, output, request};
use crate::cli::Global;
use crate::exit::{Exit, Failure};
use adit_proto::id::SessionId;

/// What to do with sessions.
#[derive(Debug, Args)]
pub struct SessionsArgs {
    /// End this one
    #[arg(long, value_name = "SESSION")]
    end: Option<String>,
}

impl SessionsArgs {
    /// Lists your sessions, or ends one.
    ///
    /// # Errors
    /// What the gateway said.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        if let Some(id) = self.end {
            let id: SessionId = id
                .parse()
                .map_err(|error| Failure::new(error).exiting(Exit::Usage))?;
            return request(global, "DELETE", &format!("/v1/sessions/{id}"), None)
                .await
                .map(|_| ());
        }
        let answer = get(global, "/v1/sessions").await?;
        let columns = [
            ("ID", "/id"),
            ("TARGET", "/target"),
            ("EXPIRES", "/expires_ms"),
        ];
        output::list(global.json, &answer, "/sessions", &columns)
    }
}
