//! S1: places, kinds, bodies, signatures, touches.

use prost::Message;

use super::*;
use crate::Reason;
use crate::assertion::AssertionError;
use crate::roster::BODY_MAX;
use crate::wire::roster::statement::Content;

pub(super) fn body_of(statement: &Statement) -> Body {
    match &statement.content {
        Some(Content::Body(bytes)) => Body::decode(bytes.as_slice()).unwrap(),
        _ => panic!("a body"),
    }
}

#[test]
fn s1_a_wrong_place_is_refused() {
    let mut log = Log::new();
    log.add_user("ann", &[]);
    let statement = right(&mut log);
    let at = |number| Statement {
        number,
        ..statement.clone()
    };
    let roster = &mut log.roster;
    assert_eq!(
        refused(roster, &at(4)),
        StatementError::Gap { number: 4, head: 2 }
    );
    assert_eq!(refused(roster, &at(u64::MAX)).reason(), Reason::RosterStale);
    assert_eq!(refused(roster, &at(2)), StatementError::Fork { number: 2 });
    assert_eq!(refused(roster, &at(0)), StatementError::Fork { number: 0 });
    let other = Statement {
        previous: vec![1; 32],
        ..statement.clone()
    };
    assert_eq!(refused(roster, &other), StatementError::Fork { number: 3 });
    let short = Statement {
        previous: vec![1; 31],
        ..statement.clone()
    };
    assert_eq!(
        refused(roster, &short),
        StatementError::Malformed { field: "previous" }
    );
    roster.append(&statement).unwrap();
    assert_eq!(
        refused(roster, &statement),
        StatementError::Known { number: 3 }
    );
}

#[test]
fn s1_unknown_kinds_are_refused_and_those_that_come_later_by_name() {
    let mut log = Log::new();
    let statement = right(&mut log);
    for kind in [0, 12, 0x7fff] {
        let other = Statement {
            kind,
            ..statement.clone()
        };
        let error = refused(&mut log.roster, &other);
        assert_eq!(error, StatementError::KindUnknown(kind));
        assert_eq!(error.reason(), Reason::VersionUnsupported);
    }
    let wide = Statement {
        kind: 0x1_0009,
        ..statement.clone()
    };
    assert_eq!(
        refused(&mut log.roster, &wide),
        StatementError::Malformed { field: "kind" }
    );
    for kind in [Kind::Admin, Kind::Approval, Kind::Gateways] {
        let body = log.body();
        let admin = log.admin.clone();
        assert_eq!(
            refusal(&mut log, &admin, kind, &body),
            StatementError::KindNotYet(kind)
        );
        let unsigned = Statement {
            kind: kind.into(),
            signature: Vec::new(),
            ..statement.clone()
        };
        assert_eq!(
            refused(&mut log.roster, &unsigned),
            StatementError::KindNotYet(kind)
        );
    }
    let genesis = Statement {
        kind: 1,
        ..statement
    };
    assert_eq!(refused(&mut log.roster, &genesis), StatementError::Genesis);
}

#[test]
fn s1_another_kind_over_the_same_body_is_refused() {
    let mut log = Log::new();
    let statement = right(&mut log);
    let other = Statement {
        kind: Kind::Cluster.into(),
        ..statement
    };
    assert_eq!(refused(&mut log.roster, &other), StatementError::Signature);
}

#[test]
fn s1_kinds_from_0x8000_are_skipped_but_chained_signed_and_dated() {
    let mut log = Log::new();
    let body = log.body();
    let draft = right(&mut log);
    let mut skipped = Statement {
        kind: 0x8001,
        content: Some(Content::Body(body.encode_to_vec())),
        ..draft
    };
    assert_eq!(
        refused(&mut log.roster, &skipped),
        StatementError::Signature
    );
    let hash = crate::statement::hash_of(&log.genesis(), &skipped).unwrap();
    skipped.signature = log.admin.device.sign(&hash);
    let error = log.roster.check(&skipped, log.now).unwrap_err();
    assert_eq!(error, StatementError::KindUnknown(0x8001));
    let appended = log.roster.append(&skipped).unwrap();
    assert_eq!((appended.number, appended.kind), (2, None));
    log.set_policy("permit");
    assert_eq!(log.roster.number(), 3);
}

#[test]
fn s1_a_wrong_signer_or_signature_is_refused() {
    let mut log = Log::new();
    let ann = log.add_person("ann", &[]);
    let admin = log.admin.clone();
    let body = body_of(&right(&mut log));
    let forged = forge(&log, &ann, Kind::Policy, &body, admin.device.fingerprint());
    assert_eq!(refused(&mut log.roster, &forged), StatementError::Signature);
    let unknown = Fingerprint([9; 32]);
    let forged = forge(&log, &admin, Kind::Policy, &body, unknown);
    assert_eq!(
        refused(&mut log.roster, &forged),
        StatementError::SignerUnknown
    );
    let gateways = log.gateways.fingerprint();
    let forged = forge(&log, &admin, Kind::Policy, &body, gateways);
    assert_eq!(
        refused(&mut log.roster, &forged),
        StatementError::SignerUnknown
    );
    let mut statement = right(&mut log);
    statement.signature.push(0);
    assert_eq!(
        refused(&mut log.roster, &statement),
        StatementError::Signature
    );
    statement.signature.clear();
    assert_eq!(
        refused(&mut log.roster, &statement),
        StatementError::Signature
    );
}

