//! S2: signers without the right.

use std::time::Duration;

use super::*;

use crate::time::UnixMillis;
use crate::wire::roster::{self as wire, Role};

/// One statement of each kind that is signed by devices, right but for its signer.
fn bodies(log: &mut Log) -> Vec<(Kind, Body)> {
    let user = log.add_user("victim", &[]);
    let (invitation, _) = log.invitation_for(user, wire::Admits::Both);
    let new_user = wire::User {
        user_id: crate::id::UserId::from_parts(log.now, [1; 10]).to_string(),
        name: "new".to_owned(),
        ..wire::User::default()
    };
    let cluster = wire::Cluster {
        cluster_id: crate::id::ClusterId::from_parts(log.now, [1; 10]).to_string(),
        name: "prod".to_owned(),
        key: crate::testing::TestKey::generate().public().spki().to_vec(),
    };
    let policy = wire::Policy {
        number: log.roster.next_policy_number(),
        digest: vec![1; 32],
    };
    let revocation = Log::revocation_of(Subject::User(user));
    let admin = log.admin.clone();
    let own = log.own_passkey(&log.with_new_passkey(&admin));
    vec![
        (Kind::Own, own),
        (
            Kind::User,
            Body {
                users: vec![new_user],
                ..log.body()
            },
        ),
        (
            Kind::Invitation,
            Body {
                invitations: vec![invitation],
                ..log.body()
            },
        ),
        (
            Kind::Cluster,
            Body {
                clusters: vec![cluster],
                ..log.body()
            },
        ),
        (
            Kind::Policy,
            Body {
                policies: vec![policy],
                ..log.body()
            },
        ),
        (
            Kind::Revocation,
            Body {
                revocations: vec![revocation],
                ..log.body()
            },
        ),
    ]
}

#[test]
fn s2_an_auditor_and_a_plain_user_sign_nothing_of_an_admin() {
    for role in [Role::Unspecified, Role::Auditor] {
        let mut log = Log::new();
        let signer = log.add_person_as("ann", &[], role);
        for (kind, body) in bodies(&mut log) {
            let error = refusal(&mut log, &signer, kind, &body);
            assert_eq!(error, StatementError::NoRight(kind), "{role:?}");
        }
    }
}

#[test]
fn s2_a_device_manager_invites_and_signs_nothing_else() {
    let mut log = Log::new();
    let manager = log.add_person_as("max", &[], Role::DeviceManager);
    for (kind, body) in bodies(&mut log) {
        if kind == Kind::Invitation {
            let statement = log.sealed(&manager, kind, &body);
            log.push(statement);
        } else {
            assert_eq!(
                refusal(&mut log, &manager, kind, &body),
                StatementError::NoRight(kind)
            );
        }
    }
}

#[test]
fn s2_nobody_invites_an_admin() {
    let mut log = Log::new();
    let manager = log.add_person_as("max", &[], Role::DeviceManager);
    let (entry_, _) = log.invitation_for(log.admin.user, wire::Admits::Both);
    for signer in [log.admin.clone(), manager] {
        let body = Body {
            invitations: vec![entry_.clone()],
            ..log.body()
        };
        let error = refusal(&mut log, &signer, Kind::Invitation, &body);
        assert_eq!(error, entry(EntryError::UserIsAdmin));
    }
}

#[test]
fn s2_no_device_admits_a_device() {
    let mut log = Log::new();
    let ann = log.add_person("ann", &[]);
    let invited = log.invite(ann.user);
    let (enrolment, _) = log.enrolment_of(&invited);
    for signer in [ann, log.admin.clone()] {
        let body = Body {
            enrolments: vec![enrolment.clone()],
            ..log.body()
        };
        let error = refusal(&mut log, &signer, Kind::Enrolment, &body);
        assert_eq!(error, StatementError::NoRight(Kind::Enrolment));
    }
}

#[test]
fn s2_an_invitation_key_signs_enrolments_only() {
    let mut log = Log::new();
    let user = log.add_user("ann", &[]);
    let invited = log.invite(user);
    for (kind, body) in bodies(&mut log) {
        let mut statement = log.sealed_by_invitation(&invited, kind, &body);
        assert_eq!(
            refused(&mut log.roster, &statement),
            StatementError::NoRight(kind)
        );
        statement.touch = Some(log.admin.touch(log.roster.relying_party(), &[0; 32]));
        assert_eq!(
            refused(&mut log.roster, &statement),
            StatementError::TouchUnexpected
        );
    }
}

#[test]
fn s2_an_invitation_is_used_once_and_for_its_user() {
    let mut log = Log::new();
    let (ann, bob) = (log.add_user("ann", &[]), log.add_user("bob", &[]));
    let (one, other) = (log.invite(ann), log.invite(bob));
    let (of_other, _) = log.enrolment_of(&other);
    let body = Body {
        enrolments: vec![of_other],
        ..log.body()
    };
    let statement = log.sealed_by_invitation(&one, Kind::Enrolment, &body);
    assert_eq!(
        refused(&mut log.roster, &statement),
        entry(EntryError::InvitationUnknown)
    );
    let person = log.enrol(&one);
    assert_eq!(log.roster.device(person.device_id).unwrap().owner, ann);
    let (again, _) = log.enrolment_of(&one);
    let body = Body {
        enrolments: vec![again.clone()],
        ..log.body()
    };
    let statement = log.sealed_by_invitation(&one, Kind::Enrolment, &body);
    assert_eq!(
        refused(&mut log.roster, &statement),
        entry(EntryError::InvitationUsed)
    );
    let body = Body {
        enrolments: vec![again.clone(), again],
        ..log.body()
    };
    let statement = log.sealed_by_invitation(&other, Kind::Enrolment, &body);
    assert_eq!(
        refused(&mut log.roster, &statement),
        StatementError::Entries
    );
}

