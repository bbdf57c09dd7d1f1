//! What people are, as options say it, and `adit admin users set`.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::{done, propose};
use crate::agent::client::on_stderr;
use crate::cli::Global;
use crate::exit::Failure;
use crate::statement::{Facts, Proposal, Role};

/// What people are. What is not given stays as it is of who is there already.
#[derive(Debug, Args)]
pub struct FactsArgs {
    /// Groups, separated by commas; leaves those of who is there already if not given
    #[arg(long, value_delimiter = ',')]
    groups: Option<Vec<String>>,
    /// Role
    #[arg(long, value_enum)]
    role: Option<Role>,
    /// Whether they may add passkeys of their own: yes or no
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new())]
    self_service: Option<bool>,
}

impl FactsArgs {
    /// What the options say of `name`.
    pub(super) fn of(&self, name: &str) -> Facts {
        let groups = self.groups.clone().map(|groups| {
            groups
                .into_iter()
                .filter(|group| !group.is_empty())
                .collect()
        });
        Facts {
            name: name.to_owned(),
            groups,
            role: self.role,
            self_service: self.self_service,
        }
    }
}

/// Who becomes what.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Their names
    #[arg(required = true)]
    names: Vec<String>,
    #[command(flatten)]
    facts: FactsArgs,
}

impl SetArgs {
    /// Says it of them.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let people = self.names.iter().map(|name| self.facts.of(name)).collect();
        let made = propose(global, Proposal::SetUsers { people }).await?;
        if made.statements.is_empty() {
            on_stderr("Nothing changes.");
        }
        done(global, &made)
    }
}
