//! What a browser sends, made by the software authenticator.

use adit_proto::wire::identity::Assertion;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use adit_proto::label::Hash;
use adit_proto::testing::Person;

use super::{ORIGIN, RP_ID};

/// A registration, in the JSON form of `toJSON()`.
pub(crate) struct Registering {
    credential_id: Vec<u8>,
    pub(crate) attestation_object: Vec<u8>,
    pub(crate) client_data_json: Vec<u8>,
}

impl Registering {
    pub(crate) fn json(&self) -> Vec<u8> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "id": text(&self.credential_id),
            "rawId": text(&self.credential_id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "attestationObject": text(&self.attestation_object),
                "clientDataJSON": text(&self.client_data_json),
            },
        })
        .to_string()
        .into_bytes()
    }

    /// Clears the bit in the authenticator data that says that the user was verified.
    pub(crate) fn clear_user_verified(&mut self) {
        self.authenticator_data()[32] &= !0x04;
    }

    pub(crate) fn set_sign_count(&mut self, count: u32) {
        self.authenticator_data()[33..37].copy_from_slice(&count.to_be_bytes());
    }

    /// From the hash of the RP ID on.
    fn authenticator_data(&mut self) -> &mut [u8] {
        let hash = adit_proto::label::sha256(RP_ID.as_bytes());
        let mut parts = self.attestation_object.windows(32);
        let at = parts.position(|it| it == hash).unwrap();
        &mut self.attestation_object[at..]
    }
}

pub(crate) fn registers(person: &Person, options: &Value) -> Registering {
    registers_as(person, options, ORIGIN)
}

pub(crate) fn registers_as(person: &Person, options: &Value, origin: &str) -> Registering {
    let made = person
        .passkey
        .register(RP_ID, origin, &challenge_of(options))
        .unwrap();
    Registering {
        credential_id: person.passkey.credential_id().to_vec(),
        attestation_object: made.attestation_object,
        client_data_json: made.client_data_json,
    }
}

pub(crate) fn asserts(person: &Person, options: &Value) -> Assertion {
    let rng = SystemRandom::new();
    person
        .passkey
        .assert(RP_ID, ORIGIN, &challenge_of(options), &rng)
        .unwrap()
}

pub(crate) fn assertion_json(assertion: &Assertion) -> Vec<u8> {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({
        "id": text(&assertion.credential_id),
        "rawId": text(&assertion.credential_id),
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": text(&assertion.client_data_json),
            "authenticatorData": text(&assertion.authenticator_data),
            "signature": text(&assertion.signature),
        },
    })
    .to_string()
    .into_bytes()
}

/// The challenge as it is in options.
pub(crate) fn challenge_of(options: &Value) -> Hash {
    let text = options["challenge"].as_str().unwrap();
    URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
}
