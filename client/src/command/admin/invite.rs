//! `adit admin users invite`: statements for the roster, and texts for the people.
//!
//! The seeds of invitations are made here, and are printed here. Neither the agent nor the gateway has them.

use std::time::Duration;

use adit_proto::invitation::Invitation;
use adit_proto::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};

use super::facts::FactsArgs;
use super::propose;
use crate::agent::client::on_stderr;
use crate::cli::Global;
use crate::command::output;
use crate::exit::{Exit, Failure};
use crate::profile::{self, Profile};
use crate::random;
use crate::statement::{Invitee, Proposal};

/// Longest life of an invitation: a week.
const LIFE_MAX: Duration = Duration::from_hours(7 * 24);

/// Whom to invite.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// Their names; each becomes a Kubernetes user name
    #[arg(required = true)]
    names: Vec<String>,
    #[command(flatten)]
    facts: FactsArgs,
    /// How long the invitations are good: 30m, 24h, 7d
    #[arg(long, default_value = "24h", value_parser = life)]
    expires: Duration,
}

impl InviteArgs {
    /// Invites.
    ///
    /// # Errors
    /// A failure that says what to do.
    pub(super) async fn run(self, global: &Global) -> Result<(), Failure> {
        let paths = global.paths()?;
        let name = profile::choose(&paths, global.profile.as_ref()).map_err(Failure::new)?;
        let profile = Profile::load(&paths, &name).map_err(Failure::new)?;
        let address = profile.gateway.clone();
        let invitation = |_: &String| -> Result<Invitation, Failure> {
            let seed = Secret::new(random::bytes::<16>()?);
            let (gateways, _) = &profile.gateways_keys;
            Ok(Invitation::new(
                seed,
                gateways,
                profile.genesis,
                address.clone(),
            ))
        };
        let invitations = self
            .names
            .iter()
            .map(invitation)
            .collect::<Result<Vec<_>, _>>()?;
        let people = self
            .names
            .iter()
            .zip(&invitations)
            .map(|(name, invitation)| Invitee {
                facts: self.facts.of(name),
                key: STANDARD.encode(invitation.key().public().as_bytes()),
            });
        let proposal = Proposal::Invite {
            people: people.collect(),
            life_s: self.expires.as_secs(),
        };
        let made = propose(global, proposal).await?;
        let rows: Vec<Value> = made
            .invited
            .iter()
            .zip(&invitations)
            .map(|(invited, invitation)| {
                json!({"invitation": invitation.text().expose(), "user": invited.name,
                    "user_id": invited.user_id, "invitation_id": invited.invitation_id,
                    "expires_ms": invited.expires_ms})
            })
            .collect();
        print(global, &rows)
    }
}

/// One invitation alone is the only thing on stdout; several come with their names.
fn print(global: &Global, rows: &[Value]) -> Result<(), Failure> {
    let text = |row: &Value, key: &str| output::cell(row.get(key));
    if global.json {
        return match rows {
            [one] => output::print_json(one),
            several => output::print_json(&json!({ "invitations": several })),
        };
    }
    for row in rows {
        on_stderr(&format!(
            "Send {} two messages:\n  1. where to get adit (there is no secret in that)\n  2. by another way: the invitation, to be pasted when `adit enrol` asks. It is good once.",
            text(row, "user")
        ));
        let name = match rows {
            [_] => String::new(),
            _ => format!("{}\t", text(row, "user")),
        };
        output::print(&format!("{name}{}", text(row, "invitation")))?;
    }
    Ok(())
}

fn life(text: &str) -> Result<Duration, Failure> {
    let usage = || {
        Failure::new("an invitation lives for minutes, hours or days, a week at most: 30m, 24h, 7d")
            .exiting(Exit::Usage)
    };
    let (count, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(usage)?;
    let count: u64 = count.parse().map_err(|_| usage())?;
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(usage()),
    };
    let life = Duration::from_secs(count.saturating_mul(seconds));
    (!life.is_zero() && life <= LIFE_MAX)
        .then_some(life)
        .ok_or_else(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_read_and_a_week_is_the_most() {
        assert_eq!(life("30m").unwrap(), Duration::from_mins(30));
        assert_eq!(life("24h").unwrap(), Duration::from_hours(24));
        assert_eq!(life("7d").unwrap(), LIFE_MAX);
        for text in [
            "",
            "h",
            "0h",
            "8d",
            "-1h",
            "24",
            "1w",
            "9999999999999999999d",
            "1ä",
        ] {
            assert!(life(text).is_err(), "{text}");
        }
    }
}
