//! Who signs, and what that entitles to.

use super::member::Role;
use super::members::{KeyOwner, Members};
use crate::id::{DeviceId, InvitationId, UserId};
use crate::key::Fingerprint;
use crate::statement::StatementError;
use crate::wire::roster::Statement;

/// What a user's device keys may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Everything that is signed by admins.
    Admin,
    /// Invitations of users who are not admins, and the end of their keys.
    DeviceManager,
    /// The end of the user's own keys.
    Own,
}

/// Whose key signed a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    Device {
        device: DeviceId,
        user: UserId,
        right: Right,
    },
    Invitation(InvitationId),
    /// A key that a client's view does not hold.
    Unseen,
}

pub(super) fn right_of(members: &Members, user: UserId) -> Right {
    if members.admins.contains(&user) {
        return Right::Admin;
    }
    match members.users.get(&user).map(|user| user.role) {
        Some(Role::DeviceManager) => Right::DeviceManager,
        Some(Role::User | Role::Auditor) | None => Right::Own,
    }
}

/// Finds the signer and verifies the signature over `hash`.
pub(super) fn identify(
    members: &Members,
    signer: &Fingerprint,
    hash: &[u8; 32],
    statement: &Statement,
) -> Result<Signer, StatementError> {
    match members.keys.get(signer) {
        Some(KeyOwner::Device(_)) => {
            let device = members
                .active_device(signer)
                .map_err(|_| StatementError::SignerRevoked)?;
            device
                .key
                .verify(hash, &statement.signature)
                .map_err(|_| StatementError::Signature)?;
            let (user, right) = (device.owner, right_of(members, device.owner));
            Ok(Signer::Device {
                device: device.id,
                user,
                right,
            })
        }
        Some(KeyOwner::Invitation(id)) => {
            let invitation = members
                .invitations
                .get(id)
                .ok_or(StatementError::SignerUnknown)?;
            invitation
                .key
                .verify(hash, &statement.signature)
                .map_err(|_| StatementError::Signature)?;
            Ok(Signer::Invitation(*id))
        }
        None if members.is_clients_view => Ok(Signer::Unseen),
        Some(KeyOwner::Gateways | KeyOwner::Cluster(_)) | None => {
            Err(StatementError::SignerUnknown)
        }
    }
}
