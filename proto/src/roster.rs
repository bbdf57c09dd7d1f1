//! The roster: an append-only log of signed statements that says who is who.
//!
//! A [`Roster`] is what a verified chain amounts to. It grows by [`Roster::append`] only, which changes everything that
//! a statement says or nothing. Who may sign what is decided in `roster/entries/`, one file for each kind.
//!
//! The time of a statement is the later of its body's time and its predecessor's; a body may lie ten minutes behind
//! its predecessor if it has a touch (the touch waited for a turn), else five (clocks differ).

mod append;
mod entries;
mod member;
mod members;
mod name;
mod read;
mod signer;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

pub use entries::PASSKEYS_MAX;
pub use member::{
    Admits, Cluster, Device, Gateways, Invitation, Passkey, PolicyHead, Revoked, Role, Subject,
    User,
};
pub use name::{check_label, check_name};
pub use read::Relation;
pub use signer::Right;

use crate::assertion::RelyingParty;
use crate::key::Fingerprint;
use crate::label::{Hash, POLICY, digest, sha256};
use crate::statement::{Kind, StatementError, fixed, hash_of, touch_challenge};
use crate::time::UnixMillis;
use crate::wire::roster::{Statement, statement::Content};
use members::{KeyOwner, Members};

/// Longest body in bytes: with its base64 it fits a frame of 1 MiB, and 256 users with their groups fit it.
pub const BODY_MAX: usize = 512 << 10;

/// How much of the log a reader gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// All of it: gateways and connectors, and an admin's client that signs.
    Full,
    /// Genesis, clusters, revocations and what admins add to themselves; of the rest the hash of the body, whose
    /// signature is verified where the signer is known. Users, invitations, enrolments and policies are then empty but
    /// for the first admin.
    Client,
}

/// The projection of a verified chain.
#[derive(Clone, Debug)]
pub struct Roster {
    genesis: Hash,
    relying_party: RelyingParty,
    gateways: Gateways,
    recovery_key: String,
    /// Hash of statement N at N - 1; never empty.
    hashes: Vec<Hash>,
    time: UnixMillis,
    ids: HashSet<[u8; 16]>,
    members: Members,
}

/// A statement that follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its kind; `None` for one that this version skips.
    pub kind: Option<Kind>,
    /// Its time.
    pub time: UnixMillis,
}

impl Roster {
    /// Founds a roster on its genesis statement, in full view.
    ///
    /// That it is the right genesis is the caller's to know: [`Roster::genesis`] is what an invitation and a
    /// connector's configuration name.
    ///
    /// # Errors
    /// [`StatementError`] if it is not signed and touched by the admin that it names, or breaks another rule.
    pub fn found(genesis: &Statement) -> Result<Self, StatementError> {
        Self::found_as(genesis, View::Full)
    }

    /// Founds a roster for a reader with `view`.
    ///
    /// # Errors
    /// Those of [`Roster::found`].
    pub fn found_as(genesis: &Statement, view: View) -> Result<Self, StatementError> {
        let kind = Kind::Genesis;
        if (genesis.number, genesis.kind) != (1, kind.into()) {
            return Err(StatementError::Genesis);
        }
        if fixed(&genesis.previous, "previous")? != [0; 32] {
            return Err(StatementError::Genesis);
        }
        let hash = hash_of(&[0; 32], genesis)?;
        let bytes = append::present(genesis, Some(kind))?;
        let body = append::open(bytes, Some(kind))?;
        let [entry] = body.genesis.as_slice() else {
            return Err(StatementError::Entries);
        };
        let founding =
            entries::found(entry).map_err(|source| StatementError::Entry { index: 0, source })?;
        let signer = founding.device.key.fingerprint();
        if Fingerprint(fixed(&genesis.signer, "signer")?) != signer {
            return Err(StatementError::SignerUnknown);
        }
        founding
            .device
            .key
            .verify(&hash, &genesis.signature)
            .map_err(|_| StatementError::Signature)?;
        let challenge = touch_challenge(&[0; 32], kind.number(), &signer, &sha256(bytes));
        let relying_party = founding.relying_party;
        let touch = genesis.touch.as_ref();
        let touch = touch.ok_or(StatementError::TouchMissing(kind))?;
        append::verify_touch(touch, &founding.passkey, &relying_party, &challenge)?;
        let mut members = Members::seen_by(view);
        members.take_key(&founding.gateways.current, KeyOwner::Gateways);
        members.take_key(&founding.gateways.next, KeyOwner::Gateways);
        members.admins.insert(founding.admin.id);
        members.put_user(founding.admin);
        members.put_device(founding.device);
        members.put_passkey(founding.passkey);
        Ok(Self {
            genesis: hash,
            relying_party,
            gateways: founding.gateways,
            recovery_key: founding.recovery_key,
            hashes: vec![hash],
            time: UnixMillis(body.time_ms),
            ids: HashSet::from([append::body_id(&body)?]),
            members,
        })
    }

