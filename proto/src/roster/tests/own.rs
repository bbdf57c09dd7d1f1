//! Further passkeys: added by whom, touched with what, and the last one.

use super::*;
use crate::Reason;

use crate::roster::entries::PASSKEYS_MAX;
use crate::wire::roster as wire;

fn removing(log: &mut Log, passkeys: &[&Person]) -> Body {
    let subject = |person: &&Person| Subject::Passkey(person.passkey_id);
    let revocations = passkeys.iter().map(subject).map(Log::revocation_of);
    Body {
        revocations: revocations.collect(),
        ..log.body()
    }
}

#[test]
fn a_user_adds_a_passkey_with_a_touch_of_an_earlier_one_and_touches_with_both() {
    let mut log = Log::new();
    let ann = log.add_person_with_self_service("ann", &["dev"]);
    let with = log.add_passkey(&ann);
    let added = log.roster.passkey(with.passkey_id).unwrap();
    assert_eq!((added.owner, added.name.as_str()), (ann.user, "spare"));
    assert_eq!(log.roster.passkeys_of(ann.user).count(), 2);
    let third = log.add_passkey(&with);
    let fourth = log.add_passkey(&ann);
    for person in [&ann, &with, &third, &fourth] {
        let id = person.passkey.credential_id();
        assert!(log.roster.active_passkey(id).is_some());
    }
}

#[test]
fn s2_who_may_not_add_to_himself_is_refused_whatever_his_role() {
    for role in [wire::Role::Unspecified, wire::Role::DeviceManager] {
        let mut log = Log::new();
        let ann = log.add_person_as("ann", &[], role);
        let with = log.with_new_passkey(&ann);
        let body = log.own_passkey(&with);
        let error = refusal(&mut log, &ann, Kind::Own, &body);
        assert_eq!(error, StatementError::NoRight(Kind::Own));
        log.set_self_service(ann.user, true);
        log.add_passkey(&ann);
        log.set_self_service(ann.user, false);
        let error = refusal(&mut log, &ann, Kind::Own, &body);
        assert_eq!(error, StatementError::NoRight(Kind::Own));
    }
    let mut log = Log::new();
    let admin = log.admin.clone();
    let with = log.with_new_passkey(&admin);
    let body = log.own_passkey(&with);
    let error = refusal(&mut log, &admin, Kind::Own, &body);
    assert_eq!(error, StatementError::NoRight(Kind::Own), "an admin too");
}

#[test]
fn s2_a_touch_by_the_new_passkey_another_users_or_none_adds_nothing() {
    let mut log = Log::new();
    let ann = log.add_person_with_self_service("ann", &[]);
    let bob = log.add_person_with_self_service("bob", &[]);
    let with = log.with_new_passkey(&ann);
    let body = log.own_passkey(&with);
    for (passkey, of) in [(&with, "the new one"), (&bob, "another user's")] {
        let signer = Person {
            passkey: passkey.passkey.clone(),
            ..ann.clone()
        };
        let error = refusal(&mut log, &signer, Kind::Own, &body);
        assert_eq!(error, StatementError::TouchPasskey, "{of}");
    }
    let untouched = Statement {
        touch: None,
        ..log.sealed(&ann, Kind::Own, &body)
    };
    let error = refused(&mut log.roster, &untouched);
    assert_eq!(error, StatementError::TouchMissing(Kind::Own));
    // Bob's device adds to Bob, whoever's passkey it names: there is no field for a user.
    let touched_by_ann = Person {
        device: bob.device.clone(),
        ..ann.clone()
    };
    let error = refusal(&mut log, &touched_by_ann, Kind::Own, &body);
    assert_eq!(error, StatementError::TouchPasskey);
}

#[test]
fn h1_a_touch_over_another_body_or_kind_adds_nothing() {
    let mut log = Log::new();
    let ann = log.add_person_with_self_service("ann", &[]);
    let (one, other) = (log.with_new_passkey(&ann), log.with_new_passkey(&ann));
    let (body, another) = (log.own_passkey(&one), log.own_passkey(&other));
    let sent = log.sealed(&ann, Kind::Own, &another);
    let swapped = Statement {
        touch: sent.touch,
        ..log.sealed(&ann, Kind::Own, &body)
    };
    let refusal = refused(&mut log.roster, &swapped);
    assert_eq!(refusal.reason(), Reason::TouchInvalid);
    let revocation = log.sealed(&ann, Kind::Revocation, &body);
    let swapped = Statement {
        touch: revocation.touch,
        ..log.sealed(&ann, Kind::Own, &body)
    };
    let refusal = refused(&mut log.roster, &swapped);
    assert_eq!(refusal.reason(), Reason::TouchInvalid);
}

