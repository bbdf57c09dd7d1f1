//! The members of a roster and the ways to find them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::View;
use super::member::{Cluster, Device, Invitation, Passkey, Revoked, Subject, User};
use crate::Reason;
use crate::id::{ClusterId, DeviceId, InvitationId, PasskeyId, UserId};
use crate::key::{Fingerprint, PublicKey};
use crate::label::Hash;
use crate::target::Name;

/// Whose a key is, or was. No key occurs twice in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyOwner {
    Gateways,
    Device(DeviceId),
    Invitation(InvitationId),
    Cluster(ClusterId),
}

#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) digest: Hash,
    pub(super) revoked: Option<Revoked>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    /// Whether bodies of users, invitations, enrolments and policies are withheld.
    pub(super) is_clients_view: bool,
    pub(super) users: BTreeMap<UserId, User>,
    pub(super) devices: BTreeMap<DeviceId, Device>,
    pub(super) passkeys: BTreeMap<PasskeyId, Passkey>,
    pub(super) invitations: BTreeMap<InvitationId, Invitation>,
    pub(super) clusters: BTreeMap<ClusterId, Cluster>,
    /// Policy number N is at N - 1.
    pub(super) policies: Vec<Policy>,
    pub(super) admins: BTreeSet<UserId>,
    pub(super) keys: HashMap<Fingerprint, KeyOwner>,
    credentials: HashMap<Vec<u8>, PasskeyId>,
    user_names: HashMap<String, UserId>,
    cluster_names: HashMap<Name, ClusterId>,
    /// What a client's view cannot name and knows to be revoked.
    pub(super) unseen_revoked: HashSet<Subject>,
}

impl Members {
    pub(super) fn seen_by(view: View) -> Self {
        Self {
            is_clients_view: view == View::Client,
            ..Self::default()
        }
    }

