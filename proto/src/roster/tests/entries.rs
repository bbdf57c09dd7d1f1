//! Entries that are not what the format says, names and keys that are taken.

use super::*;
use crate::testing::TestKey;
use crate::wire::roster::{self as wire, Admits};

type Change<T> = (EntryError, fn(&mut T));

#[test]
fn k3_unsafe_names_and_groups_are_refused_when_the_roster_is_extended() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    for name in ["", "a\nb", "a,b", " a", "system:masters", "a\0"] {
        for in_group in [false, true] {
            let (user, group) = if in_group {
                ("ann", name)
            } else {
                (name, "dev")
            };
            let entry_ = wire::User {
                user_id: admin.user.to_string(),
                name: user.to_owned(),
                groups: vec![group.to_owned()],
                ..wire::User::default()
            };
            let body = Body {
                users: vec![entry_],
                ..log.body()
            };
            let error = refusal(&mut log, &admin, Kind::User, &body);
            assert_eq!(error, entry(EntryError::Name), "{name:?}");
        }
    }
}

#[test]
fn a_user_is_in_128_groups_at_most_and_in_each_once() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let many = |count: usize| (0..count).map(|at| format!("g{at}")).collect::<Vec<_>>();
    for (groups, taken) in [
        (many(129), false),
        (["dev", "ops", "dev"].map(str::to_owned).to_vec(), false),
        (many(128), true),
    ] {
        let entry_ = wire::User {
            user_id: crate::id::UserId::from_parts(log.now, [1; 10]).to_string(),
            name: "ann".to_owned(),
            groups,
            ..wire::User::default()
        };
        let body = Body {
            users: vec![entry_],
            ..log.body()
        };
        let statement = log.sealed(&admin, Kind::User, &body);
        let appended = log.roster.append(&statement).map(drop);
        let refused = entry(EntryError::Field("groups"));
        assert_eq!(appended, taken.then_some(()).ok_or(refused));
    }
}

#[test]
fn names_of_others_are_taken_and_a_users_facts_change() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let ann = log.add_user("ann", &["dev"]);
    let user = |id: crate::id::UserId, name: &str| wire::User {
        user_id: id.to_string(),
        name: name.to_owned(),
        ..wire::User::default()
    };
    let fresh = crate::id::UserId::from_parts(log.now, [1; 10]);
    let body = Body {
        users: vec![user(fresh, "ann")],
        ..log.body()
    };
    assert_eq!(
        refusal(&mut log, &admin, Kind::User, &body),
        entry(EntryError::NameTaken)
    );
    let body = Body {
        users: vec![user(fresh, "x"), user(ann, "x")],
        ..log.body()
    };
    let second = StatementError::Entry {
        index: 1,
        source: EntryError::NameTaken,
    };
    assert_eq!(refusal(&mut log, &admin, Kind::User, &body), second);
    let body = Body {
        users: vec![user(ann, "anna")],
        ..log.body()
    };
    log.admin_says(Kind::User, &body);
    assert!(log.roster.user_by_name("ann").is_none());
    assert_eq!(log.roster.user_by_name("anna").unwrap().groups.len(), 0);
    log.revoke(crate::roster::Subject::User(ann));
    let body = Body {
        users: vec![user(ann, "ann")],
        ..log.body()
    };
    assert_eq!(
        refusal(&mut log, &admin, Kind::User, &body),
        entry(EntryError::IdTaken)
    );
}

#[test]
fn an_invitation_ends_after_its_statement_and_within_a_week() {
    const WEEK: u64 = 7 * 86_400_000;
    let mut log = Log::new();
    let admin = log.admin.clone();
    let user = log.add_user("ann", &[]);
    for (life, taken) in [(0, false), (1, true), (WEEK, true), (WEEK + 1, false)] {
        let (mut invitation, _) = log.invitation_for(user, Admits::Both);
        let mut body = log.body();
        invitation.expires_ms = body.time_ms + life;
        body.invitations.push(invitation);
        let statement = log.sealed(&admin, Kind::Invitation, &body);
        let appended = log.roster.append(&statement).map(drop);
        let expected = taken.then_some(()).ok_or(entry(EntryError::Expiry));
        assert_eq!(appended, expected, "{life}");
    }
}

