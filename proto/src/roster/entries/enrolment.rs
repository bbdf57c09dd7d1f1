//! Enrolments: a device and a passkey of an invited user.

use super::{
    Bench, Change, Enrolled, EntryError, Kind, Members, Signer, StatementError, TIERS, id, tier,
};
use crate::assertion::{CREDENTIAL_ID_MAX, CredentialKey};
use crate::id::UserId;
use crate::key::PublicKey;
use crate::roster::member::{Admits, Device, Invitation, Passkey};
use crate::roster::name::check_label;
use crate::roster::signer::{Right, right_of};
use crate::time::UnixMillis;
use crate::wire::roster as wire;

/// Longest COSE_Key: that of an RSA key of 4096 bits, with room.
const COSE_KEY_MAX: usize = 1024;

impl Bench<'_> {
    pub(super) fn enrolment(&self, entries: &[wire::Enrolment]) -> Result<Change, StatementError> {
        let Signer::Invitation(signer) = self.signer else {
            return Err(StatementError::NoRight(Kind::Enrolment));
        };
        // An invitation admits once, so there is one entry.
        let [entry] = entries else {
            return Err(StatementError::Entries);
        };
        let named =
            self.members.invitations.get(&signer).filter(|invitation| {
                id(&entry.invitation_id, "invitation_id") == Ok(invitation.id)
            });
        named
            .ok_or(EntryError::InvitationUnknown)
            .and_then(|invitation| self.enrolled(invitation, entry))
            .map_err(|source| StatementError::Entry { index: 0, source })
    }

    fn enrolled(
        &self,
        invitation: &Invitation,
        entry: &wire::Enrolment,
    ) -> Result<Change, EntryError> {
        usable(self.members, invitation, self.time)?;
        let (has_device, has_passkey) = match invitation.admits {
            Admits::Device => (true, false),
            Admits::Passkey => (false, true),
            Admits::Both => (true, true),
        };
        if entry.device.is_some() != has_device || entry.passkey.is_some() != has_passkey {
            return Err(EntryError::Admits);
        }
        let cap = u32::from(invitation.tier_cap);
        let device = entry
            .device
            .as_ref()
            .map(|it| device(it, invitation.user, cap));
        let passkey = entry
            .passkey
            .as_ref()
            .map(|it| passkey(it, invitation.user));
        let (device, passkey) = (device.transpose()?, passkey.transpose()?);
        if let Some(device) = &device {
            check_new_device(self.members, device)?;
        }
        if let Some(passkey) = &passkey {
            check_new_passkey(self.members, passkey)?;
        }
        let invitation = invitation.id;
        Ok(Change::Enrolment(Box::new(Enrolled {
            invitation,
            device,
            passkey,
        })))
    }
}

/// Whether an invitation may be used at `time`: it, its signer and its user are as they were, and it was not used.
pub(in crate::roster) fn usable(
    members: &Members,
    invitation: &Invitation,
    time: UnixMillis,
) -> Result<(), EntryError> {
    if invitation.used.is_some() {
        return Err(EntryError::InvitationUsed);
    }
    let signer = members.devices.get(&invitation.signer);
    let signer_manages = signer.is_some_and(|device| {
        members.is_active(device)
            && match right_of(members, device.owner) {
                Right::Admin | Right::DeviceManager => true,
                Right::Own => false,
            }
    });
    if invitation.revoked.is_some() || !signer_manages {
        return Err(EntryError::InvitationRevoked);
    }
    members
        .active_user(invitation.user)
        .ok_or(EntryError::UserUnknown)?;
    (time < invitation.expires)
        .then_some(())
        .ok_or(EntryError::InvitationExpired)
}

fn check_new_device(members: &Members, device: &Device) -> Result<(), EntryError> {
    if members.devices.contains_key(&device.id) {
        return Err(EntryError::IdTaken);
    }
    (!members.keys.contains_key(&device.key.fingerprint()))
        .then_some(())
        .ok_or(EntryError::KeyTaken)
}

pub(super) fn check_new_passkey(members: &Members, passkey: &Passkey) -> Result<(), EntryError> {
    if members.passkeys.contains_key(&passkey.id) {
        return Err(EntryError::IdTaken);
    }
    members
        .passkey_by_credential(&passkey.credential_id)
        .is_none()
        .then_some(())
        .ok_or(EntryError::KeyTaken)
}

pub(super) fn device(
    entry: &wire::Device,
    owner: UserId,
    highest_tier: u32,
) -> Result<Device, EntryError> {
    check_label(&entry.name)?;
    Ok(Device {
        id: id(&entry.device_id, "device_id")?,
        key: PublicKey::from_spki(&entry.key).map_err(|_| EntryError::Field("key"))?,
        owner,
        name: entry.name.clone(),
        tier_cap: tier(entry.tier_cap, highest_tier.min(*TIERS.end()))?,
        revoked: None,
    })
}

pub(super) fn passkey(entry: &wire::Passkey, owner: UserId) -> Result<Passkey, EntryError> {
    if !entry.name.is_empty() {
        check_label(&entry.name)?;
    }
    if !(1..=CREDENTIAL_ID_MAX).contains(&entry.credential_id.len()) {
        return Err(EntryError::Field("credential_id"));
    }
    if entry.cose_key.len() > COSE_KEY_MAX {
        return Err(EntryError::Field("cose_key"));
    }
    Ok(Passkey {
        id: id(&entry.passkey_id, "passkey_id")?,
        owner,
        credential_id: entry.credential_id.clone(),
        key: CredentialKey::from_cose(&entry.cose_key)
            .map_err(|_| EntryError::Field("cose_key"))?,
        cose_key: entry.cose_key.clone(),
        aaguid: entry
            .aaguid
            .as_slice()
            .try_into()
            .map_err(|_| EntryError::Field("aaguid"))?,
        name: entry.name.clone(),
        revoked: None,
    })
}
