//! What a browser hands over when it has made a passkey.

use ciborium::Value;

use super::authenticator_data::AuthenticatorData;
use super::client_data::ClientData;
use super::{AssertionError, CredentialKey, RelyingParty, cbor};
use crate::key::Fingerprint;
use crate::label::{Hash, OWN_PASSKEY, digest};

/// A credential whose registration was checked against challenge, origin and RP ID.
///
/// Whether an attestation backs it is not said here.
#[derive(Clone, Debug)]
pub struct RegisteredCredential {
    credential_id: Vec<u8>,
    cose_key: Vec<u8>,
    aaguid: [u8; 16],
    sign_count: u32,
    backed_up: bool,
}

impl RegisteredCredential {
    /// The credential's id.
    #[must_use]
    pub fn credential_id(&self) -> &[u8] {
        &self.credential_id
    }

    /// The COSE_Key as the attested credential data hold it; [`CredentialKey::from_cose`] reads it.
    #[must_use]
    pub fn cose_key(&self) -> &[u8] {
        &self.cose_key
    }

    /// The model of the authenticator, as it says itself.
    #[must_use]
    pub fn aaguid(&self) -> &[u8; 16] {
        &self.aaguid
    }

    /// The authenticator's counter; zero where it has none.
    #[must_use]
    pub fn sign_count(&self) -> u32 {
        self.sign_count
    }

    /// Whether the passkey is kept by a provider who synchronises it.
    #[must_use]
    pub fn backed_up(&self) -> bool {
        self.backed_up
    }
}

/// Checks a registration: type, challenge, origin, RP ID, presence, verification, and the form of the key.
///
/// The attestation statement is not judged: it has to be a map, and that is all.
///
/// # Errors
/// [`AssertionError`], by the first rule of section 7.1 that does not hold.
pub fn registered(
    attestation_object: &[u8],
    client_data_json: &[u8],
    relying_party: &RelyingParty,
    challenge: &Hash,
) -> Result<RegisteredCredential, AssertionError> {
    ClientData::parse(client_data_json)?.check("webauthn.create", relying_party, challenge)?;
    let object = cbor::parse(attestation_object).map_err(|_| AssertionError::AttestationObject)?;
    let bytes = authenticator_data(&object).ok_or(AssertionError::AttestationObject)?;
    let data = AuthenticatorData::parse(bytes)?;
    data.check(relying_party)?;
    let credential = data.attested.ok_or(AssertionError::AuthenticatorData)?;
    CredentialKey::from_cose(credential.cose_key)?;
    Ok(RegisteredCredential {
        credential_id: credential.credential_id.to_vec(),
        cose_key: credential.cose_key.to_vec(),
        aaguid: credential.aaguid,
        sign_count: data.sign_count,
        backed_up: data.backed_up,
    })
}

/// The challenge of the registration of a further passkey, which the device with the key `device` asks for.
///
/// Both ends bring 32 random bytes, so that neither takes a registration that was made before.
#[must_use]
pub fn own_passkey_challenge(
    genesis: &Hash,
    device: &Fingerprint,
    clients_nonce: &[u8; 32],
    gateways_nonce: &[u8; 32],
) -> Hash {
    let parts: [&[u8]; 4] = [genesis, &device.0, clients_nonce, gateways_nonce];
    digest(OWN_PASSKEY, &parts)
}

/// Takes the authenticator data out of an attestation object (section 6.5.4).
fn authenticator_data(object: &Value) -> Option<&[u8]> {
    let member = |name: &str| {
        let entries = object.as_map()?;
        let found = entries.iter().find(|(key, _)| key.as_text() == Some(name));
        found.map(|(_, value)| value)
    };
    member("fmt")?.as_text()?;
    member("attStmt")?.as_map()?;
    member("authData")?.as_bytes().map(Vec::as_slice)
}