#[test]
fn s1_an_altered_body_or_trailing_bytes_are_refused() {
    let mut log = Log::new();
    let statement = right(&mut log);
    let bytes = body_of(&statement).encode_to_vec();
    let with = |bytes: Vec<u8>| Statement {
        content: Some(Content::Body(bytes)),
        ..statement.clone()
    };
    let trailing = with([bytes.as_slice(), &[0x98, 0x06, 0x01]].concat());
    assert_eq!(
        refused(&mut log.roster, &trailing),
        StatementError::Signature
    );
    let none = Statement {
        content: None,
        ..statement.clone()
    };
    assert_eq!(
        refused(&mut log.roster, &none),
        StatementError::Malformed { field: "body" }
    );
    let hash = crate::label::sha256(&bytes).to_vec();
    let withheld = Statement {
        content: Some(Content::BodyHash(hash)),
        ..statement
    };
    assert_eq!(
        refused(&mut log.roster, &withheld),
        StatementError::Withheld(Kind::Policy)
    );
}

#[test]
fn s1_no_touch_another_persons_and_one_over_another_body_are_refused() {
    let mut log = Log::new();
    let ann = log.add_person("ann", &[]);
    let statement = right(&mut log);
    let with = |touch| Statement {
        touch,
        ..statement.clone()
    };
    let none = refused(&mut log.roster, &with(None));
    assert_eq!(none, StatementError::TouchMissing(Kind::Policy));
    assert_eq!(none.reason(), Reason::TouchRequired);
    let challenge = crate::statement::touch_challenge(
        &log.genesis(),
        Kind::Policy.number(),
        &log.admin.device.fingerprint(),
        &crate::label::sha256(&body_of(&statement).encode_to_vec()),
    );
    let hers = ann.touch(log.roster.relying_party(), &challenge);
    let error = refused(&mut log.roster, &with(Some(hers)));
    assert_eq!(
        (error.clone(), error.reason()),
        (StatementError::TouchPasskey, Reason::TouchInvalid)
    );
    let other = right(&mut log).touch;
    let error = refused(&mut log.roster, &with(other));
    assert_eq!(error, StatementError::Touch(AssertionError::Challenge));
    let evil = crate::testing::Ceremony::get("localhost", "http://localhost:9", &challenge);
    let error = refused(&mut log.roster, &with(Some(evil.sign(&log.admin.passkey))));
    assert_eq!(error, StatementError::Touch(AssertionError::Origin));
}

#[test]
fn s1_a_touch_of_another_kind_or_signer_is_refused() {
    let mut log = Log::new();
    let statement = right(&mut log);
    let body = body_of(&statement);
    let admin = log.admin.clone();
    let as_cluster = forge(
        &log,
        &admin,
        Kind::Cluster,
        &body,
        admin.device.fingerprint(),
    );
    let swapped = Statement {
        touch: as_cluster.touch,
        ..statement
    };
    let error = refused(&mut log.roster, &swapped);
    assert_eq!(error, StatementError::Touch(AssertionError::Challenge));
}

#[test]
fn s1_bodies_without_salt_id_or_with_features_and_mixed_entries_are_refused() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let right_body = body_of(&right(&mut log));
    let cluster = crate::wire::roster::Cluster::default();
    let cases = [
        (
            Body {
                salt: vec![0; 15],
                ..right_body.clone()
            },
            StatementError::Malformed { field: "salt" },
        ),
        (
            Body {
                id: Vec::new(),
                ..right_body.clone()
            },
            StatementError::Malformed { field: "id" },
        ),
        (
            Body {
                must_understand: vec!["x".to_owned()],
                ..right_body.clone()
            },
            StatementError::MustUnderstand("x".to_owned()),
        ),
        (
            Body {
                clusters: vec![cluster],
                ..right_body.clone()
            },
            StatementError::Entries,
        ),
        (
            Body {
                policies: Vec::new(),
                ..right_body.clone()
            },
            StatementError::Entries,
        ),
        (
            Body {
                policies: vec![right_body.policies[0].clone(); 257],
                ..right_body.clone()
            },
            StatementError::Entries,
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(refusal(&mut log, &admin, Kind::Policy, &body), expected);
    }
}

#[test]
fn s1_a_bodys_id_occurs_once() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let mut body = body_of(&right(&mut log));
    log.admin_says(Kind::Policy, &body);
    body.policies[0].number = 2;
    let error = refusal(&mut log, &admin, Kind::Policy, &body);
    assert_eq!(error, StatementError::Repeated);
}

#[test]
fn s5_a_body_of_a_mebibyte_is_refused_before_it_is_parsed() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let body = Body {
        must_understand: vec!["a".repeat(1 << 20)],
        ..log.body()
    };
    let error = refusal(&mut log, &admin, Kind::Policy, &body);
    assert_eq!(error.reason(), Reason::LimitReached);
}

#[test]
fn s5_a_body_of_half_a_mebibyte_is_read_and_one_byte_more_is_refused() {
    let mut log = Log::new();
    let admin = log.admin.clone();
    let of_length = |log: &mut Log, length: usize| {
        let mut body = Body {
            must_understand: vec!["x".repeat(length)],
            ..log.body()
        };
        let beyond = body.encoded_len() - length;
        body.must_understand[0].truncate(length - beyond);
        assert_eq!(body.encoded_len(), length);
        body
    };
    let longest = of_length(&mut log, BODY_MAX);
    let error = refusal(&mut log, &admin, Kind::User, &longest);
    assert!(
        matches!(error, StatementError::MustUnderstand(_)),
        "{error}"
    );
    let longer = of_length(&mut log, BODY_MAX + 1);
    let error = refusal(&mut log, &admin, Kind::User, &longer);
    assert_eq!(
        error,
        StatementError::TooLarge {
            bytes: BODY_MAX + 1
        }
    );
}
