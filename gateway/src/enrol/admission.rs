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
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    Genesis,
    Invitation,
}

/// Looks a key up, and does nothing else.
pub(super) fn look_up(
    roster: Option<&Roster>,
    first: Option<&InvitationPublicKey>,
    key: &InvitationPublicKey,
) -> Result<Known, EnrolError> {
    let known = match roster {
        None => (first == Some(key)).then_some(Known::Genesis),
        Some(roster) => roster
            .invitation_by_key(&key.fingerprint())
            .map(|_| Known::Invitation),
    };
    known.ok_or(EnrolError::UnknownInvitation)
}

/// Judges a known invitation whose key's holder is on the line.
pub(super) fn judge(
    known: Known,
    roster: Option<&Roster>,
    (key, device): (&InvitationPublicKey, &Fingerprint),
    now: UnixMillis,
) -> Result<Admission, EnrolError> {
    let roster = match (known, roster) {
        (Known::Genesis, None) => return Ok(Admission::Genesis),
        (Known::Genesis, Some(_)) => return Err(EnrolError::UnknownInvitation),
        (Known::Invitation, roster) => roster.ok_or(EnrolError::UnknownInvitation)?,
    };
    let again = |what: String| {
        let detail = format!("{what}: ask an admin for a new one");
        EnrolError::refused(Reason::EvidenceInvalid, detail)
    };
    let invitation = roster
        .usable_invitation(&key.fingerprint(), now)
        .map_err(|error| again(error.to_string()))?;
    let user = roster
        .active_user(invitation.user)
        .ok_or_else(|| again("the user whom the invitation names was revoked".to_owned()))?;
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
