//! `adit admin audit`.

use clap::Subcommand;

use super::list;
use crate::cli::Global;
use crate::exit::Failure;

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List events, in the order in which the gateway stored them
    List {
        /// The cursor of the last event that you have
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

impl AuditCommand {
    /// Does it.
    ///
    /// # Errors
    /// What the gateway said.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let Self::List { after, limit } = self;
        let path = format!("/v1/admin/audit?after={after}&limit={limit}");
        let columns = [
            ("CURSOR", "/cursor"),
            ("TIME", "/time_ms"),
            ("KIND", "/kind"),
            ("USER", "/actor/user_name"),
            ("REASON", "/reason"),
            ("EVENT", "/event_id"),
        ];
        list(global, &path, "events", &columns).await
    }
}
