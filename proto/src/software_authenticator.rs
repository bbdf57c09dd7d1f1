//! A WebAuthn authenticator in software, for demonstrations and tests.
//!
//! It has no user to verify and says that it verified one. A gateway refuses its [`SOFTWARE_AAGUID`] unless an insecure
//! option is set, and whoever offers it says so loudly. It attests nothing (format `none`) and counts nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use coset::{AsCborValue, CoseKeyBuilder, iana};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use crate::label::{Hash, sha256};
use crate::secret::Secret;
use crate::wire::identity::Assertion;

/// The model that this authenticator says it is: the ASCII text `adit-software-01`.
pub const SOFTWARE_AAGUID: [u8; 16] = *b"adit-software-01";

/// User present and user verified (Web Authentication Level 3, section 6.1).
pub(crate) const PRESENT_AND_VERIFIED: u8 = 0b101;
/// Attested credential data follow.
const ATTESTED: u8 = 1 << 6;
/// Bytes of a credential's id.
const CREDENTIAL_ID: usize = 32;

/// Why the software authenticator cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SoftwareAuthenticatorError {
    /// The stored bytes are no passkey of this module.
    #[error("the stored software passkey cannot be read")]
    Stored,
    /// Another RP ID asks than the passkey was made for.
    #[error("the software passkey belongs to another RP ID")]
    OtherRelyingParty,
    /// The source of randomness, or an encoder, failed.
    #[error("the software passkey cannot be made or used")]
    Failed,
}

/// A registration as a browser hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The attestation object (section 6.5.4).
    pub attestation_object: Vec<u8>,
    /// The client data (section 5.8.1).
    pub client_data_json: Vec<u8>,
}

/// One passkey in software: a P-256 key for one RP ID.
#[derive(Clone)]
pub struct SoftwareAuthenticator {
    rp_id: String,
    credential_id: [u8; CREDENTIAL_ID],
    pkcs8: Secret<Vec<u8>>,
    point: Vec<u8>,
}

