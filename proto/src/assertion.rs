//! WebAuthn assertions and registrations, verified without a server: gateway, connector and client each do it.
//!
//! Web Authentication Level 3, sections 7.1 and 7.2, as far as they do not ask the state of a relying party. Attestation
//! statements are not judged here.

mod authenticator_data;
mod cbor;
mod client_data;
mod credential_key;
mod registration;
#[cfg(test)]
mod tests;

pub use credential_key::CredentialKey;
pub use registration::{RegisteredCredential, own_passkey_challenge, registered};

use url::{Host, Url};

use crate::label::{Hash, sha256};
use crate::wire::identity::Assertion;
use authenticator_data::AuthenticatorData;
use client_data::ClientData;

/// Longest credential id (Web Authentication Level 3, section 6.1).
pub const CREDENTIAL_ID_MAX: usize = 1023;
/// Most origins of a deployment. A list longer than that is a mistake.
const ORIGINS_MAX: usize = 16;

/// Why an assertion or a registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// The client data are no JSON of the form, or too long.
    #[error("the client data cannot be parsed")]
    ClientData,
    /// The ceremony is of another type.
    #[error("the client data are of another ceremony")]
    Ceremony,
    /// The challenge is another one.
    #[error("the challenge is another one")]
    Challenge,
    /// The origin is not in the list.
    #[error("the origin is not one of this deployment")]
    Origin,
    /// The ceremony ran in a frame of another site.
    #[error("the ceremony ran in a frame of another site")]
    CrossOrigin,
    /// The authenticator data are cut, too long or have something behind them.
    #[error("the authenticator data cannot be parsed")]
    AuthenticatorData,
    /// The relying party is another one.
    #[error("the relying party is another one")]
    RelyingParty,
    /// Nobody was present.
    #[error("user presence is missing")]
    UserPresence,
    /// The user was not verified.
    #[error("user verification is missing")]
    UserVerification,
    /// The credential is another one.
    #[error("the credential is another one")]
    Credential,
    /// The key cannot be parsed, is too weak or of an algorithm that is not accepted.
    #[error("the credential's key is not accepted")]
    Key,
    /// The attestation object cannot be parsed.
    #[error("the attestation object cannot be parsed")]
    AttestationObject,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
}

/// Why a relying party is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelyingPartyError {
    /// The RP ID is not a domain, or an IP address.
    #[error("the RP ID is a domain in lower case, not an IP address")]
    RpId,
    /// An origin is not one of the RP ID, or not written as browsers do.
    #[error("an origin is https:// and the RP ID's domain or one below, or http://localhost")]
    Origin,
}

/// Who asks for ceremonies: one RP ID and an exact list of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    rp_id: String,
    origins: Vec<String>,
}

impl RelyingParty {
    /// Checks that each origin may use the RP ID and is written as browsers write it.
    ///
    /// `http` is for `localhost` only, where browsers treat it as a secure context.
    ///
    /// # Errors
    /// [`RelyingPartyError`] if not, or if there is no origin.
    pub fn new(rp_id: &str, origins: &[String]) -> Result<Self, RelyingPartyError> {
        match Host::parse(rp_id) {
            Ok(Host::Domain(domain)) if domain == rp_id && !rp_id.ends_with('.') => {}
            Ok(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => {
                return Err(RelyingPartyError::RpId);
            }
        }
        let bounded = (1..=ORIGINS_MAX).contains(&origins.len());
        if !bounded || !origins.iter().all(|origin| may_use(origin, rp_id)) {
            return Err(RelyingPartyError::Origin);
        }
        Ok(Self {
            rp_id: rp_id.to_owned(),
            origins: origins.to_vec(),
        })
    }

    /// The RP ID.
    #[must_use]
    pub fn rp_id(&self) -> &str {
        &self.rp_id
    }

    /// The origins.
    #[must_use]
    pub fn origins(&self) -> &[String] {
        &self.origins
    }
}

fn may_use(origin: &str, rp_id: &str) -> bool {
    let Ok(url) = Url::parse(origin) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let below = host
        .strip_suffix(rp_id)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && rp_id == "localhost");
    below && scheme && url.origin().ascii_serialization() == origin
}

/// Proof that a credential signed a challenge with its user present and verified.
#[derive(Clone, Debug)]
pub struct VerifiedAssertion {
    credential_id: Vec<u8>,
    sign_count: u32,
    backed_up: bool,
}

impl VerifiedAssertion {
    /// The credential that signed.
    #[must_use]
    pub fn credential_id(&self) -> &[u8] {
        &self.credential_id
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

/// Verifies an assertion by the credential `credential_id` with `key` over `challenge`.
///
/// Whether a challenge was used before is the caller's to know. A signature with a high s is accepted: authenticators
/// make them (no standard of WebAuthn forbids it), and nothing here is known by its signature.
///
/// # Errors
/// [`AssertionError`], by the first rule of section 7.2 that does not hold.
pub fn verify(
    assertion: &Assertion,
    key: &CredentialKey,
    credential_id: &[u8],
    relying_party: &RelyingParty,
    challenge: &Hash,
) -> Result<VerifiedAssertion, AssertionError> {
    if assertion.credential_id != credential_id {
        return Err(AssertionError::Credential);
    }
    ClientData::parse(&assertion.client_data_json)?.check(
        "webauthn.get",
        relying_party,
        challenge,
    )?;
    let data = AuthenticatorData::parse(&assertion.authenticator_data)?;
    data.check(relying_party)?;
    if data.attested.is_some() {
        return Err(AssertionError::AuthenticatorData);
    }
    let client_data = sha256(&assertion.client_data_json);
    let message = [assertion.authenticator_data.as_slice(), &client_data].concat();
    #[cfg(any(test, feature = "testing"))]
    crate::testing::count_signature();
    key.verify(&message, &assertion.signature)?;
    Ok(VerifiedAssertion {
        credential_id: credential_id.to_vec(),
        sign_count: data.sign_count,
        backed_up: data.backed_up,
    })
}