#[test]
fn j2_an_expired_invitation_is_refused_by_the_statements_time() {
    let mut log = Log::new();
    let user = log.add_user("ann", &[]);
    let invited = log.invite(user);
    let key = invited.invitation.key().public().fingerprint();
    let ends = log.roster.usable_invitation(&key, log.now).unwrap().expires;
    let last = UnixMillis(ends.0 - 1);
    assert!(log.roster.usable_invitation(&key, last).is_ok());
    assert!(log.roster.usable_invitation(&key, ends).is_err());
    let (enrolment, _) = log.enrolment_of(&invited);
    let backdated = Body {
        enrolments: vec![enrolment.clone()],
        ..log.body()
    };
    log.now = log.now.after(Duration::from_hours(24));
    assert!(log.roster.usable_invitation(&key, log.now).is_err());
    let late = Body {
        enrolments: vec![enrolment],
        ..log.body()
    };
    let statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &late);
    assert_eq!(
        refused(&mut log.roster, &statement),
        entry(EntryError::InvitationExpired)
    );
    log.add_user("bob", &[]);
    let statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &backdated);
    assert_eq!(
        refused(&mut log.roster, &statement),
        StatementError::ClockSkew
    );
}

#[test]
fn j2_a_revoked_invitation_and_one_for_a_revoked_user_are_refused() {
    for revoke_user in [false, true] {
        let mut log = Log::new();
        let user = log.add_user("ann", &[]);
        let invited = log.invite(user);
        let subject = if revoke_user {
            Subject::User(user)
        } else {
            Subject::Invitation(invited.id)
        };
        log.revoke(subject);
        let (enrolment, _) = log.enrolment_of(&invited);
        let body = Body {
            enrolments: vec![enrolment],
            ..log.body()
        };
        let statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &body);
        let error = refused(&mut log.roster, &statement);
        let expected = if revoke_user {
            EntryError::UserUnknown
        } else {
            EntryError::InvitationRevoked
        };
        assert_eq!(error, entry(expected));
    }
}

#[test]
fn s2_an_invitation_ends_with_its_signer() {
    let ends: [fn(&mut Log, &Person); 3] = [
        |log, manager| log.revoke(Subject::User(manager.user)),
        |log, manager| log.revoke(Subject::Device(manager.device_id)),
        |log, manager| {
            let user = wire::User {
                user_id: manager.user.to_string(),
                name: manager.name.clone(),
                ..wire::User::default()
            };
            let body = Body {
                users: vec![user],
                ..log.body()
            };
            log.admin_says(Kind::User, &body);
        },
    ];
    for end in ends {
        let mut log = Log::new();
        let manager = log.add_person_as("max", &[], Role::DeviceManager);
        let user = log.add_user("ann", &[]);
        let (invitation, invited) = log.invitation_for(user, wire::Admits::Both);
        let body = Body {
            invitations: vec![invitation],
            ..log.body()
        };
        let statement = log.sealed(&manager, Kind::Invitation, &body);
        log.push(statement);
        let key = invited.invitation.key().public().fingerprint();
        assert!(log.roster.usable_invitation(&key, log.now).is_ok());
        end(&mut log, &manager);
        let error = log.roster.usable_invitation(&key, log.now).unwrap_err();
        assert_eq!(error, EntryError::InvitationRevoked);
        let (enrolment, _) = log.enrolment_of(&invited);
        let body = Body {
            enrolments: vec![enrolment],
            ..log.body()
        };
        let statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &body);
        assert_eq!(
            refused(&mut log.roster, &statement),
            entry(EntryError::InvitationRevoked)
        );
    }
}

#[test]
fn j2_an_invitation_of_another_genesis_is_refused() {
    let mut log = Log::new();
    let mut other = Log::new();
    let user = other.add_user("ann", &[]);
    let invited = other.invite(user);
    let key = invited.invitation.key().public().fingerprint();
    let error = log.roster.usable_invitation(&key, log.now).unwrap_err();
    assert_eq!(error, EntryError::InvitationUnknown);
    let (enrolment, _) = log.enrolment_of(&invited);
    let body = Body {
        enrolments: vec![enrolment],
        ..log.body()
    };
    let statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &body);
    assert_eq!(
        refused(&mut log.roster, &statement),
        StatementError::SignerUnknown
    );
}

#[test]
fn s2_a_revoked_signer_is_refused_whatever_the_date() {
    let mut log = Log::new();
    let manager = log.add_person_as("max", &[], Role::DeviceManager);
    let user = log.add_user("ann", &[]);
    let (invitation, _) = log.invitation_for(user, wire::Admits::Both);
    let earlier = Body {
        invitations: vec![invitation],
        ..log.body()
    };
    log.revoke(Subject::User(manager.user));
    let error = refusal(&mut log, &manager, Kind::Invitation, &earlier);
    assert_eq!(error, StatementError::SignerRevoked);
}

#[test]
fn s2_a_revoked_passkey_touches_nothing() {
    let mut log = Log::new();
    let manager = log.add_person_as("max", &[], Role::DeviceManager);
    let user = log.add_user("ann", &[]);
    log.revoke(Subject::Passkey(manager.passkey_id));
    let (invitation, _) = log.invitation_for(user, wire::Admits::Both);
    let body = Body {
        invitations: vec![invitation],
        ..log.body()
    };
    let error = refusal(&mut log, &manager, Kind::Invitation, &body);
    assert_eq!(error, StatementError::TouchPasskey);
}
