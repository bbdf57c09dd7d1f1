//! WebAuthn at the gateway: options for the browser and the judgement of what it sends, with webauthn-rs.
//!
//! The challenge is ours, derived from what is authorised. The library makes a random one of its own and has no setting
//! for another, so ours is written into its options (a public field) and into its serialised state. That state is kept
//! in the store and never shown. A unit test holds on to the shape that this rests on, and the version is pinned.

use adit_proto::assertion::RelyingParty;
use adit_proto::label::Hash;
use adit_proto::wire::identity::Assertion;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use webauthn_rs::prelude::{
    AttestationFormat, COSEKey, Credential, ParsedAttestation, Passkey, PasskeyAuthentication,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Url, Uuid,
    WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use webauthn_rs_core::proto::{RegisteredExtensions, UserVerificationPolicy};

/// Bits of authenticator data's flags (Web Authentication Level 3, section 6.1) behind the hash of the RP ID.
const FLAGS_AT: usize = 32;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKUP_STATE: u8 = 1 << 4;

/// Why WebAuthn did not go on.
#[derive(Debug, thiserror::Error)]
pub enum WebauthnRefusal {
    /// The relying party cannot be one.
    #[error("the RP ID and the origins do not fit together")]
    Party(#[source] WebauthnError),
    /// A stored key is not one that the library takes.
    #[error("a passkey of the roster has a key that cannot be used")]
    Key,
    /// The library did not make options.
    #[error("no options could be made")]
    Begin(#[source] WebauthnError),
    /// The library's state has another shape than this version knows.
    #[error("the library's state has another shape")]
    State,
    /// What the browser sent is not the JSON of a credential.
    #[error("the answer is not the JSON of a credential")]
    Malformed(#[source] serde_json::Error),
    /// The answer does not verify.
    #[error("the answer does not verify")]
    Refused(#[source] WebauthnError),
}

/// A ceremony that waits for the browser.
#[derive(Debug)]
pub(crate) struct Begun {
    /// `publicKey` of the browser's call, in its JSON form (Web Authentication Level 3, section 5.1.9).
    pub(crate) options: Value,
    /// The library's state, for the store only.
    pub(crate) state: String,
}

/// What the browser sent for a registration, as sent.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) attestation_object: Vec<u8>,
    pub(crate) client_data_json: Vec<u8>,
}

/// How often a passkey has signed, as it says.
#[derive(Debug)]
pub(crate) struct SignCount {
    pub(crate) credential_id: Vec<u8>,
    pub(crate) count: u32,
}

/// A passkey that may answer.
#[derive(Clone, Debug)]
pub struct KnownPasskey {
    /// The credential id.
    pub credential_id: Vec<u8>,
    /// COSE_Key, as in the roster.
    pub cose_key: Vec<u8>,
}

impl From<&adit_proto::roster::Passkey> for KnownPasskey {
    fn from(passkey: &adit_proto::roster::Passkey) -> Self {
        Self {
            credential_id: passkey.credential_id.clone(),
            cose_key: passkey.cose_key.clone(),
        }
    }
}

/// The relying party, as the library wants it.
#[derive(Debug)]
pub(crate) struct Ceremonial(Webauthn);

impl Ceremonial {
    pub(crate) fn new(party: &RelyingParty) -> Result<Self, WebauthnRefusal> {
        let mut origins = party.origins().iter().map(|origin| {
            Url::parse(origin).map_err(|_| WebauthnRefusal::Party(WebauthnError::Configuration))
        });
        let first = origins
            .next()
            .ok_or(WebauthnRefusal::Party(WebauthnError::Configuration))??;
        let mut builder = WebauthnBuilder::new(party.rp_id(), &first)
            .map_err(WebauthnRefusal::Party)?
            .rp_name("Adit");
        for origin in origins {
            builder = builder.append_allowed_origin(&origin?);
        }
        builder.build().map(Self).map_err(WebauthnRefusal::Party)
    }

    /// Begins the registration of a passkey; `exclude` are credentials that the user has already.
    pub(crate) fn register(
        &self,
        handle: [u8; 16],
        user_name: &str,
        exclude: Vec<Vec<u8>>,
        challenge: &Hash,
    ) -> Result<Begun, WebauthnRefusal> {
        let (mut options, state) = self
            .0
            .start_passkey_registration(
                Uuid::from_bytes(handle),
                user_name,
                user_name,
                Some(exclude),
            )
            .map_err(WebauthnRefusal::Begin)?;
        options.public_key.challenge = challenge.to_vec();
        Ok(Begun {
            options: json(&options.public_key)?,
            state: bind(&state, "rs", challenge)?,
        })
    }

    /// Begins an assertion by one of `passkeys`.
    pub(crate) fn assert(
        &self,
        passkeys: &[KnownPasskey],
        challenge: &Hash,
    ) -> Result<Begun, WebauthnRefusal> {
        let passkeys = passkeys
            .iter()
            .map(passkey)
            .collect::<Result<Vec<_>, _>>()?;
        let (mut options, state) = self
            .0
            .start_passkey_authentication(&passkeys)
            .map_err(WebauthnRefusal::Begin)?;
        options.public_key.challenge = challenge.to_vec();
        Ok(Begun {
            options: json(&options.public_key)?,
            state: bind(&state, "ast", challenge)?,
        })
    }

    /// Judges the answer to a registration.
    pub(crate) fn registered(
        &self,
        state: &str,
        answer: &[u8],
    ) -> Result<Registration, WebauthnRefusal> {
        let answer: RegisterPublicKeyCredential =
            serde_json::from_slice(answer).map_err(WebauthnRefusal::Malformed)?;
        let state: PasskeyRegistration =
            serde_json::from_str(state).map_err(|_| WebauthnRefusal::State)?;
        self.0
            .finish_passkey_registration(&answer, &state)
            .map_err(WebauthnRefusal::Refused)?;
        Ok(Registration {
            attestation_object: answer.response.attestation_object,
            client_data_json: answer.response.client_data_json,
        })
    }

    /// Judges the answer to an assertion, but for the counter.
    pub(crate) fn asserted(
        &self,
        state: &str,
        answer: &[u8],
    ) -> Result<(Assertion, SignCount), WebauthnRefusal> {
        let answer: PublicKeyCredential =
            serde_json::from_slice(answer).map_err(WebauthnRefusal::Malformed)?;
        let state: PasskeyAuthentication = backed_up_as_stated(state, &answer)?;
        let result = self
            .0
            .finish_passkey_authentication(&answer, &state)
            .map_err(WebauthnRefusal::Refused)?;
        let signed = SignCount {
            credential_id: answer.raw_id.clone(),
            count: result.counter(),
        };
        let assertion = Assertion {
            credential_id: answer.raw_id,
            client_data_json: answer.response.client_data_json,
            authenticator_data: answer.response.authenticator_data,
            signature: answer.response.signature,
        };
        Ok((assertion, signed))
    }
}

fn json(options: &impl Serialize) -> Result<Value, WebauthnRefusal> {
    serde_json::to_value(options).map_err(|_| WebauthnRefusal::State)
}

/// Writes `challenge` into the library's state, whose one member is `part`.
fn bind<S: Serialize + DeserializeOwned>(
    state: &S,
    part: &str,
    challenge: &Hash,
) -> Result<String, WebauthnRefusal> {
    let mut state = json(state)?;
    let place = state
        .get_mut(part)
        .and_then(|part| part.get_mut("challenge"))
        .filter(|place| place.is_string())
        .ok_or(WebauthnRefusal::State)?;
    *place = Value::String(URL_SAFE_NO_PAD.encode(challenge));
    let text = state.to_string();
    serde_json::from_value::<S>(state).map_err(|_| WebauthnRefusal::State)?;
    Ok(text)
}

/// Takes the backup flags from the answer, whose signature covers them: the roster does not hold those of the
/// registration, and the library refuses whatever differs from what it was told.
fn backed_up_as_stated(
    state: &str,
    answer: &PublicKeyCredential,
) -> Result<PasskeyAuthentication, WebauthnRefusal> {
    let mut state: Value = serde_json::from_str(state).map_err(|_| WebauthnRefusal::State)?;
    let flags = answer.response.authenticator_data.get(FLAGS_AT).copied();
    let flags = flags.unwrap_or_default();
    let credentials = state
        .get_mut("ast")
        .and_then(|part| part.get_mut("credentials"))
        .and_then(Value::as_array_mut)
        .ok_or(WebauthnRefusal::State)?;
    for credential in credentials.iter_mut().filter_map(Value::as_object_mut) {
        let set = |bit: u8| Value::Bool(flags & bit != 0);
        credential.insert("backup_eligible".to_owned(), set(BACKUP_ELIGIBLE));
        credential.insert("backup_state".to_owned(), set(BACKUP_STATE));
    }
    serde_json::from_value(state).map_err(|_| WebauthnRefusal::State)
}

/// A passkey of the roster in the library's form. Its counter is in the store, and judged with [`SignCount`].
fn passkey(known: &KnownPasskey) -> Result<Passkey, WebauthnRefusal> {
    let key: serde_cbor_2::Value =
        serde_cbor_2::from_slice(&known.cose_key).map_err(|_| WebauthnRefusal::Key)?;
    Ok(Passkey::from(Credential {
        cred_id: known.credential_id.clone(),
        cred: COSEKey::try_from(&key).map_err(|_| WebauthnRefusal::Key)?,
        counter: 0,
        transports: None,
        user_verified: true,
        backup_eligible: false,
        backup_state: false,
        registration_policy: UserVerificationPolicy::Required,
        extensions: RegisteredExtensions::none(),
        attestation: ParsedAttestation::default(),
        attestation_format: AttestationFormat::None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the binding of the challenge rests on. If a newer library changes it, [`WebauthnRefusal::State`] is what
    /// every ceremony ends in, and this test says why.
    #[test]
    fn the_librarys_state_has_the_shape_that_the_challenge_is_written_into() {
        let party = RelyingParty::new("localhost", &["http://localhost:1".to_owned()]).unwrap();
        let library = Ceremonial::new(&party).unwrap();
        let challenge = URL_SAFE_NO_PAD.encode([7; 32]);
        let begun = library.register([1; 16], "ann", vec![], &[7; 32]).unwrap();
        let state: Value = serde_json::from_str(&begun.state).unwrap();
        assert_eq!(state["rs"]["challenge"], challenge);
        assert_eq!(state["rs"]["policy"], "required");
        assert_eq!(begun.options["challenge"], challenge);
        let ann = super::super::tests::person("ann");
        let known = KnownPasskey {
            credential_id: ann.passkey.credential_id().to_vec(),
            cose_key: ann.passkey.cose_key().unwrap(),
        };
        let begun = library.assert(&[known], &[7; 32]).unwrap();
        let state: Value = serde_json::from_str(&begun.state).unwrap();
        let mut members: Vec<&String> = state["ast"].as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(
            members,
            [
                "allow_backup_eligible_upgrade",
                "appid",
                "challenge",
                "credentials",
                "policy"
            ]
        );
        assert_eq!(state["ast"]["challenge"], challenge);
        assert_eq!(begun.options["challenge"], challenge);
        assert_eq!(begun.options["userVerification"], "required");
    }
}
