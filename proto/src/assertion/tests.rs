//! Hostile ceremonies: the assertion that verifies, and each part of it wrong.

mod key;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::rand::SystemRandom;

use super::*;
use crate::testing::{Ceremony, SoftwareAuthenticator};

const RP_ID: &str = "gw.example";
const ORIGIN: &str = "https://gw.example";
const CHALLENGE: Hash = [7; 32];

fn relying_party() -> RelyingParty {
    RelyingParty::new(
        RP_ID,
        &[ORIGIN.to_owned(), "https://a.gw.example:8443".to_owned()],
    )
    .unwrap()
}

fn authenticator() -> SoftwareAuthenticator {
    SoftwareAuthenticator::new(RP_ID, &SystemRandom::new()).unwrap()
}

fn key_of(authenticator: &SoftwareAuthenticator) -> CredentialKey {
    CredentialKey::from_cose(&authenticator.cose_key().unwrap()).unwrap()
}

/// Verifies what `change` makes of a right ceremony.
fn verdict(change: impl FnOnce(&mut Ceremony)) -> Result<VerifiedAssertion, AssertionError> {
    let authenticator = authenticator();
    let mut ceremony = Ceremony::get(RP_ID, ORIGIN, &CHALLENGE);
    change(&mut ceremony);
    let assertion = ceremony.sign(&authenticator);
    let id = authenticator.credential_id();
    verify(
        &assertion,
        &key_of(&authenticator),
        id,
        &relying_party(),
        &CHALLENGE,
    )
}

fn refusal(change: impl FnOnce(&mut Ceremony)) -> AssertionError {
    verdict(change).unwrap_err()
}

#[test]
fn a_right_assertion_verifies_from_each_origin() {
    let verified = verdict(|_| ()).unwrap();
    assert_eq!((verified.sign_count(), verified.backed_up()), (0, false));
    assert!(verdict(|it| it.origin = "https://a.gw.example:8443".to_owned()).is_ok());
    assert!(verdict(|it| it.flags |= 0b1_1000).unwrap().backed_up());
}

#[test]
fn h1_another_challenge_is_refused() {
    assert_eq!(
        refusal(|it| it.challenge[31] ^= 1),
        AssertionError::Challenge
    );
    let json = |challenge: &str| {
        format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{ORIGIN}"}}"#)
    };
    let right = URL_SAFE_NO_PAD.encode(CHALLENGE);
    for challenge in ["", "AA", &format!("{right}A"), &format!("{right}=")] {
        let text = json(challenge).into_bytes();
        assert_eq!(
            refusal(|it| it.client_data_json = Some(text)),
            AssertionError::Challenge
        );
    }
    assert!(verdict(|it| it.client_data_json = Some(json(&right).into_bytes())).is_ok());
}

#[test]
fn h2_foreign_origins_are_refused() {
    let origins = [
        "https://gw.example.evil",
        "http://gw.example",
        "https://gw.example:444",
        "https://gw.example.",
        "https://gw.examp\u{13bc}e",
        "null",
        "",
        "https://GW.example",
        "https://gw.example/",
        "https://b.gw.example",
    ];
    for origin in origins {
        assert_eq!(
            refusal(|it| it.origin = origin.to_owned()),
            AssertionError::Origin,
            "{origin}"
        );
    }
}

#[test]
fn h2_a_frame_of_another_site_is_refused() {
    let challenge = URL_SAFE_NO_PAD.encode(CHALLENGE);
    for member in [
        r#""crossOrigin":true"#,
        r#""topOrigin":"https://evil.example""#,
    ] {
        let json = format!(
            r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{ORIGIN}",{member}}}"#
        );
        let error = refusal(|it| it.client_data_json = Some(json.into_bytes()));
        assert_eq!(error, AssertionError::CrossOrigin);
    }
}

