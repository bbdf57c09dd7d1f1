//! `adit admin sessions`.

use adit_proto::id::SessionId;
use clap::Subcommand;

use super::list;
use crate::cli::Global;
use crate::command::request;
use crate::exit::Failure;

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List them
    List,
    /// End one
    End {
        /// Its id
        session: SessionId,
    },
}

impl SessionsCommand {
    /// Does it.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let columns = [
            ("ID", "/id"),
            ("USER", "/user_id"),
            ("DEVICE", "/device_id"),
            ("TARGET", "/target"),
            ("EXPIRES", "/expires_ms"),
        ];
        match self {
            Self::List => list(global, "/v1/admin/sessions", "sessions", &columns).await,
            Self::End { session } => {
                let path = format!("/v1/sessions/{session}");
                request(global, "DELETE", &path, None).await.map(|_| ())
            }
        }
    }
}
