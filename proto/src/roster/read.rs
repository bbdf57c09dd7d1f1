//! What a roster answers.

use super::entries::usable;
use super::member::{Cluster, Device, Gateways, Invitation, Passkey, PolicyHead, Subject, User};
use super::signer::{Right, right_of};
use super::{Roster, View};
use crate::Reason;
use crate::assertion::RelyingParty;
use crate::id::{ClusterId, DeviceId, InvitationId, PasskeyId, UserId};
use crate::key::Fingerprint;
use crate::label::Hash;
use crate::statement::{EntryError, Head};
use crate::target::Name;
use crate::time::UnixMillis;

/// How another party's head lies to this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same head.
    Same,
    /// A statement of this log, or no log yet: the other party is behind.
    Behind,
    /// A higher number: this log is behind, or the other party on another branch.
    Ahead,
    /// Another statement under a number of this log: two branches.
    Fork,
    /// A log with another genesis.
    OtherLog,
}

impl Roster {
    /// How much of the log this roster reads.
    #[must_use]
    pub fn view(&self) -> View {
        if self.members.is_clients_view {
            View::Client
        } else {
            View::Full
        }
    }

    /// The newest statement. In a client's view its time is that of the newest statement with a body.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            genesis: self.genesis,
            number: self.number(),
            hash: self.hashes.last().copied().unwrap_or(self.genesis),
            time: self.time,
        }
    }

    /// Number of the newest statement.
    #[must_use]
    pub fn number(&self) -> u64 {
        u64::try_from(self.hashes.len()).unwrap_or(u64::MAX)
    }

    /// Hash of the statement with that number.
    #[must_use]
    pub fn hash_at(&self, number: u64) -> Option<&Hash> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.hashes.get(place)
    }

    /// How another party's head lies to this log.
    #[must_use]
    pub fn relation(&self, head: &Head) -> Relation {
        if head.is_none() {
            return Relation::Behind;
        }
        if head.genesis != self.genesis {
            return Relation::OtherLog;
        }
        match self.hash_at(head.number) {
            None => Relation::Ahead,
            Some(hash) if *hash != head.hash => Relation::Fork,
            Some(_) if head.number == self.number() => Relation::Same,
            Some(_) => Relation::Behind,
        }
    }

    /// Hash of the genesis statement.
    #[must_use]
    pub fn genesis(&self) -> Hash {
        self.genesis
    }

    /// RP ID and origins.
    #[must_use]
    pub fn relying_party(&self) -> &RelyingParty {
        &self.relying_party
    }

    /// The gateways' keys.
    #[must_use]
    pub fn gateways(&self) -> &Gateways {
        &self.gateways
    }

    /// The recovery key as an OpenSSH line.
    #[must_use]
    pub fn recovery_key(&self) -> &str {
        &self.recovery_key
    }

    /// A user, revoked or not.
    #[must_use]
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.members.users.get(&id)
    }

    /// A user who is not revoked.
    #[must_use]
    pub fn active_user(&self, id: UserId) -> Option<&User> {
        self.members.active_user(id)
    }

    /// The user who bears the name, and is not revoked.
    #[must_use]
    pub fn user_by_name(&self, name: &str) -> Option<&User> {
        self.members.user_named(name)
    }

    /// Every user, revoked ones too.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.members.users.values()
    }

    /// Whether the user's keys sign as admin.
    #[must_use]
    pub fn is_admin(&self, id: UserId) -> bool {
        self.members.admins.contains(&id) && self.members.active_user(id).is_some()
    }

    /// What a device key may sign, with whose it is; `None` if it is not an active device's.
    #[must_use]
    pub fn rights_of(&self, key: &Fingerprint) -> Option<(UserId, Right)> {
        let device = self.members.active_device(key).ok()?;
        Some((device.owner, right_of(&self.members, device.owner)))
    }

    /// A device, revoked or not.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.members.devices.get(&id)
    }

    /// The device with that key, revoked or not.
    #[must_use]
    pub fn device_by_key(&self, key: &Fingerprint) -> Option<&Device> {
        self.members.device_by_key(key)
    }

    /// The device with that key, if neither it nor its owner is revoked.
    ///
    /// # Errors
    /// [`Reason::DeviceUnknown`] or [`Reason::DeviceRevoked`].
    pub fn active_device(&self, key: &Fingerprint) -> Result<&Device, Reason> {
        self.members.active_device(key)
    }

    /// Every device, revoked ones too.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.members.devices.values()
    }

    /// A passkey, revoked or not.
    #[must_use]
    pub fn passkey(&self, id: PasskeyId) -> Option<&Passkey> {
        self.members.passkeys.get(&id)
    }

    /// The passkey with that credential, revoked or not.
    #[must_use]
    pub fn passkey_by_credential(&self, credential_id: &[u8]) -> Option<&Passkey> {
        self.members.passkey_by_credential(credential_id)
    }

    /// The passkey with that credential, if neither it nor its owner is revoked.
    #[must_use]
    pub fn active_passkey(&self, credential_id: &[u8]) -> Option<&Passkey> {
        self.members
            .passkey_by_credential(credential_id)
            .filter(|passkey| self.members.is_active_passkey(passkey))
    }

    /// The active passkeys of a user.
    pub fn passkeys_of(&self, owner: UserId) -> impl Iterator<Item = &Passkey> {
        self.members.active_passkeys_of(owner)
    }

    /// Every passkey, revoked ones too.
    pub fn passkeys(&self) -> impl Iterator<Item = &Passkey> {
        self.members.passkeys.values()
    }

    /// The cluster that bears the name, and is not revoked.
    #[must_use]
    pub fn cluster(&self, name: &Name) -> Option<&Cluster> {
        self.members.cluster_named(name)
    }

    /// A cluster, revoked or not.
    #[must_use]
    pub fn cluster_by_id(&self, id: ClusterId) -> Option<&Cluster> {
        self.members.clusters.get(&id)
    }

    /// The cluster whose key in force this is, if it is not revoked.
    #[must_use]
    pub fn cluster_by_key(&self, key: &Fingerprint) -> Option<&Cluster> {
        self.members.cluster_by_key(key)
    }

    /// Every cluster, revoked ones too.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        self.members.clusters.values()
    }

    /// An invitation, whether it may be used or not.
    #[must_use]
    pub fn invitation(&self, id: InvitationId) -> Option<&Invitation> {
        self.members.invitations.get(&id)
    }

    /// The invitation with that key, whether it may be used or not.
    #[must_use]
    pub fn invitation_by_key(&self, key: &Fingerprint) -> Option<&Invitation> {
        self.members.invitation_by_key(key)
    }

    /// The invitation with that key, if it may be used at `now`.
    ///
    /// # Errors
    /// [`EntryError::InvitationUnknown`], or why it may not be used.
    pub fn usable_invitation(
        &self,
        key: &Fingerprint,
        now: UnixMillis,
    ) -> Result<&Invitation, EntryError> {
        let found = self.members.invitation_by_key(key);
        let invitation = found.ok_or(EntryError::InvitationUnknown)?;
        usable(&self.members, invitation, now).map(|()| invitation)
    }

    /// Every invitation, used and revoked ones too.
    pub fn invitations(&self) -> impl Iterator<Item = &Invitation> {
        self.members.invitations.values()
    }

    /// The newest policy that is not revoked.
    #[must_use]
    pub fn policy(&self) -> Option<PolicyHead> {
        let mut newest = None;
        for (number, policy) in (1_u64..).zip(&self.members.policies) {
            if policy.revoked.is_none() {
                newest = Some(PolicyHead {
                    number,
                    digest: policy.digest,
                });
            }
        }
        newest
    }

    /// The digest of a policy by its number, in force or not.
    #[must_use]
    pub fn policy_digest_of(&self, number: u64) -> Option<&Hash> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.members.policies.get(place).map(|it| &it.digest)
    }

    /// The number that the next policy has.
    #[must_use]
    pub fn next_policy_number(&self) -> u64 {
        u64::try_from(self.members.policies.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }

    /// Whether a revocation names it itself, or, of a device or passkey in full view, its owner.
    #[must_use]
    pub fn is_revoked(&self, subject: Subject) -> bool {
        let owner = match subject {
            Subject::Device(id) => self.device(id).map(|it| it.owner),
            Subject::Passkey(id) => self.passkey(id).map(|it| it.owner),
            Subject::User(_)
            | Subject::Invitation(_)
            | Subject::Cluster(_)
            | Subject::Policy(_) => None,
        };
        self.members.unseen_revoked.contains(&subject)
            || self.members.is_trusted(subject) == Some(false)
            || owner.is_some_and(|owner| self.is_revoked(Subject::User(owner)))
    }
}
