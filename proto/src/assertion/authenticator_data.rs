//! The authenticator data (Web Authentication Level 3, section 6.1).

use ciborium::Value;

use super::{AssertionError, CREDENTIAL_ID_MAX, RelyingParty, cbor};
use crate::label::{Hash, sha256};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

pub(super) struct AuthenticatorData<'a> {
    rp_id_hash: &'a Hash,
    flags: u8,
    pub(super) sign_count: u32,
    pub(super) backed_up: bool,
    pub(super) attested: Option<AttestedCredential<'a>>,
}

/// The attested credential data (section 6.5.1).
pub(super) struct AttestedCredential<'a> {
    pub(super) aaguid: [u8; 16],
    pub(super) credential_id: &'a [u8],
    pub(super) cose_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, AssertionError> {
        (bytes.len() <= cbor::MAX)
            .then(|| parts(bytes))
            .flatten()
            .ok_or(AssertionError::AuthenticatorData)
    }

    pub(super) fn check(&self, relying_party: &RelyingParty) -> Result<(), AssertionError> {
        if *self.rp_id_hash != sha256(relying_party.rp_id().as_bytes()) {
            return Err(AssertionError::RelyingParty);
        }
        if self.flags & USER_PRESENT == 0 {
            return Err(AssertionError::UserPresence);
        }
        if self.flags & USER_VERIFIED == 0 {
            return Err(AssertionError::UserVerification);
        }
        // Section 6.1.3: what is not eligible is never backed up.
        if self.backed_up && self.flags & BACKUP_ELIGIBLE == 0 {
            return Err(AssertionError::AuthenticatorData);
        }
        Ok(())
    }
}

fn parts(bytes: &[u8]) -> Option<AuthenticatorData<'_>> {
    let (rp_id_hash, rest) = bytes.split_first_chunk()?;
    let (flags, rest) = rest.split_first()?;
    let (sign_count, mut rest) = rest.split_first_chunk()?;
    let mut attested = None;
    if flags & ATTESTED != 0 {
        let (credential, after) = credential(rest)?;
        attested = Some(credential);
        rest = after;
    }
    if flags & EXTENSIONS != 0 {
        let Ok(Value::Map(_)) = cbor::parse(rest) else {
            return None;
        };
        rest = &[];
    }
    rest.is_empty().then_some(AuthenticatorData {
        rp_id_hash,
        flags: *flags,
        sign_count: u32::from_be_bytes(*sign_count),
        backed_up: flags & BACKED_UP != 0,
        attested,
    })
}

fn credential(bytes: &[u8]) -> Option<(AttestedCredential<'_>, &[u8])> {
    let (aaguid, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 || length > CREDENTIAL_ID_MAX {
        return None;
    }
    let (credential_id, with_key) = rest.split_at_checked(length)?;
    let (_, rest) = cbor::parse_first(with_key).ok()?;
    let cose_key = with_key.strip_suffix(rest)?;
    Some((
        AttestedCredential {
            aaguid: *aaguid,
            credential_id,
            cose_key,
        },
        rest,
    ))
}
