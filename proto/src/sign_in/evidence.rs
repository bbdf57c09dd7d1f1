//! Evidence that is judged again and again, and whose signature is verified once.

use std::sync::OnceLock;

use super::{SignInCeiling, SignInError, SignInRequest, VerifiedSignIn, challenge, end};
use crate::assertion::{self, CredentialKey};
use crate::key::PublicKey;
use crate::roster::Roster;
use crate::time::UnixMillis;
use crate::wire::identity::SignInEvidence;

/// The evidence of a sign-in as sent and, from the first time that it verifies, the proof that it is signed.
///
/// What was signed once stays signed. Judging it anew asks what can change: whose device and passkey they are, whether
/// they are active, and the time.
#[derive(Clone, Debug)]
pub struct Evidence {
    sent: SignInEvidence,
    signed: OnceLock<Signed>,
}

/// Proof that a passkey's key signed a request. The relying party is fixed by the genesis that the request names.
#[derive(Clone, Debug)]
struct Signed {
    request: SignInRequest,
    key: CredentialKey,
    sign_count: u32,
}

impl From<SignInEvidence> for Evidence {
    fn from(sent: SignInEvidence) -> Self {
        Self {
            sent,
            signed: OnceLock::new(),
        }
    }
}

impl PartialEq for Evidence {
    fn eq(&self, other: &Self) -> bool {
        self.sent == other.sent
    }
}

impl Evidence {
    /// Request and assertion as sent.
    #[must_use]
    pub fn sent(&self) -> &SignInEvidence {
        &self.sent
    }

    /// Verifies that this signs the owner of `device` in on it, by the roster and at `now`.
    ///
    /// # Errors
    /// [`SignInError`], by the first rule that does not hold.
    pub fn verify(
        &self,
        roster: &Roster,
        device: &PublicKey,
        ceiling: &SignInCeiling,
        now: UnixMillis,
    ) -> Result<VerifiedSignIn, SignInError> {
        let signed = self.signed.get();
        let parsed;
        let request = if let Some(signed) = signed {
            &signed.request
        } else {
            parsed = SignInRequest::parse(&self.sent.request)?;
            &parsed
        };
        if request.genesis != roster.genesis() {
            return Err(SignInError::OtherGenesis);
        }
        if request.device_key != *device {
            return Err(SignInError::OtherDevice);
        }
        let device = roster
            .active_device(&device.fingerprint())
            .map_err(SignInError::Device)?;
        if device.owner != request.user_id {
            return Err(SignInError::NotTheOwner);
        }
        let sent = self.sent.assertion.as_ref();
        let sent = sent.ok_or(SignInError::Malformed("assertion"))?;
        let passkey = roster
            .passkey_by_credential(&sent.credential_id)
            .filter(|passkey| passkey.owner == request.user_id)
            .ok_or(SignInError::Passkey)?;
        if passkey.revoked.is_some() {
            return Err(SignInError::PasskeyRevoked);
        }
        let expires = end(request, ceiling, now)?;
        let sign_count = match signed.filter(|signed| signed.key == passkey.key) {
            Some(signed) => signed.sign_count,
            None => self.check_signature(request, &passkey.key, roster)?,
        };
        Ok(VerifiedSignIn {
            user_id: request.user_id,
            device_id: device.id,
            passkey_id: passkey.id,
            issued: request.issued,
            expires,
            source_address: request.source_address,
            headless: request.headless,
            sign_count,
        })
    }

    /// Verifies the assertion, and remembers that it does. Gives the authenticator's counter.
    fn check_signature(
        &self,
        request: &SignInRequest,
        key: &CredentialKey,
        roster: &Roster,
    ) -> Result<u32, SignInError> {
        let sent = self.sent.assertion.as_ref();
        let assertion = sent.ok_or(SignInError::Malformed("assertion"))?;
        let verified = assertion::verify(
            assertion,
            key,
            &assertion.credential_id,
            roster.relying_party(),
            &challenge(&self.sent.request),
        )
        .map_err(SignInError::Assertion)?;
        let sign_count = verified.sign_count();
        // Whoever judges at the same time has found the same.
        let _ = self.signed.set(Signed {
            request: request.clone(),
            key: key.clone(),
            sign_count,
        });
        Ok(sign_count)
    }
}
