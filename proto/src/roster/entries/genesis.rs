//! Genesis: what a log begins with.

use ssh_key::public::{EcdsaPublicKey, KeyData};

use super::{EntryError, TIERS, enrolment, user};
use crate::assertion::RelyingParty;
use crate::key::PublicKey;
use crate::roster::member::{Device, Gateways, Passkey, User};
use crate::wire::roster as wire;

/// Longest line of a recovery key.
const RECOVERY_KEY_MAX: usize = 1024;

/// What a genesis statement says.
pub(in crate::roster) struct Founding {
    pub(in crate::roster) relying_party: RelyingParty,
    pub(in crate::roster) gateways: Gateways,
    pub(in crate::roster) recovery_key: String,
    pub(in crate::roster) admin: User,
    pub(in crate::roster) device: Device,
    pub(in crate::roster) passkey: Passkey,
}

pub(in crate::roster) fn found(entry: &wire::Genesis) -> Result<Founding, EntryError> {
    let relying_party = RelyingParty::new(&entry.rp_id, &entry.origins)
        .map_err(|_| EntryError::Field("origins"))?;
    let key = |spki: &[u8], field| PublicKey::from_spki(spki).map_err(|_| EntryError::Field(field));
    let gateways = Gateways {
        current: key(&entry.gateways_key, "gateways_key")?,
        next: key(&entry.gateways_next_key, "gateways_next_key")?,
    };
    check_recovery_key(&entry.recovery_key)?;
    let admin = user::parse(entry.admin.as_ref().ok_or(EntryError::Field("admin"))?)?;
    let device = entry.device.as_ref().ok_or(EntryError::Field("device"))?;
    let device = enrolment::device(device, admin.id, *TIERS.end())?;
    let passkey = entry.passkey.as_ref().ok_or(EntryError::Field("passkey"))?;
    let passkey = enrolment::passkey(passkey, admin.id)?;
    if gateways.current == gateways.next
        || device.key == gateways.current
        || device.key == gateways.next
    {
        return Err(EntryError::KeyTaken);
    }
    let recovery_key = entry.recovery_key.clone();
    Ok(Founding {
        relying_party,
        gateways,
        recovery_key,
        admin,
        device,
        passkey,
    })
}

/// The recovery key is one that SSHSIG signs with: Ed25519 or P-256, in software or on a security key.
fn check_recovery_key(line: &str) -> Result<(), EntryError> {
    let error = EntryError::Field("recovery_key");
    if line.len() > RECOVERY_KEY_MAX || line.chars().any(char::is_control) {
        return Err(error);
    }
    let key = ssh_key::PublicKey::from_openssh(line).map_err(|_| error)?;
    let data = key.key_data();
    let accepted = matches!(
        data,
        KeyData::Ed25519(_)
            | KeyData::SkEd25519(_)
            | KeyData::SkEcdsaSha2NistP256(_)
            | KeyData::Ecdsa(EcdsaPublicKey::NistP256(_))
    );
    accepted.then_some(()).ok_or(error)
}