#[test]
fn wrong_invitations_are_refused() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let user = log.add_user("ann", &[]);
    let taken = log.invite(user);
    let cases: [Change<wire::Invitation>; 8] = [
        (EntryError::Field("invitation_id"), |it| {
            it.invitation_id = "inv_1".to_owned();
        }),
        (EntryError::Field("key"), |it| it.key.push(0)),
        (EntryError::UserUnknown, |it| {
            it.user_id = "usr_00000000000000000000000000".to_owned();
        }),
        (EntryError::Field("admits"), |it| it.admits = 0),
        (EntryError::TierCap, |it| it.tier_cap = 0),
        (EntryError::TierCap, |it| it.tier_cap = 5),
        (EntryError::Expiry, |it| it.expires_ms = 1),
        (EntryError::Expiry, |it| {
            it.expires_ms += 6 * 86_400_000 + 60_000;
        }),
    ];
    for (expected, change) in cases {
        let (mut invitation, _) = log.invitation_for(user, Admits::Both);
        change(&mut invitation);
        let body = Body {
            invitations: vec![invitation],
            ..log.body()
        };
        assert_eq!(
            refusal(&mut log, &admin, Kind::Invitation, &body),
            entry(expected)
        );
    }
    let (mut invitation, _) = log.invitation_for(user, Admits::Both);
    invitation.key = taken.invitation.key().public().as_bytes().to_vec();
    let body = Body {
        invitations: vec![invitation.clone()],
        ..log.body()
    };
    let error = refusal(&mut log, &admin, Kind::Invitation, &body);
    assert_eq!(error, entry(EntryError::KeyTaken));
    invitation.approval = true;
    let body = Body {
        invitations: vec![invitation],
        ..log.body()
    };
    let error = refusal(&mut log, &admin, Kind::Invitation, &body);
    assert_eq!(error, StatementError::KindNotYet(Kind::Approval));
}

#[test]
fn a_passkeys_public_key_has_1024_bytes_at_most() {
    let mut log = Log::new();
    let ann = log.add_person("ann", &[]);
    let invited = log.invite(ann.user);
    for (length, taken) in [(1025, false), (1024, true)] {
        let (mut enrolment, _) = log.enrolment_of(&invited);
        lengthen(&mut enrolment.passkey.as_mut().unwrap().cose_key, length);
        let body = Body {
            enrolments: vec![enrolment],
            ..log.body()
        };
        let statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &body);
        let appended = log.roster.append(&statement).map(drop);
        let refused = entry(EntryError::Field("cose_key"));
        assert_eq!(appended, taken.then_some(()).ok_or(refused), "{length}");
    }
}

/// Adds a key id (`COSE_Key`'s label 2, RFC 9052 section 7.1) of 256 bytes or more, so that the key is `length` long.
fn lengthen(cose_key: &mut Vec<u8>, length: usize) {
    let added = length - cose_key.len() - 4;
    cose_key[0] += 1;
    cose_key.extend([0x02, 0x59]);
    cose_key.extend(u16::try_from(added).unwrap().to_be_bytes());
    cose_key.resize(length, 0);
}

#[test]
fn an_enrolment_is_what_its_invitation_admits() {
    let mut log = Log::new();
    let ann = log.add_person("ann", &[]);
    let cases: [Change<wire::Enrolment>; 5] = [
        (EntryError::Admits, |it| it.device = None),
        (EntryError::Admits, |it| it.passkey = None),
        (EntryError::TierCap, |it| {
            it.device.as_mut().unwrap().tier_cap = 3;
        }),
        (EntryError::Field("cose_key"), |it| {
            it.passkey.as_mut().unwrap().cose_key.push(0);
        }),
        (EntryError::Field("key"), |it| {
            it.device.as_mut().unwrap().key[26] = 2;
        }),
    ];
    let invited = log.invite(ann.user);
    for (expected, change) in cases {
        let (mut enrolment, _) = log.enrolment_of(&invited);
        change(&mut enrolment);
        let body = Body {
            enrolments: vec![enrolment],
            ..log.body()
        };
        let statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &body);
        assert_eq!(refused(&mut log.roster, &statement), entry(expected));
    }
    let keys: [fn(&mut wire::Enrolment, &Person, &Log); 3] = [
        |it, ann, _| it.device.as_mut().unwrap().key = ann.device.public().spki().to_vec(),
        |it, _, log| it.device.as_mut().unwrap().key = log.gateways.public().spki().to_vec(),
        |it, ann, _| {
            it.passkey.as_mut().unwrap().credential_id = ann.passkey.credential_id().to_vec();
        },
    ];
    for change in keys {
        let (mut enrolment, _) = log.enrolment_of(&invited);
        change(&mut enrolment, &ann, &log);
        let body = Body {
            enrolments: vec![enrolment],
            ..log.body()
        };
        let statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &body);
        assert_eq!(
            refused(&mut log.roster, &statement),
            entry(EntryError::KeyTaken)
        );
    }
}

