//! The roster against hostile statements. Each file is a kind of attack.

mod chain;
mod client;
mod entries;
mod genesis;
mod own;
mod property;
mod revocation;
mod rights;
mod time;

use crate::key::Fingerprint;
use crate::roster::{Roster, policy_digest};
use crate::statement::{Draft, EntryError, Head, Kind, StatementError};
use crate::testing::{Log, Person};
use crate::wire::roster::{Body, Statement};

/// A statement of the admin that is right, and not appended.
fn right(log: &mut Log) -> Statement {
    let policies = vec![crate::wire::roster::Policy {
        number: log.roster.next_policy_number(),
        digest: policy_digest("permit").to_vec(),
    }];
    let body = Body {
        policies,
        ..log.body()
    };
    log.sealed(&log.admin, Kind::Policy, &body)
}

/// Signs anything: any kind, signer fingerprint and head, by the device and passkey of `person`.
fn forge(log: &Log, person: &Person, kind: Kind, body: &Body, signer: Fingerprint) -> Statement {
    let draft = Draft::new(log.roster.genesis(), kind, signer, body);
    person.seal(&draft, &log.roster.head(), log.roster.relying_party())
}

/// Appends what has to be refused; the head must not move.
#[track_caller]
fn refused(roster: &mut Roster, statement: &Statement) -> StatementError {
    let before: Head = roster.head();
    let members = format!("{roster:?}");
    let error = roster
        .append(statement)
        .expect_err("the statement has to be refused");
    assert_eq!(roster.head(), before);
    assert_eq!(format!("{roster:?}"), members);
    error
}

/// Says `body` as `signer`; returns why it is refused.
#[track_caller]
fn refusal(log: &mut Log, signer: &Person, kind: Kind, body: &Body) -> StatementError {
    let statement = log.sealed(signer, kind, body);
    refused(&mut log.roster, &statement)
}

fn entry(source: EntryError) -> StatementError {
    StatementError::Entry { index: 0, source }
}

#[test]
fn a_log_of_every_kind_is_read_and_answers() {
    let mut log = Log::new();
    let ann = log.add_person("ann@example.test", &["dev", "ops"]);
    let cluster = log.add_cluster("prod");
    assert_eq!(log.set_policy("permit"), 1);
    let roster = &log.roster;
    assert_eq!(roster.number(), 6);
    assert_eq!(
        roster
            .active_device(&ann.device.fingerprint())
            .unwrap()
            .owner,
        ann.user
    );
    assert_eq!(
        roster.user_by_name("ann@example.test").unwrap().groups,
        ["dev", "ops"]
    );
    assert_eq!(roster.passkeys_of(ann.user).count(), 1);
    assert_eq!(
        roster.cluster(&"prod".parse().unwrap()).unwrap().id,
        cluster.id
    );
    assert_eq!(roster.policy().unwrap().digest, policy_digest("permit"));
    assert!(roster.is_admin(log.admin.user) && !roster.is_admin(ann.user));
    let mut again = Roster::found(&log.statements[0]).unwrap();
    for statement in &log.statements[1..] {
        again.append(statement).unwrap();
    }
    assert_eq!(again.head(), log.roster.head());
}

#[test]
fn a_policy_is_named_by_the_hash_of_its_text() {
    let text = "permit (principal, action, resource);";
    let labelled = crate::label::digest(crate::label::POLICY, &[text.as_bytes()]);
    assert_eq!(policy_digest(text), labelled);
}