#[test]
fn h3_another_rp_id_and_a_swapped_type_are_refused() {
    assert_eq!(
        refusal(|it| it.rp_id = "a.gw.example".to_owned()),
        AssertionError::RelyingParty
    );
    for ceremony in ["webauthn.create", "payment.get", "webauthn.Get", ""] {
        let error = refusal(|it| it.ceremony = ceremony.to_owned());
        assert_eq!(error, AssertionError::Ceremony);
    }
}

#[test]
fn h4_absence_and_missing_verification_are_refused() {
    assert_eq!(refusal(|it| it.flags = 0b100), AssertionError::UserPresence);
    assert_eq!(
        refusal(|it| it.flags = 0b001),
        AssertionError::UserVerification
    );
    assert_eq!(refusal(|it| it.flags = 0), AssertionError::UserPresence);
    assert_eq!(
        refusal(|it| it.flags = 0b1_0101),
        AssertionError::AuthenticatorData
    );
}

#[test]
fn h6_signatures_over_other_bytes_zeros_and_other_keys_are_refused() {
    let (one, other) = (authenticator(), authenticator());
    let right = Ceremony::get(RP_ID, ORIGIN, &CHALLENGE).sign(&one);
    let check = |assertion: &Assertion, key: &CredentialKey| {
        verify(
            assertion,
            key,
            one.credential_id(),
            &relying_party(),
            &CHALLENGE,
        )
    };
    assert!(check(&right, &key_of(&one)).is_ok());
    assert_eq!(
        check(&right, &key_of(&other)).unwrap_err(),
        AssertionError::Signature
    );
    let zero_r = [&[0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x01][..]].concat();
    let zero_s = [&[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x00][..]].concat();
    let trailing = [right.signature.as_slice(), &[0]].concat();
    for signature in [zero_r, zero_s, trailing, Vec::new(), vec![0; 64]] {
        let assertion = Assertion {
            signature,
            ..right.clone()
        };
        assert_eq!(
            check(&assertion, &key_of(&one)).unwrap_err(),
            AssertionError::Signature
        );
    }
    let mut other_bytes = right.clone();
    other_bytes.authenticator_data[36] ^= 1;
    assert_eq!(
        check(&other_bytes, &key_of(&one)).unwrap_err(),
        AssertionError::Signature
    );
    let mut other_id = right;
    other_id.credential_id[0] ^= 1;
    assert_eq!(
        check(&other_id, &key_of(&one)).unwrap_err(),
        AssertionError::Credential
    );
}

#[test]
fn h9_authenticator_data_with_something_before_or_behind_are_refused() {
    let extensions = |it: &mut Ceremony| {
        it.flags |= 0x80;
        it.trailing = vec![0xa1, 0x61, b'a', 0xf5];
    };
    assert!(verdict(extensions).is_ok());
    let cases: [(u8, &[u8]); 6] = [
        (0b101, &[0]),
        (0b101, &[0xa1, 0x61, b'a', 0xf5]),
        (0x85, &[]),
        (0x85, &[0xa1, 0x61, b'a', 0xf5, 0]),
        (0x85, &[0x81, 0x01]),
        (0x45, &[]),
    ];
    for (flags, trailing) in cases {
        let error = refusal(|it| {
            it.flags = flags;
            it.trailing = trailing.to_vec();
        });
        assert_eq!(
            error,
            AssertionError::AuthenticatorData,
            "{flags:x} {trailing:x?}"
        );
    }
}

#[test]
fn h3_a_registrations_authenticator_data_are_no_assertion() {
    let error = refusal(|it| {
        let cose_key = authenticator().cose_key().unwrap();
        it.flags |= 0x40;
        it.trailing = [&[9; 16][..], &[0, 2], b"id", &cose_key].concat();
    });
    assert_eq!(error, AssertionError::AuthenticatorData);
}

#[test]
fn h9_client_data_that_are_no_json_are_refused() {
    let deep = "[".repeat(1000);
    let long = format!("{{\"type\":\"{}\"}}", "a".repeat(9000));
    let twice = r#"{"type":"webauthn.get","type":"webauthn.get","challenge":"","origin":""}"#;
    for text in ["", "{}", "null", "\u{feff}{}", &deep, &long, twice] {
        let bytes = text.as_bytes().to_vec();
        assert_eq!(
            refusal(|it| it.client_data_json = Some(bytes)),
            AssertionError::ClientData
        );
    }
}

