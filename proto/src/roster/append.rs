//! Whether a statement may follow the head, judged without changing anything.

use std::time::Duration;

use prost::Message;

use super::entries::{Bench, Change, check_count};
use super::member::{Admits, Passkey};
use super::signer::{Signer, identify};
use super::{BODY_MAX, Roster, is_for_clients};
use crate::assertion::{self, RelyingParty};
use crate::key::Fingerprint;
use crate::label::{Hash, sha256};
use crate::statement::{Kind, StatementError, fixed, hash_of, touch_challenge};
use crate::time::UnixMillis;
use crate::wire::identity::Assertion;
use crate::wire::roster::{Body, Statement, statement::Content};

/// How far clocks may differ.
pub(super) const SKEW: Duration = Duration::from_mins(5);
/// How much of the log's time a touch may wait for its turn.
pub(super) const TOUCH_LIFE: Duration = Duration::from_mins(10);

/// A statement that may follow the head.
pub(super) struct Judged {
    pub(super) hash: Hash,
    /// `None` for a kind that is skipped.
    pub(super) kind: Option<Kind>,
    pub(super) touched: bool,
    /// Time of the log with this statement.
    pub(super) time: UnixMillis,
    /// Id and time that the body states; `None` where this view does without the body.
    pub(super) body: Option<([u8; 16], UnixMillis)>,
    pub(super) change: Change,
}

impl Roster {
    /// Judges in the order of cost: place, kind, signature, body, touch, entries.
    pub(super) fn judge(&self, statement: &Statement) -> Result<Judged, StatementError> {
        let hash = hash_of(&self.genesis, statement)?;
        self.check_place(statement, &hash)?;
        let kind = read_kind(statement.kind)?;
        let signer_key = Fingerprint(fixed(&statement.signer, "signer")?);
        let signer = identify(&self.members, &signer_key, &hash, statement)?;
        let touched = statement.touch.is_some();
        let mut judged = Judged {
            hash,
            kind,
            touched,
            time: self.time,
            body: None,
            change: Change::Nothing,
        };
        if self.members.is_clients_view && !is_read_by_clients(statement.kind, signer) {
            return Ok(judged);
        }
        let bytes = present(statement, kind)?;
        let body = open(bytes, kind)?;
        judged.time = self.place_in_time(&body, touched)?;
        judged.body = Some((self.new_id(&body)?, UnixMillis(body.time_ms)));
        let Some(kind) = kind else {
            return Ok(judged);
        };
        let challenge = touch_challenge(&self.genesis, kind.number(), &signer_key, &sha256(bytes));
        self.check_touch(statement, kind, signer, &challenge)?;
        let bench = Bench {
            members: &self.members,
            signer,
            time: judged.time,
            number: statement.number,
        };
        judged.change = bench.judge(kind, &body)?;
        Ok(judged)
    }

    fn check_place(&self, statement: &Statement, hash: &Hash) -> Result<(), StatementError> {
        let (number, head) = (statement.number, self.number());
        if number > head.saturating_add(1) {
            return Err(StatementError::Gap { number, head });
        }
        if number <= head {
            return Err(if self.hash_at(number) == Some(hash) {
                StatementError::Known { number }
            } else {
                StatementError::Fork { number }
            });
        }
        (self.hash_at(head).map(<[u8; 32]>::as_slice) == Some(statement.previous.as_slice()))
            .then_some(())
            .ok_or(StatementError::Fork { number })
    }

    /// The time of the log with `body`: a statement's time is the later of its body's and its predecessor's.
    fn place_in_time(&self, body: &Body, touched: bool) -> Result<UnixMillis, StatementError> {
        let (stated, head) = (UnixMillis(body.time_ms), self.time);
        let (life, error) = if touched {
            (TOUCH_LIFE, StatementError::TouchExpired)
        } else {
            (SKEW, StatementError::ClockSkew)
        };
        (head.since(stated) <= life)
            .then(|| head.max(stated))
            .ok_or(error)
    }

    fn new_id(&self, body: &Body) -> Result<[u8; 16], StatementError> {
        let id = body_id(body)?;
        (!self.ids.contains(&id))
            .then_some(id)
            .ok_or(StatementError::Repeated)
    }

