//! The entries of a body: what each kind may say, judged against the members without changing them.

mod cluster;
mod enrolment;
mod genesis;
mod invitation;
mod own;
mod policy;
mod revocation;
mod user;

use std::collections::HashSet;
use std::hash::Hash as StdHash;

pub(super) use enrolment::usable;
pub(super) use genesis::found;
pub use own::PASSKEYS_MAX;

use super::member::{Cluster, Device, Invitation, Passkey, Revoked, Subject, User};
use super::members::{Members, Policy};
use super::signer::{Right, Signer};
use crate::id::{InvitationId, UserId};
use crate::label::Hash;
use crate::statement::{EntryError, Kind, StatementError};
use crate::time::UnixMillis;
use crate::wire::roster::Body;

/// Most entries of a body.
const ENTRIES_MAX: usize = 256;
/// Lowest and highest tier.
const TIERS: std::ops::RangeInclusive<u32> = 1..=4;

/// What a statement changes.
#[derive(Debug)]
pub(super) enum Change {
    Nothing,
    Users(Vec<User>),
    Invitations(Vec<Invitation>),
    Enrolment(Box<Enrolled>),
    Own(Box<Passkey>),
    Clusters(Vec<Cluster>),
    Policies(Vec<Hash>),
    Revocations(Vec<(Subject, Revoked)>),
}

/// What an invitation admitted.
#[derive(Debug)]
pub(super) struct Enrolled {
    invitation: InvitationId,
    device: Option<Device>,
    passkey: Option<Passkey>,
}

/// What entries are judged by.
pub(super) struct Bench<'a> {
    pub(super) members: &'a Members,
    pub(super) signer: Signer,
    /// Time of the statement.
    pub(super) time: UnixMillis,
    /// Number of the statement.
    pub(super) number: u64,
}

impl Bench<'_> {
    /// Judges the entries of a statement of `kind`, all of them or none.
    pub(super) fn judge(&self, kind: Kind, body: &Body) -> Result<Change, StatementError> {
        match kind {
            Kind::User => self.users(&body.users).map(Change::Users),
            Kind::Invitation => self.invitations(&body.invitations).map(Change::Invitations),
            Kind::Enrolment => self.enrolment(&body.enrolments),
            Kind::Own => self.own(&body.owns).map(Change::Own),
            Kind::Cluster => self.clusters(&body.clusters).map(Change::Clusters),
            Kind::Policy => self.policies(&body.policies).map(Change::Policies),
            Kind::Revocation => self.revocations(&body.revocations).map(Change::Revocations),
            Kind::Genesis => Err(StatementError::Genesis),
            Kind::Admin | Kind::Approval | Kind::Gateways => Err(StatementError::KindNotYet(kind)),
        }
    }

    /// Whether the signer is an admin or, for what a device manager may touch, a device manager.
    fn may_manage(&self, owner: UserId) -> bool {
        match self.signer {
            Signer::Device {
                right: Right::Admin,
                ..
            } => true,
            Signer::Device {
                right: Right::DeviceManager,
                ..
            } => !self.members.admins.contains(&owner),
            Signer::Device {
                right: Right::Own, ..
            }
            | Signer::Invitation(_)
            | Signer::Unseen => false,
        }
    }

    fn is_admin(&self) -> bool {
        matches!(
            self.signer,
            Signer::Device {
                right: Right::Admin,
                ..
            }
        )
    }
}

/// Checks that a body has 1 to 256 entries of `kind` and none of another.
pub(super) fn check_count(kind: Kind, body: &Body) -> Result<(), StatementError> {
    let counts = [
        (Kind::Genesis, body.genesis.len()),
        (Kind::User, body.users.len()),
        (Kind::Invitation, body.invitations.len()),
        (Kind::Enrolment, body.enrolments.len()),
        (Kind::Own, body.owns.len()),
        (Kind::Cluster, body.clusters.len()),
        (Kind::Policy, body.policies.len()),
        (Kind::Revocation, body.revocations.len()),
    ];
    let fits = |(of, count): &(Kind, usize)| {
        if *of == kind {
            (1..=ENTRIES_MAX).contains(count)
        } else {
            *count == 0
        }
    };
    counts
        .iter()
        .all(fits)
        .then_some(())
        .ok_or(StatementError::Entries)
}

pub(super) fn apply(members: &mut Members, change: Change, number: u64) {
    match change {
        Change::Nothing => {}
        Change::Users(users) => {
            for user in users {
                members.put_user(user);
            }
        }
        Change::Invitations(invitations) => {
            for invitation in invitations {
                members.put_invitation(invitation);
            }
        }
        Change::Enrolment(enrolled) => apply_enrolment(members, *enrolled, number),
        Change::Own(passkey) => members.put_passkey(*passkey),
        Change::Clusters(clusters) => {
            for cluster in clusters {
                members.put_cluster(cluster);
            }
        }
        Change::Policies(digests) => {
            for digest in digests {
                let revoked = None;
                members.policies.push(Policy { digest, revoked });
            }
        }
        Change::Revocations(all) => {
            for (subject, revoked) in all {
                members.revoke(subject, revoked);
            }
        }
    }
}

fn apply_enrolment(members: &mut Members, enrolled: Enrolled, number: u64) {
    if let Some(invitation) = members.invitations.get_mut(&enrolled.invitation) {
        invitation.used = Some(number);
    }
    if let Some(device) = enrolled.device {
        members.put_device(device);
    }
    if let Some(passkey) = enrolled.passkey {
        members.put_passkey(passkey);
    }
}

/// Judges entries one by one and tells which one is refused.
fn each<T, U>(
    entries: &[T],
    mut judge: impl FnMut(&T) -> Result<U, EntryError>,
) -> Result<Vec<U>, StatementError> {
    entries
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            judge(entry).map_err(|source| StatementError::Entry { index, source })
        })
        .collect()
}

/// Notes a value that may occur once in a body.
fn once<T: Eq + StdHash>(
    seen: &mut HashSet<T>,
    value: T,
    error: EntryError,
) -> Result<(), EntryError> {
    seen.insert(value).then_some(()).ok_or(error)
}

fn id<T: std::str::FromStr>(text: &str, field: &'static str) -> Result<T, EntryError> {
    text.parse().map_err(|_| EntryError::Field(field))
}

fn tier(cap: u32, highest: u32) -> Result<u8, EntryError> {
    (TIERS.contains(&cap) && cap <= highest)
        .then(|| u8::try_from(cap).ok())
        .flatten()
        .ok_or(EntryError::TierCap)
}
