//! `adit admin users`.

use clap::Subcommand;

use super::facts::SetArgs;
use super::invite::InviteArgs;
use super::{list, revoke};
use crate::cli::Global;
use crate::exit::Failure;
use crate::statement::Named;

/// What to do with people.
#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// Invite people: names them and prints what each pastes into `adit enrol`
    Invite(InviteArgs),
    /// Change groups, role or self-service of people, without an invitation
    Set(SetArgs),
    /// List them
    List,
    /// End trust in somebody, with all devices and passkeys
    Revoke {
        /// Name or id
        user: String,
        /// Shown to who is refused
        #[arg(long)]
        reason: String,
    },
}

impl UsersCommand {
    /// Does it.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let columns = [
            ("NAME", "/name"),
            ("GROUPS", "/groups"),
            ("ADMIN", "/admin"),
            ("ROLE", "/role"),
            ("SELF-SERVICE", "/self_service"),
            ("REVOKED", "/revoked"),
            ("ID", "/id"),
        ];
        match self {
            Self::Invite(args) => args.run(global).await,
            Self::Set(args) => args.run(global).await,
            Self::List => list(global, "/v1/admin/users", "users", &columns).await,
            Self::Revoke { user, reason } => revoke(global, Named::User(user), reason).await,
        }
    }
}
