//! Revocations: what is trusted no more.

use std::collections::HashSet;

use super::{Bench, EntryError, Kind, Signer, StatementError, each, id, once};
use crate::roster::member::{Revoked, Subject};
use crate::roster::name::is_plain;
use crate::wire::roster as wire;
use crate::wire::roster::revocation::Subject as WireSubject;

/// Longest reason in bytes: a sentence or two.
const REASON_MAX: usize = 512;

impl Bench<'_> {
    pub(super) fn revocations(
        &self,
        entries: &[wire::Revocation],
    ) -> Result<Vec<(Subject, Revoked)>, StatementError> {
        let mut subjects = HashSet::new();
        let all = each(entries, |entry| {
            let subject = parse(entry.subject.as_ref())?;
            once(&mut subjects, subject, EntryError::AlreadyRevoked)?;
            self.check_known(subject)?;
            if entry.reason.len() > REASON_MAX || !is_plain(&entry.reason) {
                return Err(EntryError::Field("reason"));
            }
            let reason = entry.reason.clone();
            Ok((
                subject,
                Revoked {
                    number: self.number,
                    time: self.time,
                    reason,
                },
            ))
        })?;
        if !subjects.iter().all(|subject| self.may_revoke(*subject)) {
            return Err(StatementError::NoRight(Kind::Revocation));
        }
        if !self.members.admin_remains(&subjects) {
            return Err(StatementError::Entry {
                index: 0,
                source: EntryError::LastAdmin,
            });
        }
        if let Some(index) = self.takes_own_last_passkey(entries, &subjects) {
            let source = EntryError::LastPasskey;
            return Err(StatementError::Entry { index, source });
        }
        Ok(all)
    }

    /// The entry with which the signer takes a passkey of his own and keeps none: he could not sign in again, nor touch
    /// what would repair it. A signer whom this reader does not see is judged by those who do.
    fn takes_own_last_passkey(
        &self,
        entries: &[wire::Revocation],
        subjects: &HashSet<Subject>,
    ) -> Option<usize> {
        let Signer::Device { user, .. } = self.signer else {
            return None;
        };
        let is_own = |entry: &wire::Revocation| match parse(entry.subject.as_ref()) {
            Ok(Subject::Passkey(id)) => {
                let passkey = self.members.passkeys.get(&id);
                passkey.is_some_and(|passkey| passkey.owner == user)
            }
            Ok(_) | Err(_) => false,
        };
        let taken = entries.iter().position(is_own)?;
        (!self.members.passkey_remains(user, subjects)).then_some(taken)
    }

    fn check_known(&self, subject: Subject) -> Result<(), EntryError> {
        match self.members.is_trusted(subject) {
            Some(true) => Ok(()),
            Some(false) => Err(EntryError::AlreadyRevoked),
            None if self.members.unseen_revoked.contains(&subject) => {
                Err(EntryError::AlreadyRevoked)
            }
            None if self.is_partial(subject) => Ok(()),
            None => Err(EntryError::SubjectUnknown),
        }
    }

    /// Whether this reader's view leaves out things of the subject's kind.
    fn is_partial(&self, subject: Subject) -> bool {
        match subject {
            Subject::Cluster(_) => false,
            Subject::User(_)
            | Subject::Device(_)
            | Subject::Passkey(_)
            | Subject::Invitation(_)
            | Subject::Policy(_) => self.members.is_clients_view,
        }
    }

    fn may_revoke(&self, subject: Subject) -> bool {
        if self.is_admin() {
            return true;
        }
        let owner = match subject {
            Subject::Device(id) => self.members.devices.get(&id).map(|it| it.owner),
            Subject::Passkey(id) => self.members.passkeys.get(&id).map(|it| it.owner),
            Subject::Invitation(id) => self.members.invitations.get(&id).map(|it| it.user),
            Subject::User(_) | Subject::Cluster(_) | Subject::Policy(_) => return false,
        };
        match (self.signer, owner) {
            (Signer::Device { user, .. }, Some(owner)) => user == owner || self.may_manage(owner),
            // A client does not see managers and users: it cannot judge them, and believes them what cannot concern it.
            (Signer::Unseen, None) => self.members.is_clients_view,
            (Signer::Device { .. } | Signer::Invitation(_) | Signer::Unseen, _) => false,
        }
    }
}

fn parse(subject: Option<&WireSubject>) -> Result<Subject, EntryError> {
    match subject.ok_or(EntryError::Field("subject"))? {
        WireSubject::UserId(text) => id(text, "user_id").map(Subject::User),
        WireSubject::DeviceId(text) => id(text, "device_id").map(Subject::Device),
        WireSubject::PasskeyId(text) => id(text, "passkey_id").map(Subject::Passkey),
        WireSubject::InvitationId(text) => id(text, "invitation_id").map(Subject::Invitation),
        WireSubject::ClusterId(text) => id(text, "cluster_id").map(Subject::Cluster),
        WireSubject::PolicyNumber(number) => Ok(Subject::Policy(*number)),
    }
}