#[test]
fn a_device_alone_needs_a_touch_of_an_earlier_passkey() {
    let mut log = Log::new();
    let (ann, bob) = (log.add_person("ann", &[]), log.add_person("bob", &[]));
    let invited = log.invite_to(ann.user, Admits::Device);
    let (mut enrolment, person) = log.enrolment_of(&invited);
    enrolment.passkey = None;
    let body = Body {
        enrolments: vec![enrolment],
        ..log.body()
    };
    let mut statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &body);
    let error = refused(&mut log.roster, &statement);
    assert_eq!(error, StatementError::TouchMissing(Kind::Enrolment));
    let signer = invited.invitation.key().public().fingerprint();
    let challenge = Draft::new(log.genesis(), Kind::Enrolment, signer, &body).touch_challenge();
    statement.touch = Some(bob.touch(log.roster.relying_party(), &challenge));
    assert_eq!(
        refused(&mut log.roster, &statement),
        StatementError::TouchPasskey
    );
    statement.touch = Some(ann.touch(log.roster.relying_party(), &challenge));
    log.push(statement);
    assert_eq!(log.roster.device(person.device_id).unwrap().owner, ann.user);
}

#[test]
fn a_passkey_alone_is_enrolled_and_both_take_no_touch() {
    let mut log = Log::new();
    let ann = log.add_person("ann", &[]);
    let invited = log.invite_to(ann.user, Admits::Passkey);
    let (mut enrolment, _) = log.enrolment_of(&invited);
    enrolment.device = None;
    let body = Body {
        enrolments: vec![enrolment],
        ..log.body()
    };
    let mut statement = log.sealed_by_invitation(&invited, Kind::Enrolment, &body);
    statement.touch = Some(ann.touch(log.roster.relying_party(), &[0; 32]));
    assert_eq!(
        refused(&mut log.roster, &statement),
        StatementError::TouchUnexpected
    );
    statement.touch = None;
    log.push(statement);
    assert_eq!(log.roster.passkeys_of(ann.user).count(), 2);
}

#[test]
fn a_cluster_changes_its_key_under_its_name_and_no_key_returns() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let mut cluster = log.add_cluster("prod");
    let first = cluster.key.clone();
    cluster.key = TestKey::generate();
    log.put_cluster(&cluster);
    let name = "prod".parse().unwrap();
    assert_eq!(
        log.roster.cluster(&name).unwrap().key,
        *cluster.key.public()
    );
    assert!(log.roster.cluster_by_key(&first.fingerprint()).is_none());
    let found = log.roster.cluster_by_key(&cluster.key.fingerprint());
    assert_eq!(found.map(|it| it.id), Some(cluster.id));
    let entry_of = |id: crate::id::ClusterId, name: &str, key: &TestKey| wire::Cluster {
        cluster_id: id.to_string(),
        name: name.to_owned(),
        key: key.public().spki().to_vec(),
    };
    let fresh = crate::id::ClusterId::from_parts(log.now, [1; 10]);
    let new_key = TestKey::generate();
    let cases = [
        (EntryError::KeyTaken, entry_of(cluster.id, "prod", &first)),
        (
            EntryError::KeyTaken,
            entry_of(fresh, "other", &admin.device),
        ),
        (EntryError::NameTaken, entry_of(fresh, "prod", &new_key)),
        (
            EntryError::IdTaken,
            entry_of(cluster.id, "renamed", &new_key),
        ),
        (EntryError::Name, entry_of(fresh, "Prod", &new_key)),
    ];
    for (expected, cluster) in cases {
        let body = Body {
            clusters: vec![cluster],
            ..log.body()
        };
        assert_eq!(
            refusal(&mut log, &admin, Kind::Cluster, &body),
            entry(expected)
        );
    }
}

#[test]
fn policies_are_numbered_without_gaps() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    log.set_policy("one");
    for number in [0, 1, 3, u64::MAX] {
        let policies = vec![wire::Policy {
            number,
            digest: vec![0; 32],
        }];
        let body = Body {
            policies,
            ..log.body()
        };
        let error = refusal(&mut log, &admin, Kind::Policy, &body);
        assert_eq!(error, entry(EntryError::PolicyNumber { expected: 2 }));
    }
}

#[test]
fn two_hundred_users_are_one_statement() {
    let mut log = Log::new();
    let users = (0..200_u8).map(|number| wire::User {
        user_id: crate::id::UserId::from_parts(log.now, [number; 10]).to_string(),
        name: format!("user-{number}@example.test"),
        groups: vec!["everybody".to_owned(); 1],
        ..wire::User::default()
    });
    let users = users.collect();
    let body = Body {
        users,
        ..log.body()
    };
    log.admin_says(Kind::User, &body);
    assert_eq!((log.roster.number(), log.roster.users().count()), (2, 201));
}