#[test]
fn a_passkey_that_is_or_was_somebodys_is_not_added() {
    let mut log = Log::new();
    let ann = log.add_person_with_self_service("ann", &[]);
    let bob = log.add_person_with_self_service("bob", &[]);
    let with = log.add_passkey(&ann);
    log.revoke(Subject::Passkey(with.passkey_id));
    for taken in [&ann, &bob, &with] {
        let fresh = log.with_new_passkey(&ann);
        let same_credential = Person {
            passkey: taken.passkey.clone(),
            ..fresh.clone()
        };
        let body = log.own_passkey(&same_credential);
        let error = refusal(&mut log, &ann, Kind::Own, &body);
        assert_eq!(error, entry(EntryError::KeyTaken));
        let same_id = Person {
            passkey_id: taken.passkey_id,
            ..fresh
        };
        let body = log.own_passkey(&same_id);
        let error = refusal(&mut log, &ann, Kind::Own, &body);
        assert_eq!(error, entry(EntryError::IdTaken));
    }
}

#[test]
fn d1_an_entry_that_is_not_of_its_form_is_refused() {
    let mut log = Log::new();
    let ann = log.add_person_with_self_service("ann", &[]);
    let good = log.with_new_passkey(&ann).wire_passkey();
    let cases = [
        (None, EntryError::Field("passkey")),
        (
            Some(wire::Passkey {
                credential_id: vec![0; 1024],
                ..good.clone()
            }),
            EntryError::Field("credential_id"),
        ),
        (
            Some(wire::Passkey {
                cose_key: vec![0xa0],
                ..good.clone()
            }),
            EntryError::Field("cose_key"),
        ),
        (
            Some(wire::Passkey {
                aaguid: vec![],
                ..good.clone()
            }),
            EntryError::Field("aaguid"),
        ),
        (
            Some(wire::Passkey {
                passkey_id: ann.user.to_string(),
                ..good.clone()
            }),
            EntryError::Field("passkey_id"),
        ),
        (
            Some(wire::Passkey {
                name: "a\u{202e}b".to_owned(),
                ..good.clone()
            }),
            EntryError::Name,
        ),
    ];
    for (passkey, source) in cases {
        let body = Body {
            owns: vec![wire::Own { passkey }],
            ..log.body()
        };
        let error = refusal(&mut log, &ann, Kind::Own, &body);
        assert_eq!(error, entry(source));
    }
    let one = wire::Own {
        passkey: Some(good),
    };
    let body = Body {
        owns: vec![one.clone(), one],
        ..log.body()
    };
    let error = refusal(&mut log, &ann, Kind::Own, &body);
    assert_eq!(error, StatementError::Entries, "one touch adds one");
}

#[test]
fn a_user_has_sixteen_passkeys_at_most() {
    let mut log = Log::new();
    let ann = log.add_person_with_self_service("ann", &[]);
    let mut last = ann.clone();
    for _ in 1..PASSKEYS_MAX {
        last = log.add_passkey(&ann);
    }
    let with = log.with_new_passkey(&ann);
    let body = log.own_passkey(&with);
    let error = refusal(&mut log, &ann, Kind::Own, &body);
    assert_eq!(error, entry(EntryError::TooManyPasskeys));
    assert_eq!(error.reason(), Reason::LimitReached);
    log.revoke(Subject::Passkey(last.passkey_id));
    log.add_passkey(&ann);
}

#[test]
fn s4_a_user_removes_his_passkeys_but_for_the_last_one() {
    let mut log = Log::new();
    let ann = log.add_person_with_self_service("ann", &[]);
    let body = removing(&mut log, &[&ann]);
    let error = refusal(&mut log, &ann, Kind::Revocation, &body);
    assert_eq!(error, entry(EntryError::LastPasskey));
    let with = log.add_passkey(&ann);
    let body = removing(&mut log, &[&ann, &with]);
    let error = refusal(&mut log, &ann, Kind::Revocation, &body);
    assert_eq!(error, entry(EntryError::LastPasskey), "both at once");
    let body = removing(&mut log, &[&ann]);
    let statement = log.sealed(&with, Kind::Revocation, &body);
    log.push(statement);
    assert!(
        log.roster
            .active_passkey(ann.passkey.credential_id())
            .is_none()
    );
    let body = removing(&mut log, &[&with]);
    let error = refusal(&mut log, &with, Kind::Revocation, &body);
    assert_eq!(error, entry(EntryError::LastPasskey));
    // An admin ends what the user may not.
    log.revoke(Subject::Passkey(with.passkey_id));
    assert_eq!(log.roster.passkeys_of(ann.user).count(), 0);
}

#[test]
fn s2_a_removed_passkey_touches_nothing() {
    let mut log = Log::new();
    let ann = log.add_person_with_self_service("ann", &[]);
    let with = log.add_passkey(&ann);
    let body = removing(&mut log, &[&with]);
    // Touched with the very passkey that it removes: until then it is one.
    let statement = log.sealed(&with, Kind::Revocation, &body);
    log.push(statement);
    let fresh = log.with_new_passkey(&ann);
    let body = log.own_passkey(&fresh);
    let error = refusal(&mut log, &with, Kind::Own, &body);
    assert_eq!(error, StatementError::TouchPasskey);
}
