//! What a statement says, in words for a person who is about to touch it.

use std::error::Error;
use std::time::Duration;

use adit_proto::key::PublicKey;
use adit_proto::roster::Roster;
use adit_proto::statement::Kind;
use adit_proto::time::UnixMillis;
use adit_proto::wire::roster::{Body, Role, revocation::Subject};
use adit_proto::words::words;

use crate::clock;
use crate::talk::Talk;

/// Says what `body` states.
pub(super) fn statement(talk: &Talk, roster: &Roster, kind: Kind, body: &Body) {
    talk.say(format!("You are about to sign this {kind} statement:"));
    for line in lines(roster, body) {
        talk.say(format!("  {line}"));
    }
}

/// One line for each entry.
pub(super) fn lines(roster: &Roster, body: &Body) -> Vec<String> {
    let mut lines = Vec::new();
    for user in &body.users {
        let groups = match user.groups.as_slice() {
            [] => "no groups".to_owned(),
            groups => format!("groups {}", groups.join(", ")),
        };
        let role = match Role::try_from(user.role) {
            Ok(Role::DeviceManager) => ", device manager",
            Ok(Role::Auditor) => ", auditor",
            Ok(Role::Unspecified) | Err(_) => "",
        };
        let own = if user.self_service {
            ", may add passkeys of their own"
        } else {
            ""
        };
        lines.push(format!(
            "user {} ({}): {groups}{role}{own}",
            user.name, user.user_id
        ));
    }
    for invitation in &body.invitations {
        let life = span(UnixMillis(invitation.expires_ms).since(clock::now()));
        let user = user_name(roster, &invitation.user_id);
        let id = &invitation.invitation_id;
        lines.push(format!(
            "invitation {id}: one device and one passkey of {user}, for {life}"
        ));
    }
    for cluster in &body.clusters {
        let key = PublicKey::from_spki(&cluster.key)
            .map_or_else(|_| "no key".to_owned(), |key| key.fingerprint().to_string());
        lines.push(format!("cluster {} with the key {key}", cluster.name));
    }
    for policy in &body.policies {
        lines.push(format!(
            "policy {} is in force, its text's words: {}",
            policy.number,
            words(&policy.digest)
        ));
    }
    for passkey in body.owns.iter().filter_map(|own| own.passkey.as_ref()) {
        lines.push(format!(
            "a further passkey of yours, {} ({}): from now on it signs in as you, and touches for you",
            passkey.name, passkey.passkey_id
        ));
    }
    for revocation in &body.revocations {
        let subject = revocation.subject.as_ref();
        let subject = subject.map_or_else(String::new, |subject| revoked(roster, subject));
        lines.push(format!(
            "revoked for good: {subject}, reason: {}",
            revocation.reason
        ));
    }
    lines
}

fn revoked(roster: &Roster, subject: &Subject) -> String {
    match subject {
        Subject::UserId(id) => {
            format!(
                "user {} ({id}) with all devices and passkeys",
                user_name(roster, id)
            )
        }
        Subject::DeviceId(id) => {
            let device = id.parse().ok().and_then(|id| roster.device(id));
            let of = device.map_or_else(String::new, |device| {
                let owner = user_name(roster, &device.owner.to_string());
                format!("{} of {owner} ", device.name)
            });
            format!("device {of}({id})")
        }
        Subject::PasskeyId(id) => {
            let passkey = id.parse().ok().and_then(|id| roster.passkey(id));
            let of = passkey.map_or_else(String::new, |passkey| {
                format!("of {} ", user_name(roster, &passkey.owner.to_string()))
            });
            format!("passkey {of}({id})")
        }
        Subject::InvitationId(id) => format!("invitation {id}"),
        Subject::ClusterId(id) => {
            let cluster = id.parse().ok().and_then(|id| roster.cluster_by_id(id));
            let name = cluster.map_or_else(String::new, |it| format!("{} ", it.name.as_str()));
            format!("cluster {name}({id})")
        }
        Subject::PolicyNumber(number) => format!("policy {number}"),
    }
}

fn user_name(roster: &Roster, id: &str) -> String {
    let user = id.parse().ok().and_then(|id| roster.user(id));
    user.map_or_else(|| id.to_owned(), |user| user.name.clone())
}

/// A span as people say it: the largest unit that divides it, rounded to minutes.
fn span(span: Duration) -> String {
    let minutes = span.as_secs().saturating_add(30) / 60;
    let (count, unit) = match minutes {
        minutes if minutes >= 2 * 24 * 60 && minutes % (24 * 60) == 0 => {
            (minutes / (24 * 60), "day")
        }
        minutes if minutes >= 60 && minutes % 60 == 0 => (minutes / 60, "hour"),
        minutes => (minutes, "minute"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// A text of the gateway for the terminal: nothing that moves its cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// An error with its causes, in one line.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
