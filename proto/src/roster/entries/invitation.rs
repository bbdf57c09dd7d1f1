//! Invitations: keys that admit.

use std::collections::HashSet;
use std::time::Duration;

use super::{Bench, EntryError, Kind, Right, Signer, StatementError, TIERS, each, id, once, tier};
use crate::id::DeviceId;
use crate::key::InvitationPublicKey;
use crate::roster::member::{Admits, Invitation};
use crate::time::UnixMillis;
use crate::wire::roster as wire;

/// Longest life: a week. Longer ones lie about in mail.
const LIFE_MAX: Duration = Duration::from_hours(7 * 24);

impl Bench<'_> {
    pub(super) fn invitations(
        &self,
        entries: &[wire::Invitation],
    ) -> Result<Vec<Invitation>, StatementError> {
        let Signer::Device {
            device,
            right: Right::Admin | Right::DeviceManager,
            ..
        } = self.signer
        else {
            return Err(StatementError::NoRight(Kind::Invitation));
        };
        if entries.iter().any(|entry| entry.approval) {
            return Err(StatementError::KindNotYet(Kind::Approval));
        }
        let (mut ids, mut keys) = (HashSet::new(), HashSet::new());
        each(entries, |entry| {
            let invitation = self.invitation(entry, device)?;
            once(&mut ids, invitation.id, EntryError::IdTaken)?;
            once(&mut keys, invitation.key, EntryError::KeyTaken)?;
            Ok(invitation)
        })
    }

    fn invitation(
        &self,
        entry: &wire::Invitation,
        signer: DeviceId,
    ) -> Result<Invitation, EntryError> {
        let invitation = Invitation {
            id: id(&entry.invitation_id, "invitation_id")?,
            key: InvitationPublicKey::from_bytes(&entry.key)
                .map_err(|_| EntryError::Field("key"))?,
            user: id(&entry.user_id, "user_id")?,
            admits: admits(entry.admits)?,
            tier_cap: tier(entry.tier_cap, *TIERS.end())?,
            expires: UnixMillis(entry.expires_ms),
            signer,
            used: None,
            revoked: None,
        };
        self.members
            .active_user(invitation.user)
            .ok_or(EntryError::UserUnknown)?;
        if self.members.admins.contains(&invitation.user) {
            return Err(EntryError::UserIsAdmin);
        }
        if self.members.invitations.contains_key(&invitation.id) {
            return Err(EntryError::IdTaken);
        }
        if self
            .members
            .keys
            .contains_key(&invitation.key.fingerprint())
        {
            return Err(EntryError::KeyTaken);
        }
        let alive = invitation.expires > self.time;
        (alive && invitation.expires <= self.time.after(LIFE_MAX))
            .then_some(invitation)
            .ok_or(EntryError::Expiry)
    }
}

fn admits(value: i32) -> Result<Admits, EntryError> {
    match wire::Admits::try_from(value) {
        Ok(wire::Admits::Device) => Ok(Admits::Device),
        Ok(wire::Admits::Passkey) => Ok(Admits::Passkey),
        Ok(wire::Admits::Both) => Ok(Admits::Both),
        Ok(wire::Admits::Unspecified) | Err(_) => Err(EntryError::Field("admits")),
    }
}
