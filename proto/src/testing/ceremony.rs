//! An assertion with any part of it wrong.

use ring::rand::SystemRandom;

use super::SoftwareAuthenticator;
use crate::label::Hash;
use crate::software_authenticator::{PRESENT_AND_VERIFIED, authenticator_data, client_data};
use crate::wire::identity::Assertion;

/// What an authenticator and a browser say. It starts right; a test changes what is to be refused.
#[derive(Clone, Debug)]
pub struct Ceremony {
    /// `webauthn.get` or `webauthn.create`.
    pub ceremony: String,
    /// RP ID that is hashed into the authenticator data.
    pub rp_id: String,
    /// Origin of the page.
    pub origin: String,
    /// What is signed.
    pub challenge: Hash,
    /// Flags of the authenticator data.
    pub flags: u8,
    /// How often the authenticator has signed; 0 where it does not count.
    pub sign_count: u32,
    /// What follows the counter.
    pub trailing: Vec<u8>,
    /// The client data in place of what the fields above make.
    pub client_data_json: Option<Vec<u8>>,
}

impl Ceremony {
    /// A right `webauthn.get`.
    #[must_use]
    pub fn get(rp_id: &str, origin: &str, challenge: &Hash) -> Self {
        Self {
            ceremony: "webauthn.get".to_owned(),
            rp_id: rp_id.to_owned(),
            origin: origin.to_owned(),
            challenge: *challenge,
            flags: PRESENT_AND_VERIFIED,
            sign_count: 0,
            trailing: Vec::new(),
            client_data_json: None,
        }
    }

    /// The assertion, whose signature verifies.
    #[must_use]
    pub fn sign(&self, authenticator: &SoftwareAuthenticator) -> Assertion {
        let mut data = authenticator_data(&self.rp_id, self.flags);
        if let Some(counter) = data.last_chunk_mut() {
            *counter = self.sign_count.to_be_bytes();
        }
        data.extend(&self.trailing);
        let made = client_data(&self.ceremony, &self.origin, &self.challenge);
        let client_data = self.client_data_json.clone().unwrap_or(made);
        authenticator
            .sign(data, client_data, &SystemRandom::new())
            .expect("a software passkey signs")
    }
}
