//! Golden bytes of the formats that every version has to agree on. A change here breaks what is deployed.

use std::fmt::Write;
use std::path::Path;

use adit_proto::assertion::own_passkey_challenge;
use adit_proto::id::{DeviceId, InvitationId, PasskeyId, UserId};
use adit_proto::invitation::{Invitation, evidence_digest, registration_challenge, start_digest};
use adit_proto::key::{Fingerprint, PublicKey};
use adit_proto::roster::policy_digest;
use adit_proto::secret::Secret;
use adit_proto::sign_in::{self, SignInRequest};
use adit_proto::statement::{Draft, Head, Kind, hash_of};
use adit_proto::time::UnixMillis;
use adit_proto::wire::roster::{Body, Device, Enrolment, Own, Passkey, User};
use adit_proto::words::words;

/// 2025-01-01 00:00:00 UTC.
const NOW: UnixMillis = UnixMillis(1_735_689_600_000);
const GENESIS: [u8; 32] = [0x11; 32];
const SIGNER: Fingerprint = Fingerprint([0x22; 32]);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Compares with the vector of that name: lines of a label, a colon and a value.
fn check(name: &str, values: &[(&str, String)]) {
    let lines = values.iter().map(|(label, value)| {
        [
            label, ": ", value, "
",
        ]
        .concat()
    });
    let made: String = lines.collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let kept = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    assert_eq!(made, kept, "{name} differs from what was agreed");
}

fn user() -> UserId {
    UserId::from_parts(NOW, [1; 10])
}

fn body() -> Body {
    Body {
        salt: vec![0x33; 16],
        id: vec![0x44; 16],
        time_ms: NOW.0,
        users: vec![User {
            user_id: user().to_string(),
            name: "ann@example.test".to_owned(),
            groups: vec!["dev".to_owned(), "ops".to_owned()],
            role: 1,
            self_service: true,
        }],
        ..Body::default()
    }
}

fn enrolment() -> Body {
    let device = Device {
        device_id: DeviceId::from_parts(NOW, [2; 10]).to_string(),
        key: point().spki().to_vec(),
        name: "laptop".to_owned(),
        tier_cap: 2,
    };
    let passkey = Passkey {
        passkey_id: PasskeyId::from_parts(NOW, [3; 10]).to_string(),
        credential_id: vec![0x55; 32],
        cose_key: vec![0x66; 8],
        aaguid: vec![0x77; 16],
        name: String::new(),
    };
    let enrolment = Enrolment {
        invitation_id: InvitationId::from_parts(NOW, [4; 10]).to_string(),
        device: Some(device),
        passkey: Some(passkey),
    };
    Body {
        users: Vec::new(),
        enrolments: vec![enrolment],
        ..body()
    }
}

fn own() -> Body {
    let passkey = enrolment().enrolments.pop().and_then(|it| it.passkey);
    Body {
        users: Vec::new(),
        owns: vec![Own { passkey }],
        ..body()
    }
}

/// A point by its form; nothing is verified with it here.
#[expect(
    clippy::expect_used,
    reason = "a builder of a test fails as the test does"
)]
fn point() -> PublicKey {
    let mut point = [0x88; 65];
    point[0] = 0x04;
    PublicKey::from_point(&point).expect("the form of a point")
}

#[test]
fn statements_keep_their_bytes_hashes_and_challenges() {
    let head = Head {
        genesis: GENESIS,
        number: 41,
        hash: [0x99; 32],
        time: NOW,
    };
    let mut values = Vec::new();
    for (kind, body) in [
        (Kind::User, body()),
        (Kind::Enrolment, enrolment()),
        (Kind::Own, own()),
    ] {
        let draft = Draft::new(GENESIS, kind, SIGNER, &body);
        let placed = draft.place(&head);
        let hash = placed.hash();
        let statement = placed.seal(vec![0xaa; 3], None);
        assert_eq!(hash_of(&GENESIS, &statement), Ok(hash));
        values.push(("kind", kind.to_string()));
        values.push(("body sha-256", hex(&draft.body_hash())));
        values.push(("touch challenge", hex(&draft.touch_challenge())));
        values.push(("statement hash", hex(&hash)));
        values.push(("statement", hex(&prost::Message::encode_to_vec(&statement))));
    }
    values.push(("head", hex(&prost::Message::encode_to_vec(&head.to_wire()))));
    check("statement.txt", &values);
}

#[test]
fn sign_ins_keep_their_bytes_and_challenges() {
    let request = SignInRequest {
        genesis: GENESIS,
        user_id: user(),
        device_key: point(),
        pkce_challenge: [0xbb; 32],
        matching_code: "K7QP-3MX".to_owned(),
        source_address: [192, 0, 2, 7].into(),
        issued: NOW,
        expires: UnixMillis(NOW.0 + 43_200_000),
        nonce: [0xcc; 32],
        headless: true,
    }
    .encode();
    let challenge = hex(&sign_in::challenge(&request));
    check(
        "sign-in.txt",
        &[("request", hex(&request)), ("challenge", challenge)],
    );
}

#[test]
fn invitations_keep_their_text_and_key() {
    let address = "gw.example.org:443".parse().unwrap();
    let invitation = Invitation::new(Secret::new([0xdd; 16]), &SIGNER, GENESIS, address);
    let text = invitation.text().expose().clone();
    let key = invitation.key();
    assert_eq!(
        Invitation::parse(&text).unwrap().key().public(),
        key.public()
    );
    let values = [
        ("text", text),
        ("key", hex(key.public().as_bytes())),
        ("fingerprint", key.public().fingerprint().to_string()),
        (
            "signature over start",
            hex(&key.sign(&start_digest(&[0xee; 32]))),
        ),
        (
            "registration challenge",
            hex(&registration_challenge(
                &point().fingerprint(),
                &SIGNER,
                &[0xff; 32],
            )),
        ),
        (
            "evidence digest",
            hex(&evidence_digest(b"start", b"challenge", &[0xee; 32])),
        ),
    ];
    check("invitation.txt", &values);
}

#[test]
fn names_of_digests_keep_their_values() {
    let policy = policy_digest("permit(principal, action, resource);");
    let values = [
        ("policy", hex(&policy)),
        ("words", words(&policy)),
        ("user", user().to_string()),
        (
            "own passkey challenge",
            hex(&own_passkey_challenge(
                &GENESIS,
                &SIGNER,
                &[0xbb; 32],
                &[0xcc; 32],
            )),
        ),
    ];
    check("digests.txt", &values);
}
