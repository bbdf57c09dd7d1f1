//! The client data: what the browser says about a ceremony (Web Authentication Level 3, section 5.8.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::{AssertionError, RelyingParty};
use crate::label::Hash;

/// Longest client data that is parsed. Browsers send some 200 bytes.
const MAX: usize = 8 << 10;

/// The members that a verifier reads; others may be there (section 5.8.1, "future extensibility").
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    cross_origin: Option<bool>,
    top_origin: Option<String>,
}

impl ClientData {
    pub(super) fn parse(json: &[u8]) -> Result<Self, AssertionError> {
        if json.len() > MAX {
            return Err(AssertionError::ClientData);
        }
        serde_json::from_slice(json).map_err(|_| AssertionError::ClientData)
    }

    pub(super) fn check(
        &self,
        ceremony: &str,
        relying_party: &RelyingParty,
        challenge: &Hash,
    ) -> Result<(), AssertionError> {
        if self.r#type != ceremony {
            return Err(AssertionError::Ceremony);
        }
        let signed = URL_SAFE_NO_PAD
            .decode(&self.challenge)
            .map_err(|_| AssertionError::Challenge)?;
        if !bool::from(signed.ct_eq(challenge)) {
            return Err(AssertionError::Challenge);
        }
        if !relying_party.origins().contains(&self.origin) {
            return Err(AssertionError::Origin);
        }
        if self.cross_origin == Some(true) || self.top_origin.is_some() {
            return Err(AssertionError::CrossOrigin);
        }
        Ok(())
    }
}
