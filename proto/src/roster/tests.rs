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
use crate::roster::{Roster, Subject, policy_digest};
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

#[test]
fn what_was_revoked_is_still_found_by_its_id_and_in_the_lists() {
    let mut log = Log::new();
    let user = log.add_user("ann", &[]);
    let invited = log.invite(user);
    let ann = log.enrol(&invited);
    let cluster = log.add_cluster("prod");
    log.set_policy("permit");
    for subject in [Subject::User(ann.user), Subject::Cluster(cluster.id)] {
        log.revoke(subject);
    }
    let roster = &log.roster;
    assert!(roster.active_user(ann.user).is_none());
    assert_eq!(roster.user(ann.user).unwrap().name, "ann");
    assert_eq!(roster.users().filter(|it| it.id == ann.user).count(), 1);

    let print = ann.device.fingerprint();
    assert!(roster.active_device(&print).is_err());
    assert_eq!(roster.device(ann.device_id).unwrap().owner, ann.user);
    assert_eq!(roster.device_by_key(&print).unwrap().id, ann.device_id);
    assert!(roster.devices().any(|it| it.id == ann.device_id));

    let passkey = roster.passkey(ann.passkey_id).unwrap();
    let credential = &passkey.credential_id;
    assert!(roster.active_passkey(credential).is_none());
    let found = roster.passkey_by_credential(credential);
    assert_eq!(found.unwrap().id, ann.passkey_id);
    assert!(roster.passkeys().any(|it| it.id == ann.passkey_id));

    assert_eq!(roster.cluster_by_id(cluster.id).unwrap().id, cluster.id);
    assert!(roster.clusters().any(|it| it.id == cluster.id));

    let key = invited.invitation.key().public().fingerprint();
    assert_eq!(roster.invitation(invited.id).unwrap().id, invited.id);
    assert_eq!(roster.invitation_by_key(&key).unwrap().id, invited.id);
    assert!(roster.invitations().any(|it| it.id == invited.id));

    assert_eq!(roster.policy_digest_of(1), Some(&policy_digest("permit")));
    assert_eq!(roster.policy_digest_of(0), None);
    assert_eq!(roster.policy_digest_of(2), None);
    assert_eq!(roster.hash_at(roster.number()), Some(&roster.head().hash));
    assert_eq!(roster.hash_at(0), None);
}
