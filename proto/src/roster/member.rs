//! Who and what the roster names.

use crate::assertion::CredentialKey;
use crate::id::{ClusterId, DeviceId, InvitationId, PasskeyId, UserId};
use crate::key::{InvitationPublicKey, PublicKey};
use crate::label::Hash;
use crate::target::Name;
use crate::time::UnixMillis;

/// When something ceased to be trusted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revoked {
    /// Number of the statement.
    pub number: u64,
    /// Its time.
    pub time: UnixMillis,
    /// What whoever signed it wrote.
    pub reason: String,
}

/// What a user may sign besides what is his own. Whether he is an admin is said by [`super::Roster::is_admin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing further.
    User,
    /// Invitations of users who are not admins, and the end of their keys.
    DeviceManager,
    /// Nothing further; reads audit and recordings.
    Auditor,
}

/// A person or a robot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The name, which becomes the Kubernetes user name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
    /// The role.
    pub role: Role,
    /// Whether the user may add devices and passkeys.
    pub self_service: bool,
    /// Set once the user is trusted no more, and with him all that is his.
    pub revoked: Option<Revoked>,
}

/// A device: a P-256 key that belongs to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// The id.
    pub id: DeviceId,
    /// The key.
    pub key: PublicKey,
    /// Whose it is.
    pub owner: UserId,
    /// What it is called.
    pub name: String,
    /// Highest tier that it may reach, 1 to 4.
    pub tier_cap: u8,
    /// Set once the device is trusted no more; its owner's revocation counts too and is not shown here.
    pub revoked: Option<Revoked>,
}

/// A passkey: a WebAuthn credential that belongs to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passkey {
    /// The id.
    pub id: PasskeyId,
    /// Whose it is.
    pub owner: UserId,
    /// The credential's id.
    pub credential_id: Vec<u8>,
    /// The credential's key.
    pub key: CredentialKey,
    /// The same key as the authenticator wrote it.
    pub cose_key: Vec<u8>,
    /// The model of the authenticator, as it said itself.
    pub aaguid: [u8; 16],
    /// What it is called; may be empty.
    pub name: String,
    /// Set once the passkey is trusted no more; its owner's revocation counts too and is not shown here.
    pub revoked: Option<Revoked>,
}

/// What an invitation admits, all of it together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// A device, with a touch of an earlier passkey.
    Device,
    /// A passkey.
    Passkey,
    /// A device and a passkey.
    Both,
}

/// An invitation's key and what it may admit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invitation {
    /// The id.
    pub id: InvitationId,
    /// The key.
    pub key: InvitationPublicKey,
    /// For whom it is.
    pub user: UserId,
    /// What it admits.
    pub admits: Admits,
    /// Highest tier of what it admits, 1 to 4.
    pub tier_cap: u8,
    /// When it ends, judged by the time of the statement that uses it.
    pub expires: UnixMillis,
    /// The device whose key signed it; with that or its owner the invitation ends.
    pub signer: DeviceId,
    /// Number of the enrolment that used it.
    pub used: Option<u64>,
    /// Set once it was revoked itself.
    pub revoked: Option<Revoked>,
}

/// A cluster: a name and a P-256 key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cluster {
    /// The id.
    pub id: ClusterId,
    /// The name.
    pub name: Name,
    /// The key in force.
    pub key: PublicKey,
    /// Set once the cluster is trusted no more.
    pub revoked: Option<Revoked>,
}

/// A policy that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyHead {
    /// Its number.
    pub number: u64,
    /// [`super::policy_digest`] of its text.
    pub digest: Hash,
}

/// The gateways' keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gateways {
    /// The key in force.
    pub current: PublicKey,
    /// Its named successor.
    pub next: PublicKey,
}

/// What a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A user, and all that is his.
    User(UserId),
    /// A device.
    Device(DeviceId),
    /// A passkey.
    Passkey(PasskeyId),
    /// An invitation.
    Invitation(InvitationId),
    /// A cluster.
    Cluster(ClusterId),
    /// The policy of that number.
    Policy(u64),
}