    fn check_touch(
        &self,
        statement: &Statement,
        kind: Kind,
        signer: Signer,
        challenge: &Hash,
    ) -> Result<(), StatementError> {
        let toucher = match signer {
            Signer::Device { user, .. } => user,
            // Who may not be seen cannot be judged; what such a statement may say concerns no client.
            Signer::Unseen => return Ok(()),
            Signer::Invitation(id) => match self.members.invitations.get(&id) {
                Some(invitation) if invitation.admits == Admits::Device => invitation.user,
                Some(_) | None if statement.touch.is_some() => {
                    return Err(StatementError::TouchUnexpected);
                }
                Some(_) | None => return Ok(()),
            },
        };
        let touch = statement
            .touch
            .as_ref()
            .ok_or(StatementError::TouchMissing(kind))?;
        let passkey = self
            .members
            .passkey_by_credential(&touch.credential_id)
            .filter(|passkey| passkey.owner == toucher && self.members.is_active_passkey(passkey))
            .ok_or(StatementError::TouchPasskey)?;
        verify_touch(touch, passkey, &self.relying_party, challenge)
    }
}

/// Verifies a touch with a passkey whose owner was checked.
pub(super) fn verify_touch(
    touch: &Assertion,
    passkey: &Passkey,
    relying_party: &RelyingParty,
    challenge: &Hash,
) -> Result<(), StatementError> {
    assertion::verify(
        touch,
        &passkey.key,
        &passkey.credential_id,
        relying_party,
        challenge,
    )
    .map(|_| ())
    .map_err(StatementError::Touch)
}

/// Whether a client needs the body of a statement by `signer`. Of what people add to themselves it reads what concerns
/// signers whom it knows, which are admins: what they sign later may be touched with it.
fn is_read_by_clients(kind: u32, signer: Signer) -> bool {
    let known = matches!(signer, Signer::Device { .. });
    is_for_clients(kind) || (known && kind == u32::from(Kind::Own))
}

/// Reads a kind that follows genesis; `None` for one that is skipped.
fn read_kind(number: u32) -> Result<Option<Kind>, StatementError> {
    if number >= Kind::SKIPPABLE {
        return Ok(None);
    }
    match Kind::try_from(number) {
        Err(_) => Err(StatementError::KindUnknown(number)),
        Ok(Kind::Genesis) => Err(StatementError::Genesis),
        Ok(kind) if kind.is_read() => Ok(Some(kind)),
        Ok(kind) => Err(StatementError::KindNotYet(kind)),
    }
}

/// The bytes of the body, which this reader needs.
pub(super) fn present(statement: &Statement, kind: Option<Kind>) -> Result<&[u8], StatementError> {
    match (&statement.content, kind) {
        (Some(Content::Body(body)), _) => Ok(body),
        (Some(Content::BodyHash(_)), Some(kind)) => Err(StatementError::Withheld(kind)),
        (Some(Content::BodyHash(_)) | None, _) => Err(StatementError::Malformed { field: "body" }),
    }
}

/// Parses a body and checks what all bodies have; entries are not judged, and not counted for a kind that is skipped.
pub(super) fn open(bytes: &[u8], kind: Option<Kind>) -> Result<Body, StatementError> {
    if bytes.len() > BODY_MAX {
        return Err(StatementError::TooLarge { bytes: bytes.len() });
    }
    let body = Body::decode(bytes).map_err(StatementError::Body)?;
    if body.salt.len() != 16 {
        return Err(StatementError::Malformed { field: "salt" });
    }
    body_id(&body)?;
    if let Some(kind) = kind {
        if let Some(feature) = body.must_understand.first() {
            return Err(StatementError::MustUnderstand(feature.clone()));
        }
        check_count(kind, &body)?;
    }
    Ok(body)
}

/// The id of a body.
pub(super) fn body_id(body: &Body) -> Result<[u8; 16], StatementError> {
    body.id
        .as_slice()
        .try_into()
        .map_err(|_| StatementError::Malformed { field: "id" })
}
