//! S4 and the rights to revoke.

use super::*;
use crate::roster::Right;
use crate::wire::roster::Role;

fn revoking(log: &mut Log, subjects: &[Subject]) -> Body {
    let revocations = subjects
        .iter()
        .map(|subject| Log::revocation_of(*subject))
        .collect();
    Body {
        revocations,
        ..log.body()
    }
}

#[test]
fn s4_the_last_admin_or_his_last_key_is_not_removed() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let bob = log.add_person("bob", &[]);
    for subjects in [
        vec![Subject::User(admin.user)],
        vec![Subject::Device(admin.device_id)],
        vec![Subject::Passkey(admin.passkey_id)],
        vec![Subject::User(bob.user), Subject::User(admin.user)],
    ] {
        let body = revoking(&mut log, &subjects);
        let error = refusal(&mut log, &admin, Kind::Revocation, &body);
        assert_eq!(error, entry(EntryError::LastAdmin));
    }
    assert!(log.roster.active_user(bob.user).is_some());
}

#[test]
fn a_user_revokes_his_own_keys_and_no_others() {
    let mut log = Log::new();
    let (ann, bob) = (log.add_person("ann", &[]), log.add_person("bob", &[]));
    for foreign in [
        Subject::Device(bob.device_id),
        Subject::Passkey(bob.passkey_id),
        Subject::Device(log.admin.device_id),
        Subject::User(ann.user),
    ] {
        let body = revoking(&mut log, &[foreign]);
        let error = refusal(&mut log, &ann, Kind::Revocation, &body);
        assert_eq!(
            error,
            StatementError::NoRight(Kind::Revocation),
            "{foreign:?}"
        );
    }
    let body = revoking(&mut log, &[Subject::Device(ann.device_id)]);
    let rights = log.roster.rights_of(&ann.device.fingerprint());
    assert_eq!(rights, Some((ann.user, Right::Own)));
    let statement = log.sealed(&ann, Kind::Revocation, &body);
    log.push(statement);
    assert!(log.roster.active_device(&ann.device.fingerprint()).is_err());
    assert!(log.roster.rights_of(&ann.device.fingerprint()).is_none());
}

#[test]
fn a_device_manager_revokes_keys_of_users_who_are_no_admins() {
    let mut log = Log::new();
    let manager = log.add_person_as("max", &[], Role::DeviceManager);
    let ann = log.add_person("ann", &[]);
    let cluster = log.add_cluster("prod");
    log.set_policy("permit");
    for above in [
        Subject::User(ann.user),
        Subject::Cluster(cluster.id),
        Subject::Policy(1),
        Subject::Device(log.admin.device_id),
        Subject::Passkey(log.admin.passkey_id),
    ] {
        let body = revoking(&mut log, &[above]);
        let error = refusal(&mut log, &manager, Kind::Revocation, &body);
        assert_eq!(
            error,
            StatementError::NoRight(Kind::Revocation),
            "{above:?}"
        );
    }
    let body = revoking(
        &mut log,
        &[
            Subject::Device(ann.device_id),
            Subject::Passkey(ann.passkey_id),
        ],
    );
    let statement = log.sealed(&manager, Kind::Revocation, &body);
    log.push(statement);
    assert_eq!(log.roster.passkeys_of(ann.user).count(), 0);
}

#[test]
fn what_is_unknown_or_revoked_is_not_revoked() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let ann = log.add_person("ann", &[]);
    let subject = Subject::Device(ann.device_id);
    let body = revoking(&mut log, &[subject, subject]);
    let twice = StatementError::Entry {
        index: 1,
        source: EntryError::AlreadyRevoked,
    };
    assert_eq!(refusal(&mut log, &admin, Kind::Revocation, &body), twice);
    log.revoke(subject);
    let body = revoking(&mut log, &[subject]);
    let error = refusal(&mut log, &admin, Kind::Revocation, &body);
    assert_eq!(error, entry(EntryError::AlreadyRevoked));
    for unknown in [
        Subject::Policy(0),
        Subject::Policy(1),
        Subject::Policy(u64::MAX),
    ] {
        let body = revoking(&mut log, &[unknown]);
        let error = refusal(&mut log, &admin, Kind::Revocation, &body);
        assert_eq!(error, entry(EntryError::SubjectUnknown));
    }
}

#[test]
fn a_reason_is_plain_and_has_512_bytes_at_most() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let ann = log.add_person("ann", &[]);
    for (reason, taken) in [
        ("x".repeat(513), false),
        ("a\nb".to_owned(), false),
        ("x".repeat(512), true),
    ] {
        let mut body = revoking(&mut log, &[Subject::Device(ann.device_id)]);
        body.revocations[0].reason = reason;
        let statement = log.sealed(&admin, Kind::Revocation, &body);
        let appended = log.roster.append(&statement).map(drop);
        let refused = entry(EntryError::Field("reason"));
        assert_eq!(appended, taken.then_some(()).ok_or(refused));
    }
}

#[test]
fn a_revoked_user_takes_everything_of_his_along() {
    let mut log = Log::new();
    let ann = log.add_person("ann", &[]);
    log.revoke(Subject::User(ann.user));
    let roster = &log.roster;
    let key = ann.device.fingerprint();
    assert_eq!(
        roster.active_device(&key).unwrap_err(),
        crate::Reason::DeviceRevoked
    );
    assert!(roster.active_passkey(ann.passkey.credential_id()).is_none());
    assert!(roster.is_revoked(Subject::Device(ann.device_id)));
    assert!(roster.user_by_name("ann").is_none());
    assert_eq!(
        roster
            .user(ann.user)
            .unwrap()
            .revoked
            .as_ref()
            .unwrap()
            .reason,
        "revoked by a test"
    );
    let again = log.add_user("ann", &[]);
    assert_eq!(log.roster.user_by_name("ann").unwrap().id, again);
}

#[test]
fn a_revoked_policy_makes_room_for_the_one_before() {
    let mut log = Log::new();
    log.set_policy("one");
    log.set_policy("two");
    log.revoke(Subject::Policy(2));
    let policy = log.roster.policy().unwrap();
    assert_eq!((policy.number, policy.digest), (1, policy_digest("one")));
    assert_eq!(log.set_policy("three"), 3);
    log.revoke(Subject::Policy(1));
    log.revoke(Subject::Policy(3));
    assert_eq!(log.roster.policy(), None);
}

#[test]
fn a_revoked_cluster_is_found_no_more_and_its_name_is_free() {
    let mut log = Log::new();
    let cluster = log.add_cluster("prod");
    log.revoke(Subject::Cluster(cluster.id));
    assert!(log.roster.cluster(&"prod".parse().unwrap()).is_none());
    assert!(
        log.roster
            .cluster_by_key(&cluster.key.fingerprint())
            .is_none()
    );
    let other = log.add_cluster("prod");
    assert_eq!(
        log.roster.cluster(&"prod".parse().unwrap()).unwrap().id,
        other.id
    );
}
