//! `adit admin devices`.

use adit_proto::id::DeviceId;
use clap::Subcommand;
use serde_json::json;

use super::{list, revoke};
use crate::cli::Global;
use crate::command::request;
use crate::exit::Failure;
use crate::statement::Named;

/// What to do with devices.
#[derive(Debug, Subcommand)]
pub enum DevicesCommand {
    /// List them
    List,
    /// End trust in one
    Revoke {
        /// Id, or name where it is the only one
        device: String,
        /// Shown to who is refused
        #[arg(long)]
        reason: String,
    },
    /// Have the gateway deny one until it is resumed
    Suspend {
        /// Its id
        device: DeviceId,
        /// Shown to who is refused
        #[arg(long)]
        reason: String,
    },
    /// End a suspension
    Resume {
        /// Its id
        device: DeviceId,
    },
}

impl DevicesCommand {
    /// Does it.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let columns = [
            ("ID", "/id"),
            ("NAME", "/name"),
            ("OWNER", "/owner_name"),
            ("TIER", "/tier"),
            ("STATE", "/state"),
        ];
        match self {
            Self::List => list(global, "/v1/admin/devices", "devices", &columns).await,
            Self::Revoke { device, reason } => revoke(global, Named::Device(device), reason).await,
            Self::Suspend { device, reason } => {
                let path = format!("/v1/admin/devices/{device}/suspend");
                let body = Some(json!({ "reason": reason }));
                request(global, "POST", &path, body).await.map(|_| ())
            }
            Self::Resume { device } => {
                let path = format!("/v1/admin/devices/{device}/resume");
                request(global, "POST", &path, None).await.map(|_| ())
            }
        }
    }
}
