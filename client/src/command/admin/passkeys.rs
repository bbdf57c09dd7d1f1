//! `adit admin passkeys`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{revoke, show};
use crate::cli::Global;
use crate::command::get;
use crate::exit::Failure;
use crate::statement::Named;

/// What to do with passkeys.
#[derive(Debug, Subcommand)]
pub enum PasskeysCommand {
    /// List them
    List,
    /// End trust in one
    Revoke {
        /// Its id
        passkey: String,
        /// Shown to who is refused
        #[arg(long)]
        reason: String,
    },
}

impl PasskeysCommand {
    /// Does it.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let columns = [
            ("ID", "/id"),
            ("OWNER", "/owner"),
            ("NAME", "/name"),
            ("REVOKED", "/revoked"),
        ];
        match self {
            Self::List => {
                let answer = get(global, "/v1/admin/users").await?;
                let rows = json!({ "passkeys": of_all(&answer) });
                show(global, &rows, "passkeys", &columns)
            }
            Self::Revoke { passkey, reason } => {
                revoke(global, Named::Passkey(passkey), reason).await
            }
        }
    }
}

/// The passkeys of all users, each with its owner's name.
fn of_all(users: &Value) -> Vec<Value> {
    let users = users.get("users").and_then(Value::as_array);
    let mut all = Vec::new();
    for user in users.into_iter().flatten() {
        let passkeys = user.get("passkeys").and_then(Value::as_array);
        for passkey in passkeys.into_iter().flatten() {
            let mut passkey = passkey.clone();
            if let Some(map) = passkey.as_object_mut() {
                map.insert(
                    "owner".to_owned(),
                    user.get("name").cloned().unwrap_or_default(),
                );
            }
            all.push(passkey);
        }
    }
    all
}