    /// Appends the statement that follows the head.
    ///
    /// # Errors
    /// [`StatementError`], and then nothing has changed.
    pub fn append(&mut self, statement: &Statement) -> Result<Appended, StatementError> {
        let judged = self.judge(statement)?;
        let appended = summary(statement, &judged);
        self.hashes.push(judged.hash);
        self.time = judged.time;
        self.ids.extend(judged.body.map(|(id, _)| id));
        entries::apply(&mut self.members, judged.change, statement.number);
        Ok(appended)
    }

    /// What [`Roster::append`] would do, and that the body's time is near `now`: what a gateway asks before it stores.
    ///
    /// # Errors
    /// Those of [`Roster::append`]; [`StatementError::ClockSkew`] for a body more than five minutes off,
    /// [`StatementError::TouchExpired`] for one with a touch that is more than ten minutes old, and
    /// [`StatementError::KindUnknown`] for a kind that readers may skip: whoever orders the log has to judge it.
    pub fn check(
        &self,
        statement: &Statement,
        now: UnixMillis,
    ) -> Result<Appended, StatementError> {
        let judged = self.judge(statement)?;
        if judged.kind.is_none() {
            return Err(StatementError::KindUnknown(statement.kind));
        }
        if let Some((_, stated)) = judged.body {
            if stated > now.after(append::SKEW) {
                return Err(StatementError::ClockSkew);
            }
            if judged.touched && now.since(stated) > append::TOUCH_LIFE {
                return Err(StatementError::TouchExpired);
            }
            if !judged.touched && now.since(stated) > append::SKEW {
                return Err(StatementError::ClockSkew);
            }
        }
        Ok(summary(statement, &judged))
    }
}

impl Roster {
    /// A statement of this log as a client gets it: bodies that concern no client are replaced by their hash.
    ///
    /// What an admin adds to himself concerns clients: his later statements may be touched with it.
    #[must_use]
    pub fn client_view(&self, statement: &Statement) -> Statement {
        let mut view = statement.clone();
        if is_for_clients(statement.kind) || self.is_admins_own(statement) {
            return view;
        }
        if let Some(Content::Body(body)) = &statement.content {
            view.content = Some(Content::BodyHash(sha256(body).to_vec()));
        }
        view.touch = None;
        view
    }

    fn is_admins_own(&self, statement: &Statement) -> bool {
        let signer = statement.signer.as_slice().try_into().map(Fingerprint);
        let device = signer.ok().and_then(|signer| self.device_by_key(&signer));
        statement.kind == u32::from(Kind::Own)
            && device.is_some_and(|device| self.members.admins.contains(&device.owner))
    }
}

fn summary(statement: &Statement, judged: &append::Judged) -> Appended {
    let number = statement.number;
    Appended {
        number,
        hash: judged.hash,
        kind: judged.kind,
        time: judged.time,
    }
}

/// Whether a client gets the body of a kind. Kinds that no version knows yet are among them, so that it stops there.
fn is_for_clients(kind: u32) -> bool {
    match Kind::try_from(kind) {
        Ok(
            Kind::User
            | Kind::Invitation
            | Kind::Enrolment
            | Kind::Approval
            | Kind::Own
            | Kind::Policy,
        ) => false,
        Ok(Kind::Genesis | Kind::Admin | Kind::Cluster | Kind::Gateways | Kind::Revocation) => true,
        Err(_) => kind < Kind::SKIPPABLE,
    }
}

/// The digest of a policy's text, which a policy statement names.
#[must_use]
pub fn policy_digest(text: &str) -> Hash {
    digest(POLICY, &[text.as_bytes()])
}
