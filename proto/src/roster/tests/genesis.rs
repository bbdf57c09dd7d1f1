//! What is no genesis statement.

use super::*;
use crate::assertion::RelyingParty;
use crate::testing::{RECOVERY_KEY, START, TestKey, random};
use crate::wire::roster::Genesis;

struct Founder {
    admin: Person,
    gateways: TestKey,
    entry: Genesis,
}

fn founder() -> Founder {
    let user = crate::id::UserId::from_parts(START, random());
    let admin = Person::new(user, "root", "localhost", START);
    let gateways = TestKey::generate();
    let origins = ["http://localhost:8443".to_owned()];
    let entry = Log::genesis_of(&admin, "localhost", &origins, gateways.public());
    Founder {
        admin,
        gateways,
        entry,
    }
}

impl Founder {
    fn statement(&self, signer: &Person) -> Statement {
        let body = Body {
            salt: vec![1; 16],
            id: vec![2; 16],
            time_ms: START.0,
            genesis: vec![self.entry.clone()],
            ..Body::default()
        };
        let draft = Draft::new([0; 32], Kind::Genesis, signer.device.fingerprint(), &body);
        let origins = ["http://localhost:8443".to_owned()];
        let relying_party = RelyingParty::new("localhost", &origins).unwrap();
        signer.seal(&draft, &Head::none(), &relying_party)
    }

    fn refusal(&self) -> StatementError {
        Roster::found(&self.statement(&self.admin)).unwrap_err()
    }
}

#[test]
fn a_genesis_statement_founds_a_roster() {
    let founder = founder();
    let roster = Roster::found(&founder.statement(&founder.admin)).unwrap();
    assert_eq!(roster.head().number, 1);
    assert_eq!(roster.head().hash, roster.genesis());
    assert_eq!(roster.gateways().current, *founder.gateways.public());
    assert_eq!(roster.recovery_key(), RECOVERY_KEY);
    assert!(roster.is_admin(founder.admin.user));
}

#[test]
fn wrong_facts_are_refused() {
    type Change = fn(&mut Founder);
    let cases: [(EntryError, Change); 13] = [
        (EntryError::Field("origins"), |it| {
            it.entry.rp_id = "127.0.0.1".to_owned();
        }),
        (EntryError::Field("origins"), |it| it.entry.origins.clear()),
        (EntryError::Field("origins"), |it| {
            it.entry.origins.push("http://evil.example".to_owned());
        }),
        (EntryError::Field("gateways_key"), |it| {
            it.entry.gateways_key.clear();
        }),
        (EntryError::Field("gateways_next_key"), |it| {
            it.entry.gateways_next_key.push(0);
        }),
        (EntryError::KeyTaken, |it| {
            it.entry.gateways_next_key = it.entry.gateways_key.clone();
        }),
        (EntryError::KeyTaken, |it| {
            it.entry.gateways_key = it.admin.device.public().spki().to_vec();
        }),
        (EntryError::Field("recovery_key"), |it| {
            it.entry.recovery_key.clear();
        }),
        (EntryError::Field("recovery_key"), |it| {
            it.entry.recovery_key.push('\n');
        }),
        (EntryError::Field("admin"), |it| it.entry.admin = None),
        (EntryError::Field("device"), |it| it.entry.device = None),
        (EntryError::Field("passkey"), |it| it.entry.passkey = None),
        (EntryError::Name, |it| {
            it.entry.admin.as_mut().unwrap().name = "system:admin".to_owned();
        }),
    ];
    for (expected, change) in cases {
        let mut founder = founder();
        change(&mut founder);
        assert_eq!(founder.refusal(), entry(expected));
    }
}

#[test]
fn a_recovery_key_has_1024_bytes_at_most() {
    for (length, taken) in [(1024, true), (1025, false)] {
        let mut founder = founder();
        let line = &mut founder.entry.recovery_key;
        line.push_str(&"x".repeat(length - line.len()));
        let roster = Roster::found(&founder.statement(&founder.admin));
        assert_eq!(roster.is_ok(), taken, "{length}");
    }
}

#[test]
fn s1_a_genesis_by_another_key_or_without_a_touch_is_refused() {
    let (founder, other) = (founder(), founder());
    let foreign = founder.statement(&other.admin);
    assert_eq!(
        Roster::found(&foreign).unwrap_err(),
        StatementError::SignerUnknown
    );
    let right = founder.statement(&founder.admin);
    let untouched = Statement {
        touch: None,
        ..right.clone()
    };
    let error = Roster::found(&untouched).unwrap_err();
    assert_eq!(error, StatementError::TouchMissing(Kind::Genesis));
    let theirs = Statement {
        touch: foreign.touch,
        ..right.clone()
    };
    assert!(matches!(
        Roster::found(&theirs),
        Err(StatementError::Touch(_))
    ));
    let second = Statement {
        number: 2,
        ..right.clone()
    };
    assert_eq!(Roster::found(&second).unwrap_err(), StatementError::Genesis);
    let chained = Statement {
        previous: vec![1; 32],
        ..right.clone()
    };
    assert_eq!(
        Roster::found(&chained).unwrap_err(),
        StatementError::Genesis
    );
    let other_kind = Statement {
        kind: Kind::User.into(),
        ..right
    };
    assert_eq!(
        Roster::found(&other_kind).unwrap_err(),
        StatementError::Genesis
    );
}

#[test]
fn s4_the_recovery_key_signs_no_statement_of_this_version() {
    let mut log = Log::new();
    let body = log.body();
    let admin = log.admin.clone();
    let error = refusal(&mut log, &admin, Kind::Admin, &body);
    assert_eq!(error, StatementError::KindNotYet(Kind::Admin));
    let line: ssh_key::PublicKey = RECOVERY_KEY.parse().unwrap();
    let key = line.key_data().ed25519().unwrap().0;
    let signer = crate::key::InvitationPublicKey::from_bytes(&key)
        .unwrap()
        .fingerprint();
    let body = log.body();
    let forged = forge(&log, &admin, Kind::Cluster, &body, signer);
    assert_eq!(
        refused(&mut log.roster, &forged),
        StatementError::SignerUnknown
    );
}