#[test]
fn a_registration_is_checked_and_yields_the_credential() {
    let authenticator = authenticator();
    let made = authenticator.register(RP_ID, ORIGIN, &CHALLENGE).unwrap();
    let check = |object: &[u8], json: &[u8]| registered(object, json, &relying_party(), &CHALLENGE);
    let credential = check(&made.attestation_object, &made.client_data_json).unwrap();
    assert_eq!(credential.credential_id(), authenticator.credential_id());
    assert_eq!(credential.cose_key(), authenticator.cose_key().unwrap());
    assert_eq!(
        credential.aaguid(),
        &crate::software_authenticator::SOFTWARE_AAGUID
    );
    let swapped = Ceremony::get(RP_ID, ORIGIN, &CHALLENGE).sign(&authenticator);
    let error = check(&made.attestation_object, &swapped.client_data_json).unwrap_err();
    assert_eq!(error, AssertionError::Ceremony);
    let trailing = [made.attestation_object.as_slice(), &[0]].concat();
    let error = check(&trailing, &made.client_data_json).unwrap_err();
    assert_eq!(error, AssertionError::AttestationObject);
    for length in 0..made.attestation_object.len() {
        assert!(check(&made.attestation_object[..length], &made.client_data_json).is_err());
    }
}

#[test]
fn a_stored_software_passkey_reads_back() {
    let rng = SystemRandom::new();
    let one = authenticator();
    let again = SoftwareAuthenticator::from_bytes(one.to_bytes().expose(), &rng).unwrap();
    assert_eq!(again.cose_key(), one.cose_key());
    assert_eq!(again.credential_id(), one.credential_id());
    assert!(SoftwareAuthenticator::from_bytes(&[1; 40], &rng).is_err());
    assert!(
        one.assert("evil.example", ORIGIN, &CHALLENGE, &rng)
            .is_err()
    );
}

#[test]
fn relying_parties_are_domains_with_origins_of_their_own() {
    let new = |rp_id: &str, origin: &str| RelyingParty::new(rp_id, &[origin.to_owned()]);
    for (rp_id, origin) in [
        ("gw.example", "https://gw.example"),
        ("gw.example", "https://a.b.gw.example:444"),
        ("localhost", "http://localhost:8443"),
    ] {
        assert!(new(rp_id, origin).is_ok(), "{rp_id} {origin}");
    }
    for rp_id in ["", "127.0.0.1", "[::1]", "GW.example", "gw.example.", "a b"] {
        assert_eq!(
            new(rp_id, "https://gw.example"),
            Err(RelyingPartyError::RpId),
            "{rp_id}"
        );
    }
    for origin in [
        "http://gw.example",
        "https://evilgw.example",
        "https://gw.example/",
        "https://gw.example:443",
        "https://example",
        "https://u@gw.example",
        "gw.example",
        "",
    ] {
        assert_eq!(
            new("gw.example", origin),
            Err(RelyingPartyError::Origin),
            "{origin}"
        );
    }
    assert_eq!(
        RelyingParty::new("gw.example", &[]),
        Err(RelyingPartyError::Origin)
    );
}

proptest! {
    #[test]
    fn h9_no_bytes_panic(data: Vec<u8>, json: Vec<u8>, object: Vec<u8>) {
        let assertion = Assertion { client_data_json: json.clone(), authenticator_data: data, ..Assertion::default() };
        let key = key_of(&authenticator());
        prop_assert!(verify(&assertion, &key, &[], &relying_party(), &CHALLENGE).is_err());
        prop_assert!(registered(&object, &json, &relying_party(), &CHALLENGE).is_err());
        prop_assert!(CredentialKey::from_cose(&object).is_err());
    }
}
