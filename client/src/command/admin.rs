//! `adit admin …`: what admins see and sign.
//!
//! Lists are the gateway's word; what is signed rests on the roster that the agent verified.

pub mod audit;
pub mod clusters;
pub mod devices;
pub mod facts;
pub mod invite;
pub mod passkeys;
pub mod policy;
pub mod roster;
pub mod sessions;
pub mod users;

use std::io::{BufRead, Write};

use clap::Subcommand;
use serde_json::{Value, json};

use super::output::{self, Column};
use super::{get, has_terminal, propose};
use crate::agent::client::on_stderr;
use crate::cli::Global;
use crate::exit::Failure;
use crate::statement::{Made, Named, Proposal};

/// What to administer.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// People
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Their devices
    #[command(subcommand)]
    Devices(devices::DevicesCommand),
    /// Their passkeys
    #[command(subcommand)]
    Passkeys(passkeys::PasskeysCommand),
    /// Clusters
    #[command(subcommand)]
    Clusters(clusters::ClustersCommand),
    /// Who may do what
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// What is reached now, by whom
    #[command(subcommand)]
    Sessions(sessions::SessionsCommand),
    /// What happened
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The signed log of who is who
    Roster(roster::RosterArgs),
}

impl AdminCommand {
    /// Does it.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Users(command) => command.run(global).await,
            Self::Devices(command) => command.run(global).await,
            Self::Passkeys(command) => command.run(global).await,
            Self::Clusters(command) => command.run(global).await,
            Self::Policy(command) => command.run(global).await,
            Self::Sessions(command) => command.run(global).await,
            Self::Audit(command) => command.run(global).await,
            Self::Roster(args) => args.run(global).await,
        }
    }
}

/// Lists what `path` gives under `key`: a table, or an object of that key.
async fn list(global: &Global, path: &str, key: &str, columns: &[Column]) -> Result<(), Failure> {
    show(global, &get(global, path).await?, key, columns)
}

fn show(global: &Global, answer: &Value, key: &str, columns: &[Column]) -> Result<(), Failure> {
    let rows = answer.get(key).unwrap_or(&Value::Null);
    if global.json {
        return output::print_json(&json!({ key: rows }));
    }
    output::list(false, answer, &format!("/{key}"), columns)
}

/// Ends trust in something, after a question where there is a terminal.
async fn revoke(global: &Global, subject: Named, reason: String) -> Result<(), Failure> {
    confirm(&format!("Revoke {}? This is for good.", named(&subject)))?;
    let made = propose(global, Proposal::Revoke { subject, reason }).await?;
    done(global, &made)
}

fn named(subject: &Named) -> String {
    match subject {
        Named::User(name) => format!("user {name}"),
        Named::Device(name) => format!("device {name}"),
        Named::Passkey(name) => format!("passkey {name}"),
        Named::Invitation(name) => format!("invitation {name}"),
        Named::Cluster(name) => format!("cluster {name}"),
        Named::Policy(number) => format!("policy {number}"),
    }
}

/// Says which statements there are now.
fn done(global: &Global, made: &Made) -> Result<(), Failure> {
    if global.json {
        return output::print_json(&json!({ "statements": made.statements }));
    }
    for statement in &made.statements {
        on_stderr(&format!(
            "Statement {} ({}) is in the roster.",
            statement.number, statement.kind
        ));
    }
    Ok(())
}

/// Asks on a terminal; goes on without one.
fn confirm(question: &str) -> Result<(), Failure> {
    if !has_terminal() {
        return Ok(());
    }
    // Nobody reads it: then nobody answers either.
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    let yes = read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes");
    yes.then_some(())
        .ok_or_else(|| Failure::new("nothing was done"))
}