    pub(super) fn active_user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id).filter(|user| user.revoked.is_none())
    }

    pub(super) fn user_named(&self, name: &str) -> Option<&User> {
        self.users.get(self.user_names.get(name)?)
    }

    pub(super) fn device_by_key(&self, key: &Fingerprint) -> Option<&Device> {
        match self.keys.get(key)? {
            KeyOwner::Device(id) => self.devices.get(id),
            KeyOwner::Gateways | KeyOwner::Invitation(_) | KeyOwner::Cluster(_) => None,
        }
    }

    pub(super) fn is_active(&self, device: &Device) -> bool {
        device.revoked.is_none() && self.active_user(device.owner).is_some()
    }

    pub(super) fn active_device(&self, key: &Fingerprint) -> Result<&Device, Reason> {
        let device = self.device_by_key(key).ok_or(Reason::DeviceUnknown)?;
        self.is_active(device)
            .then_some(device)
            .ok_or(Reason::DeviceRevoked)
    }

    pub(super) fn passkey_by_credential(&self, credential_id: &[u8]) -> Option<&Passkey> {
        self.passkeys.get(self.credentials.get(credential_id)?)
    }

    pub(super) fn is_active_passkey(&self, passkey: &Passkey) -> bool {
        passkey.revoked.is_none() && self.active_user(passkey.owner).is_some()
    }

    pub(super) fn active_passkeys_of(&self, owner: UserId) -> impl Iterator<Item = &Passkey> {
        self.passkeys
            .values()
            .filter(move |it| it.owner == owner && self.is_active_passkey(it))
    }

    pub(super) fn invitation_by_key(&self, key: &Fingerprint) -> Option<&Invitation> {
        match self.keys.get(key)? {
            KeyOwner::Invitation(id) => self.invitations.get(id),
            KeyOwner::Gateways | KeyOwner::Device(_) | KeyOwner::Cluster(_) => None,
        }
    }

    pub(super) fn cluster_named(&self, name: &Name) -> Option<&Cluster> {
        self.clusters.get(self.cluster_names.get(name)?)
    }

    /// The cluster whose key in force this is.
    pub(super) fn cluster_by_key(&self, key: &Fingerprint) -> Option<&Cluster> {
        match self.keys.get(key)? {
            KeyOwner::Cluster(id) => self
                .clusters
                .get(id)
                .filter(|cluster| cluster.revoked.is_none() && cluster.key.fingerprint() == *key),
            KeyOwner::Gateways | KeyOwner::Device(_) | KeyOwner::Invitation(_) => None,
        }
    }

    pub(super) fn take_key(&mut self, key: &PublicKey, owner: KeyOwner) {
        self.keys.insert(key.fingerprint(), owner);
    }

    pub(super) fn put_user(&mut self, user: User) {
        if let Some(before) = self.users.get(&user.id) {
            self.user_names.remove(&before.name);
        }
        self.user_names.insert(user.name.clone(), user.id);
        self.users.insert(user.id, user);
    }

    pub(super) fn put_device(&mut self, device: Device) {
        self.take_key(&device.key, KeyOwner::Device(device.id));
        self.devices.insert(device.id, device);
    }

    pub(super) fn put_passkey(&mut self, passkey: Passkey) {
        self.credentials
            .insert(passkey.credential_id.clone(), passkey.id);
        self.passkeys.insert(passkey.id, passkey);
    }

    pub(super) fn put_invitation(&mut self, invitation: Invitation) {
        let owner = KeyOwner::Invitation(invitation.id);
        self.keys.insert(invitation.key.fingerprint(), owner);
        self.invitations.insert(invitation.id, invitation);
    }

    pub(super) fn put_cluster(&mut self, cluster: Cluster) {
        self.take_key(&cluster.key, KeyOwner::Cluster(cluster.id));
        self.cluster_names.insert(cluster.name.clone(), cluster.id);
        self.clusters.insert(cluster.id, cluster);
    }

    pub(super) fn revoke(&mut self, subject: Subject, revoked: Revoked) {
        let slot = match subject {
            Subject::User(id) => self.users.get_mut(&id).map(|user| {
                self.user_names.remove(&user.name);
                &mut user.revoked
            }),
            Subject::Device(id) => self.devices.get_mut(&id).map(|it| &mut it.revoked),
            Subject::Passkey(id) => self.passkeys.get_mut(&id).map(|it| &mut it.revoked),
            Subject::Invitation(id) => self.invitations.get_mut(&id).map(|it| &mut it.revoked),
            Subject::Cluster(id) => self.clusters.get_mut(&id).map(|cluster| {
                self.cluster_names.remove(&cluster.name);
                &mut cluster.revoked
            }),
            Subject::Policy(number) => place(number)
                .and_then(|place| self.policies.get_mut(place))
                .map(|it| &mut it.revoked),
        };
        match slot {
            Some(slot) => *slot = Some(revoked),
            None => {
                self.unseen_revoked.insert(subject);
            }
        }
    }

    /// Whether a subject is there and trusted; `None` where there is nothing of that id.
    pub(super) fn is_trusted(&self, subject: Subject) -> Option<bool> {
        let revoked = match subject {
            Subject::User(id) => &self.users.get(&id)?.revoked,
            Subject::Device(id) => &self.devices.get(&id)?.revoked,
            Subject::Passkey(id) => &self.passkeys.get(&id)?.revoked,
            Subject::Invitation(id) => &self.invitations.get(&id)?.revoked,
            Subject::Cluster(id) => &self.clusters.get(&id)?.revoked,
            Subject::Policy(number) => &self.policies.get(place(number)?)?.revoked,
        };
        Some(revoked.is_none())
    }

    /// Whether somebody could still sign as admin if `without` were revoked: a user with a device and a passkey.
    pub(super) fn admin_remains(&self, without: &HashSet<Subject>) -> bool {
        self.admins.iter().any(|admin| {
            let device = |it: &Device| {
                it.owner == *admin
                    && self.is_active(it)
                    && !without.contains(&Subject::Device(it.id))
            };
            !without.contains(&Subject::User(*admin))
                && self.devices.values().any(device)
                && self.passkey_remains(*admin, without)
        })
    }

    /// Whether a user would have an active passkey if `without` were revoked.
    pub(super) fn passkey_remains(&self, owner: UserId, without: &HashSet<Subject>) -> bool {
        self.active_passkeys_of(owner)
            .any(|it| !without.contains(&Subject::Passkey(it.id)))
    }
}

fn place(policy_number: u64) -> Option<usize> {
    usize::try_from(policy_number.checked_sub(1)?).ok()
}