impl SoftwareAuthenticator {
    /// Makes a passkey for `rp_id`.
    ///
    /// # Errors
    /// [`SoftwareAuthenticatorError::Failed`] if there is no randomness.
    pub fn new(rp_id: &str, rng: &dyn SecureRandom) -> Result<Self, SoftwareAuthenticatorError> {
        let failed = |_| SoftwareAuthenticatorError::Failed;
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, rng).map_err(failed)?;
        let mut credential_id = [0; CREDENTIAL_ID];
        rng.fill(&mut credential_id).map_err(failed)?;
        Self::assemble(
            rp_id,
            credential_id,
            Secret::new(pkcs8.as_ref().to_vec()),
            rng,
        )
    }

    fn assemble(
        rp_id: &str,
        credential_id: [u8; CREDENTIAL_ID],
        pkcs8: Secret<Vec<u8>>,
        rng: &dyn SecureRandom,
    ) -> Result<Self, SoftwareAuthenticatorError> {
        let pair = pair(&pkcs8, rng)?;
        let point = pair.public_key().as_ref().to_vec();
        Ok(Self {
            rp_id: rp_id.to_owned(),
            credential_id,
            pkcs8,
            point,
        })
    }

    /// The bytes to store in a file of mode 0600: credential id, length of the RP ID, RP ID, PKCS #8.
    #[must_use]
    pub fn to_bytes(&self) -> Secret<Vec<u8>> {
        let length = u8::try_from(self.rp_id.len()).unwrap_or(u8::MAX);
        let parts: [&[u8]; 4] = [
            &self.credential_id,
            &[length],
            self.rp_id.as_bytes(),
            self.pkcs8.expose(),
        ];
        Secret::new(parts.concat())
    }

    /// Reads what [`SoftwareAuthenticator::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`SoftwareAuthenticatorError::Stored`] for anything else.
    pub fn from_bytes(
        bytes: &[u8],
        rng: &dyn SecureRandom,
    ) -> Result<Self, SoftwareAuthenticatorError> {
        let stored = SoftwareAuthenticatorError::Stored;
        let (credential_id, rest) = bytes.split_first_chunk().ok_or(stored)?;
        let (length, rest) = rest.split_first().ok_or(stored)?;
        let (rp_id, pkcs8) = rest.split_at_checked(usize::from(*length)).ok_or(stored)?;
        let rp_id = std::str::from_utf8(rp_id).map_err(|_| stored)?;
        Self::assemble(rp_id, *credential_id, Secret::new(pkcs8.to_vec()), rng).map_err(|_| stored)
    }

    /// The RP ID that the passkey is for.
    #[must_use]
    pub fn rp_id(&self) -> &str {
        &self.rp_id
    }

    /// The credential's id.
    #[must_use]
    pub fn credential_id(&self) -> &[u8] {
        &self.credential_id
    }

    /// The public key as a COSE_Key.
    ///
    /// # Errors
    /// [`SoftwareAuthenticatorError::Failed`] if it cannot be encoded.
    pub fn cose_key(&self) -> Result<Vec<u8>, SoftwareAuthenticatorError> {
        let failed = SoftwareAuthenticatorError::Failed;
        let (_, coordinates) = self.point.split_first().ok_or(failed)?;
        let (x, y) = coordinates.split_at_checked(32).ok_or(failed)?;
        let key =
            CoseKeyBuilder::new_ec2_pub_key(iana::EllipticCurve::P_256, x.to_vec(), y.to_vec())
                .algorithm(iana::Algorithm::ES256)
                .build();
        encoded(&key.to_cbor_value().map_err(|_| failed)?)
    }

    /// Answers `navigator.credentials.create` of a page at `origin`.
    ///
    /// # Errors
    /// [`SoftwareAuthenticatorError::OtherRelyingParty`] if `rp_id` is not the passkey's.
    pub fn register(
        &self,
        rp_id: &str,
        origin: &str,
        challenge: &Hash,
    ) -> Result<Registration, SoftwareAuthenticatorError> {
        self.check(rp_id)?;
        let length =
            u16::try_from(CREDENTIAL_ID).map_err(|_| SoftwareAuthenticatorError::Failed)?;
        let data = [
            authenticator_data(rp_id, PRESENT_AND_VERIFIED | ATTESTED).as_slice(),
            &SOFTWARE_AAGUID,
            &length.to_be_bytes(),
            &self.credential_id,
            &self.cose_key()?,
        ]
        .concat();
        let text = |text: &str| Value::Text(text.to_owned());
        let object = Value::Map(vec![
            (text("fmt"), text("none")),
            (text("attStmt"), Value::Map(Vec::new())),
            (text("authData"), Value::Bytes(data)),
        ]);
        Ok(Registration {
            attestation_object: encoded(&object)?,
            client_data_json: client_data("webauthn.create", origin, challenge),
        })
    }

    /// Answers `navigator.credentials.get` of a page at `origin`.
    ///
    /// # Errors
    /// [`SoftwareAuthenticatorError::OtherRelyingParty`] if `rp_id` is not the passkey's.
    pub fn assert(
        &self,
        rp_id: &str,
        origin: &str,
        challenge: &Hash,
        rng: &dyn SecureRandom,
    ) -> Result<Assertion, SoftwareAuthenticatorError> {
        self.check(rp_id)?;
        let data = authenticator_data(rp_id, PRESENT_AND_VERIFIED);
        self.sign(data, client_data("webauthn.get", origin, challenge), rng)
    }

    /// Signs authenticator data and client data as they are.
    pub(crate) fn sign(
        &self,
        authenticator_data: Vec<u8>,
        client_data_json: Vec<u8>,
        rng: &dyn SecureRandom,
    ) -> Result<Assertion, SoftwareAuthenticatorError> {
        let message = [authenticator_data.as_slice(), &sha256(&client_data_json)].concat();
        let signature = pair(&self.pkcs8, rng)?
            .sign(rng, &message)
            .map_err(|_| SoftwareAuthenticatorError::Failed)?;
        Ok(Assertion {
            credential_id: self.credential_id.to_vec(),
            client_data_json,
            authenticator_data,
            signature: signature.as_ref().to_vec(),
        })
    }

    fn check(&self, rp_id: &str) -> Result<(), SoftwareAuthenticatorError> {
        (self.rp_id == rp_id)
            .then_some(())
            .ok_or(SoftwareAuthenticatorError::OtherRelyingParty)
    }
}

impl std::fmt::Debug for SoftwareAuthenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SoftwareAuthenticator({})", self.rp_id)
    }
}

fn pair(
    pkcs8: &Secret<Vec<u8>>,
    rng: &dyn SecureRandom,
) -> Result<EcdsaKeyPair, SoftwareAuthenticatorError> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.expose(), rng)
        .map_err(|_| SoftwareAuthenticatorError::Failed)
}

/// Authenticator data without what may follow the counter, which is zero: there is none.
pub(crate) fn authenticator_data(rp_id: &str, flags: u8) -> Vec<u8> {
    [sha256(rp_id.as_bytes()).as_slice(), &[flags], &[0; 4]].concat()
}

/// Client data as browsers order them (section 5.8.1.1).
pub(crate) fn client_data(ceremony: &str, origin: &str, challenge: &Hash) -> Vec<u8> {
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    json!({"type": ceremony, "challenge": challenge, "origin": origin, "crossOrigin": false})
        .to_string()
        .into_bytes()
}

fn encoded(value: &Value) -> Result<Vec<u8>, SoftwareAuthenticatorError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|_| SoftwareAuthenticatorError::Failed)?;
    Ok(bytes)
}
