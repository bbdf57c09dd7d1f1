//! Random logs append, one altered bit is refused, and no bytes panic.

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::roster::View;
use crate::wire::roster::statement::Content;

#[derive(Clone, Copy, Debug)]
enum Step {
    User,
    Person,
    Passkey,
    AdminsPasskey,
    Cluster,
    Policy,
    RevokeUser(u8),
    RevokePasskey(u8),
    RevokeDevice(u8),
    RevokeCluster(u8),
    RevokePolicy(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::User),
        Just(Step::Person),
        Just(Step::Passkey),
        Just(Step::AdminsPasskey),
        Just(Step::Cluster),
        Just(Step::Policy),
        any::<u8>().prop_map(Step::RevokeUser),
        any::<u8>().prop_map(Step::RevokePasskey),
        any::<u8>().prop_map(Step::RevokeDevice),
        any::<u8>().prop_map(Step::RevokeCluster),
        any::<u8>().prop_map(Step::RevokePolicy),
    ];
    proptest::collection::vec(step, 0..12)
}

/// One of the subjects that are trusted yet.
fn pick(log: &Log, subjects: Vec<Subject>, choice: u8) -> Option<Subject> {
    let trusted = |subject: &Subject| !log.roster.is_revoked(*subject);
    let active: Vec<_> = subjects.into_iter().filter(trusted).collect();
    let place = usize::from(choice) % active.len().max(1);
    active.get(place).copied()
}

/// Does a step that is right at this point; leaves out one for which there is nothing.
fn take(log: &mut Log, step: Step, serial: usize) {
    let admin = log.admin.user;
    let subject = match step {
        Step::User => {
            log.add_user(&format!("user-{serial}"), &["dev"]);
            None
        }
        Step::Person => {
            log.add_person(&format!("person-{serial}"), &[]);
            None
        }
        Step::Passkey => {
            let person = log.add_person_with_self_service(&format!("owner-{serial}"), &[]);
            let with = log.add_passkey(&person);
            let last = log.add_passkey(&with);
            Some(Subject::Passkey(last.passkey_id))
        }
        Step::AdminsPasskey => {
            log.set_self_service(admin, true);
            let admin = log.admin.clone();
            log.admin = log.add_passkey(&admin);
            Some(Subject::Passkey(admin.passkey_id))
        }
        Step::Cluster => {
            log.add_cluster(&format!("c{serial}"));
            None
        }
        Step::Policy => {
            log.set_policy(&format!("policy {serial}"));
            None
        }
        Step::RevokeUser(_)
        | Step::RevokePasskey(_)
        | Step::RevokeDevice(_)
        | Step::RevokeCluster(_)
        | Step::RevokePolicy(_) => revoked_by(log, step),
    };
    if let Some(subject) = subject {
        log.revoke(subject);
    }
}

/// What a step revokes, if there is something.
fn revoked_by(log: &Log, step: Step) -> Option<Subject> {
    let admin = log.admin.user;
    match step {
        Step::RevokeUser(choice) => {
            let users = log.roster.users().filter(|user| user.id != admin);
            pick(
                log,
                users.map(|user| Subject::User(user.id)).collect(),
                choice,
            )
        }
        Step::RevokePasskey(choice) => {
            let passkeys = log
                .roster
                .passkeys()
                .filter(|passkey| passkey.owner != admin);
            pick(
                log,
                passkeys
                    .map(|passkey| Subject::Passkey(passkey.id))
                    .collect(),
                choice,
            )
        }
        Step::RevokeDevice(choice) => {
            let devices = log.roster.devices().filter(|device| device.owner != admin);
            pick(
                log,
                devices.map(|device| Subject::Device(device.id)).collect(),
                choice,
            )
        }
        Step::RevokeCluster(choice) => {
            let clusters = log.roster.clusters();
            pick(
                log,
                clusters
                    .map(|cluster| Subject::Cluster(cluster.id))
                    .collect(),
                choice,
            )
        }
        Step::RevokePolicy(choice) => pick(
            log,
            (1..log.roster.next_policy_number())
                .map(Subject::Policy)
                .collect(),
            choice,
        ),
        Step::User
        | Step::Person
        | Step::Passkey
        | Step::AdminsPasskey
        | Step::Cluster
        | Step::Policy => None,
    }
}

fn grown(steps: &[Step]) -> Log {
    let mut log = Log::new();
    for (serial, step) in steps.iter().enumerate() {
        take(&mut log, *step, serial);
    }
    log
}

/// Flips one bit of the encoded statement's field number `field`.
fn altered(statement: &Statement, field: u8, bit: usize) -> Statement {
    let mut statement = statement.clone();
    let flip = |bytes: &mut Vec<u8>| {
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    };
    match field {
        0 => statement.number ^= 1 << (bit % 64),
        1 => flip(&mut statement.previous),
        2 => statement.kind ^= 1 << (bit % 16),
        3 => flip(&mut statement.signer),
        4 => match statement.content.as_mut().unwrap() {
            Content::Body(bytes) | Content::BodyHash(bytes) => flip(bytes),
        },
        5 => flip(&mut statement.signature),
        _ => match statement.touch.as_mut() {
            None => flip(&mut statement.signature),
            Some(touch) if field == 6 => flip(&mut touch.credential_id),
            Some(touch) if field == 7 => flip(&mut touch.client_data_json),
            Some(touch) if field == 8 => flip(&mut touch.authenticator_data),
            Some(touch) => flip(&mut touch.signature),
        },
    }
    statement
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn s1_random_logs_append_and_one_altered_bit_is_refused(
        steps in steps(),
        fields in proptest::collection::vec((0_u8..10, any::<usize>()), 24),
    ) {
        let log = grown(&steps);
        let (genesis, rest) = log.statements.split_first().unwrap();
        let mut roster = Roster::found(genesis).unwrap();
        let mut client = Roster::found_as(genesis, View::Client).unwrap();
        for statement in rest {
            for (field, bit) in &fields {
                refused(&mut roster, &altered(statement, *field, *bit));
            }
            roster.append(statement).unwrap();
            client.append(&log.roster.client_view(statement)).unwrap();
        }
        prop_assert_eq!(roster.head(), log.roster.head());
        prop_assert_eq!(client.head().hash, roster.head().hash);
        for (field, bit) in fields {
            prop_assert!(Roster::found(&altered(genesis, field, bit)).is_err());
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, kind in 0_u32..0x8002, body: Vec<u8>) {
        let mut log = Log::new();
        if let Ok(statement) = Statement::decode(bytes.as_slice()) {
            refused(&mut log.roster, &statement);
            prop_assert!(Roster::found(&statement).is_err());
        }
        let statement = Statement {
            number: 2,
            previous: log.genesis().to_vec(),
            kind,
            signer: log.admin.device.fingerprint().0.to_vec(),
            content: Some(Content::Body(body)),
            ..Statement::default()
        };
        refused(&mut log.roster, &statement);
        let signed = crate::statement::hash_of(&log.genesis(), &statement).unwrap();
        let statement = Statement { signature: log.admin.device.sign(&signed), ..statement };
        refused(&mut log.roster, &statement);
    }
}
