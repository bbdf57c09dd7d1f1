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
        Ok(all)
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
