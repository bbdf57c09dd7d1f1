//! A touch: a passkey approves the body of a statement of the roster.
//!
//! The page gets digest and words only. What they stand for is shown by the client, which built the statement.

use std::time::Duration;

use adit_proto::assertion::RelyingParty;
use adit_proto::key::Fingerprint;
use adit_proto::label::Hash;
use adit_proto::statement::touch_challenge;
use adit_proto::wire::identity::Assertion;
use adit_proto::words::words;

use super::begin::{Ask, detail};
use super::record::{Detail, Outcome, Shown, Subject};
use super::relying_party::{Ceremonial, KnownPasskey};
use super::{Begun, Ceremonies, CeremonyError};

/// What is to be approved, and by whom.
#[derive(Clone, Debug)]
pub struct TouchAsk {
    /// The device whose connection asks.
    pub device: Fingerprint,
    /// What it is called.
    pub device_name: String,
    /// Whose passkeys may answer.
    pub owner: String,
    /// Where the gateway sees the device.
    pub source_address: String,
    /// The passkeys.
    pub passkeys: Vec<KnownPasskey>,
    /// Who asks.
    pub relying_party: RelyingParty,
    /// Hash of the genesis statement; zero for that statement itself.
    pub genesis: Hash,
    /// The statement's kind.
    pub kind: u16,
    /// Who signs the statement.
    pub signer: Fingerprint,
    /// SHA-256 of its body.
    pub body_hash: Hash,
    /// Whether the tab waits for what follows.
    pub goes_on: bool,
}

impl Ceremonies {
    /// Begins a touch, which is gone after `life`.
    ///
    /// # Errors
    /// [`CeremonyError::NoPasskey`] if nobody could answer; [`CeremonyError::Webauthn`] and [`CeremonyError::Store`].
    pub async fn begin_touch(&self, ask: TouchAsk, life: Duration) -> Result<Begun, CeremonyError> {
        if ask.passkeys.is_empty() {
            return Err(CeremonyError::NoPasskey);
        }
        let challenge = touch_challenge(&ask.genesis, ask.kind, &ask.signer, &ask.body_hash);
        let begun = Ceremonial::new(&ask.relying_party)?.assert(&ask.passkeys, &challenge)?;
        let digest = words(&ask.body_hash);
        let shown = Shown {
            matching_code: digest.clone(),
            device: ask.device_name,
            owner: ask.owner,
            source_address: ask.source_address,
            words: Some(digest),
            asked_ms: self.now().0,
        };
        let subject = Subject::Touch {
            passkeys: ask.passkeys.iter().map(Into::into).collect(),
        };
        let fixed = detail(subject, shown, begun, &challenge, &ask.relying_party);
        let row = Ask {
            id: self.new_id(),
            handle: None,
            device: ask.device,
            detail: Detail {
                goes_on: ask.goes_on,
                ..fixed
            },
            life,
        };
        self.begin(row).await
    }

    /// What a settled touch holds.
    pub(super) fn touched(outcome: Outcome) -> Result<Assertion, CeremonyError> {
        match outcome {
            Outcome::Touched { assertion } => Ok(assertion.into()),
            Outcome::Refused { reason } => Err(super::answer::refused(&reason)),
            Outcome::Registered { .. }
            | Outcome::SignedIn { .. }
            | Outcome::SignedInTyped { .. } => Err(CeremonyError::Record),
        }
    }
}
