//! What a sign-in authorises, as the gateway words it and a verifier reads it.

use std::net::IpAddr;

use prost::Message;

use super::SignInError;
use crate::id::UserId;
use crate::key::PublicKey;
use crate::label::{Hash, SIGN_IN, digest};
use crate::time::UnixMillis;
use crate::wire::identity as wire;

/// Longest request in bytes; one has some 300.
const MAX: usize = 4 << 10;
/// Longest matching code in bytes.
const CODE_MAX: usize = 32;

/// What a sign-in authorises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInRequest {
    /// Hash of the genesis statement.
    pub genesis: Hash,
    /// Who signs in.
    pub user_id: UserId,
    /// The device key that is authorised.
    pub device_key: PublicKey,
    /// SHA-256 of the PKCE verifier (RFC 7636, S256).
    pub pkce_challenge: [u8; 32],
    /// Shown in the terminal and on the page.
    pub matching_code: String,
    /// The address that the gateway saw the device at.
    pub source_address: IpAddr,
    /// When the gateway made the request.
    pub issued: UnixMillis,
    /// When the sign-in ends.
    pub expires: UnixMillis,
    /// Random bytes of the gateway.
    pub nonce: [u8; 32],
    /// Whether the matching code was typed.
    pub headless: bool,
}

impl SignInRequest {
    /// The bytes to keep and to send: [`challenge`] of them is what the passkey signs.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::SignInRequest {
            genesis: self.genesis.to_vec(),
            user_id: self.user_id.to_string(),
            device_key: self.device_key.spki().to_vec(),
            pkce_challenge: self.pkce_challenge.to_vec(),
            matching_code: self.matching_code.clone(),
            source_address: self.source_address.to_string(),
            issued_ms: self.issued.0,
            expires_ms: self.expires.0,
            nonce: self.nonce.to_vec(),
            headless: self.headless,
        }
        .encode_to_vec()
    }

    /// Reads a request as sent.
    ///
    /// # Errors
    /// [`SignInError::Malformed`] with the field that is not of its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignInError> {
        let malformed = SignInError::Malformed;
        if bytes.len() > MAX {
            return Err(malformed("request"));
        }
        let sent = wire::SignInRequest::decode(bytes).map_err(|_| malformed("request"))?;
        let hash = |bytes: &[u8], field| bytes.try_into().map_err(|_| malformed(field));
        let code = &sent.matching_code;
        if !(1..=CODE_MAX).contains(&code.len()) || !code.bytes().all(|it| it.is_ascii_graphic()) {
            return Err(malformed("matching_code"));
        }
        if sent.expires_ms <= sent.issued_ms {
            return Err(malformed("expires_ms"));
        }
        Ok(Self {
            genesis: hash(&sent.genesis, "genesis")?,
            user_id: sent.user_id.parse().map_err(|_| malformed("user_id"))?,
            device_key: PublicKey::from_spki(&sent.device_key)
                .map_err(|_| malformed("device_key"))?,
            pkce_challenge: hash(&sent.pkce_challenge, "pkce_challenge")?,
            matching_code: sent.matching_code,
            source_address: sent
                .source_address
                .parse()
                .map_err(|_| malformed("source_address"))?,
            issued: UnixMillis(sent.issued_ms),
            expires: UnixMillis(sent.expires_ms),
            nonce: hash(&sent.nonce, "nonce")?,
            headless: sent.headless,
        })
    }
}

/// The challenge that a passkey signs to authorise the request of those bytes.
#[must_use]
pub fn challenge(request: &[u8]) -> Hash {
    digest(SIGN_IN, &[request])
}
