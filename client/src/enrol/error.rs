//! Why an enrolment came to nothing.

use adit_proto::Reason;
use adit_proto::assertion::{AssertionError, RelyingPartyError};
use adit_proto::invitation::InvitationError;
use adit_proto::statement::StatementError;

use crate::exit::{Exit, Failure};
use crate::statement::causes;

/// Why an enrolment came to nothing. The invitation still works, unless the gateway said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The gateway is not the invitation's, or the text is none.
    #[error(transparent)]
    Invitation(#[from] InvitationError),
    /// The gateway refused the invitation, or the statement that was made with it.
    #[error("the gateway refused: {detail}")]
    Refused {
        /// The reason, if this version knows it.
        reason: Option<Reason>,
        /// What to do.
        detail: String,
    },
    /// The gateway gave the enrolment up between the two, with the invitation unused.
    #[error("the gateway gave the enrolment up: {detail}")]
    GivenUp {
        /// The reason, if this version knows it.
        reason: Option<Reason>,
        /// What happened.
        detail: String,
    },
    /// The gateway said something out of turn.
    #[error("the gateway broke the enrolment's protocol: {0}")]
    Protocol(&'static str),
    /// The stream ended.
    #[error("the connection to the gateway was lost")]
    Lost(#[source] std::io::Error),
    /// The first invitation met a gateway that has a log, or another one a gateway that has none.
    #[error("the gateway has another history than the invitation says")]
    OtherHistory,
    /// The gateway names a relying party that none can be.
    #[error("the gateway names an impossible relying party")]
    RelyingParty(#[from] RelyingPartyError),
    /// Genesis has another relying party, or other gateways' keys, than this gateway said.
    #[error("the gateway is not the one that the log's first statement names")]
    OtherGateway,
    /// The registration does not verify.
    #[error("the passkey's registration is not the one that was asked for")]
    Registration(#[source] AssertionError),
    /// The touch over genesis does not verify.
    #[error("the touch is not the one that was asked for")]
    Touch(#[source] AssertionError),
    /// The gateway's log does not verify.
    #[error("the gateway's roster does not verify")]
    Chain(#[source] StatementError),
    /// The log begins with another genesis statement than the invitation names.
    #[error("the invitation is for another deployment")]
    OtherGenesis,
    /// This invitation is not in the log, or its statement is withheld.
    #[error("the invitation is not in the gateway's roster")]
    NotInvited,
    /// The invitation is for something else than a device with a passkey.
    #[error("the invitation admits something else than a device with a passkey")]
    Admits,
    /// The invitation has ended.
    #[error("the invitation has expired")]
    Expired,
    /// The head to sign after is not the end of the log that was shown.
    #[error("the gateway asks for a signature after another statement than it shows")]
    OtherHead,
    /// The statement is in no log.
    #[error("the gateway did not take the statement over as it was signed")]
    NotStored,
    /// The clocks differ.
    #[error("this machine's clock and the gateway's differ by more than five minutes")]
    ClockSkew,
    /// The device key did not sign.
    #[error("the device key did not sign")]
    Sign(#[from] adit_transport::key::SignError),
    /// Something on this machine failed, with its repair.
    #[error("{0}")]
    Local(Failure),
    /// The person said no.
    #[error("nothing was founded")]
    Declined,
}

impl EnrolError {
    /// The same before a statement was sent by an invitation that the gateway has accepted.
    pub(super) fn with_the_invitation_unused(self) -> Self {
        if let Self::Refused { reason, detail } = self {
            return Self::GivenUp { reason, detail };
        }
        self
    }
}

fn refusal(reason: Option<Reason>, text: &str) -> Failure {
    reason.map_or_else(|| Failure::new(text), |reason| Failure::of(reason, text))
}

impl From<Failure> for EnrolError {
    fn from(failure: Failure) -> Self {
        Self::Local(failure)
    }
}

impl From<EnrolError> for Failure {
    fn from(error: EnrolError) -> Self {
        const AGAIN: &str = "run `adit enrol` again; the invitation still works";
        const NEW: &str = "ask the admin who invited you for a new invitation";
        const HOSTILE: &str =
            "do not go on; tell the admin who invited you that the gateway may be hostile";
        let text = causes(&error);
        match error {
            EnrolError::Local(failure) => failure,
            EnrolError::Refused { reason, .. } => refusal(reason, &text).repaired_by(NEW),
            EnrolError::GivenUp { reason, .. } => refusal(reason, &text).repaired_by(AGAIN),
            EnrolError::Invitation(InvitationError::OtherGateways) => {
                Self::of(Reason::EvidenceInvalid, text).repaired_by(HOSTILE)
            }
            EnrolError::Invitation(_) => Self::new(text).exiting(Exit::Usage),
            EnrolError::Lost(_) => Self::of(Reason::GatewayUnreachable, text).repaired_by(AGAIN),
            EnrolError::ClockSkew => Self::of(Reason::ClockSkew, text),
            EnrolError::Expired | EnrolError::OtherHistory | EnrolError::Admits => {
                Self::of(Reason::EvidenceInvalid, text).repaired_by(NEW)
            }
            EnrolError::Protocol(_) => Self::of(Reason::VersionUnsupported, text).repaired_by(
                "bring adit and the gateway to one version, then run `adit enrol` again",
            ),
            EnrolError::Sign(_) | EnrolError::Declined => Self::new(text).repaired_by(AGAIN),
            EnrolError::RelyingParty(_)
            | EnrolError::OtherGateway
            | EnrolError::Registration(_)
            | EnrolError::Touch(_)
            | EnrolError::Chain(_)
            | EnrolError::OtherGenesis
            | EnrolError::NotInvited
            | EnrolError::OtherHead
            | EnrolError::NotStored => Self::of(Reason::EvidenceInvalid, text).repaired_by(HOSTILE),
        }
    }
}
