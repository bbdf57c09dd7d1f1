//! Whether an invitation admits somebody now.
//!
//! The last word has the roster, when the statement is appended; this one spares a person a passkey that would be for
//! nothing.

use adit_proto::Reason;
use adit_proto::id::InvitationId;
use adit_proto::key::{Fingerprint, InvitationPublicKey};
use adit_proto::roster::{Admits, Roster};
use adit_proto::time::UnixMillis;

use super::EnrolError;

/// Whom an invitation admits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The first admin, who makes the genesis statement.
    Genesis,
    /// A user of the roster.
    User {
        /// The invitation.
        invitation: InvitationId,
        /// For whom it is.
        user: adit_proto::id::UserId,
        /// What the user is called.
        name: String,
    },
}

/// An invitation key that is known here. What follows costs something, so nothing else gets so far.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Genesis,
    Invitation(Box<adit_proto::roster::Invitation>),
}

/// Looks a key up, and does nothing else.
pub(super) fn look_up(
    roster: Option<&Roster>,
    first: Option<&[u8; 32]>,
    key: &InvitationPublicKey,
) -> Result<Known, EnrolError> {
    let known = match roster {
        None => (first == Some(key.as_bytes())).then_some(Known::Genesis),
        Some(roster) => roster
            .invitation_by_key(&key.fingerprint())
            .map(|found| Known::Invitation(Box::new(found.clone()))),
    };
    known.ok_or(EnrolError::UnknownInvitation)
}

/// Judges a known invitation whose key's holder is on the line.
pub(super) fn judge(
    known: Known,
    roster: Option<&Roster>,
    device: &Fingerprint,
    now: UnixMillis,
) -> Result<Admission, EnrolError> {
    let invitation = match known {
        Known::Genesis => return Ok(Admission::Genesis),
        Known::Invitation(invitation) => invitation,
    };
    let again = |what: &str| {
        let detail = format!("{what}: ask an admin for a new one");
        EnrolError::refused(Reason::EvidenceInvalid, detail)
    };
    let roster = roster.ok_or_else(|| again("the invitation is not of this gateway"))?;
    if invitation.used.is_some() {
        return Err(again("the invitation was used before"));
    }
    let signer = roster.device(invitation.signer);
    let stands = signer.is_some_and(|it| roster.active_device(&it.key.fingerprint()).is_ok());
    if invitation.revoked.is_some() || !stands {
        return Err(again("the invitation was revoked"));
    }
    if invitation.expires <= now {
        return Err(again("the invitation has expired"));
    }
    let user = roster
        .active_user(invitation.user)
        .ok_or_else(|| again("the user whom the invitation names was revoked"))?;
    if invitation.admits != Admits::Both {
        let detail =
            "this version enrols a device together with a passkey: ask for an invitation for both";
        return Err(EnrolError::refused(Reason::RequestUnsupported, detail));
    }
    if roster.device_by_key(device).is_some() {
        let detail = "this device key is in the roster already: run `adit login`, or remove the profile and enrol anew";
        return Err(EnrolError::refused(Reason::EvidenceInvalid, detail));
    }
    let (invitation, name) = (invitation.id, user.name.clone());
    Ok(Admission::User {
        invitation,
        user: user.id,
        name,
    })
}
