//! Somebody with a device and a passkey.

use ring::rand::SystemRandom;

use super::{SoftwareAuthenticator, TestKey, random};
use crate::assertion::RelyingParty;
use crate::id::{DeviceId, PasskeyId, UserId};
use crate::label::Hash;
use crate::sign_in::{self, SignInRequest};
use crate::software_authenticator::SOFTWARE_AAGUID;
use crate::statement::{Draft, Head};
use crate::time::UnixMillis;
use crate::wire::identity::{Assertion, SignInEvidence};
use crate::wire::roster as wire;

/// Somebody with a device and a passkey, in the roster or about to be.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who it is.
    pub user: UserId,
    /// The name.
    pub name: String,
    /// The device.
    pub device_id: DeviceId,
    /// The device's key.
    pub device: TestKey,
    /// The passkey.
    pub passkey_id: PasskeyId,
    /// The passkey's authenticator.
    pub passkey: SoftwareAuthenticator,
}

impl Person {
    /// Makes device and passkey for a user.
    #[must_use]
    pub fn new(user: UserId, name: &str, rp_id: &str, now: UnixMillis) -> Self {
        Self {
            user,
            name: name.to_owned(),
            device_id: DeviceId::from_parts(now, random()),
            device: TestKey::generate(),
            passkey_id: PasskeyId::from_parts(now, random()),
            passkey: SoftwareAuthenticator::new(rp_id, &SystemRandom::new())
                .expect("the system has randomness"),
        }
    }

    /// The device as a statement names it.
    #[must_use]
    pub fn wire_device(&self) -> wire::Device {
        wire::Device {
            device_id: self.device_id.to_string(),
            key: self.device.public().spki().to_vec(),
            name: format!("{}'s laptop", self.name),
            tier_cap: 2,
        }
    }

    /// The passkey as a statement names it.
    #[must_use]
    pub fn wire_passkey(&self) -> wire::Passkey {
        wire::Passkey {
            passkey_id: self.passkey_id.to_string(),
            credential_id: self.passkey.credential_id().to_vec(),
            cose_key: self.passkey.cose_key().expect("the key can be encoded"),
            aaguid: SOFTWARE_AAGUID.to_vec(),
            name: String::new(),
        }
    }

    /// Touches: an assertion over `challenge` from the first origin.
    #[must_use]
    pub fn touch(&self, relying_party: &RelyingParty, challenge: &Hash) -> Assertion {
        let origin = relying_party
            .origins()
            .first()
            .map(String::as_str)
            .unwrap_or_default();
        self.passkey
            .assert(
                relying_party.rp_id(),
                origin,
                challenge,
                &SystemRandom::new(),
            )
            .expect("a software passkey signs")
    }

    /// Signs a draft with the device and touches it with the passkey.
    #[must_use]
    pub fn seal(
        &self,
        draft: &Draft,
        head: &Head,
        relying_party: &RelyingParty,
    ) -> wire::Statement {
        let touch = self.touch(relying_party, &draft.touch_challenge());
        let placed = draft.place(head);
        let signature = self.device.sign(&placed.hash());
        placed.seal(signature, Some(touch))
    }

    /// A sign-in request for the person's device, issued at `now` and good for twelve hours.
    #[must_use]
    pub fn sign_in_request(&self, genesis: Hash, now: UnixMillis) -> SignInRequest {
        SignInRequest {
            genesis,
            user_id: self.user,
            device_key: self.device.public().clone(),
            pkce_challenge: random(),
            matching_code: "K7QP-3MX".to_owned(),
            source_address: [192, 0, 2, 7].into(),
            issued: now,
            expires: now.after(std::time::Duration::from_hours(12)),
            nonce: random(),
            headless: false,
        }
    }

    /// Signs in: touches a request.
    #[must_use]
    pub fn sign_in(&self, relying_party: &RelyingParty, request: &SignInRequest) -> SignInEvidence {
        let request = request.encode();
        let assertion = self.touch(relying_party, &sign_in::challenge(&request));
        SignInEvidence {
            request,
            assertion: Some(assertion),
        }
    }
}
