//! Why a statement is refused.

use super::Kind;
use crate::Reason;
use crate::assertion::AssertionError;

/// Why a statement is refused. The head stays where it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// A field is missing or has another length than the format says.
    #[error("the statement's field {field} is not what the format says")]
    Malformed {
        /// Name in `roster.proto`.
        field: &'static str,
    },
    /// The body is not protobuf.
    #[error("the body cannot be parsed")]
    Body(#[source] prost::DecodeError),
    /// The body is longer than [`crate::roster::BODY_MAX`].
    #[error("a body of {bytes} bytes is too large")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The body is withheld, and this reader needs it.
    #[error("the body of a statement of kind {0} is withheld")]
    Withheld(Kind),
    /// The kind is unknown and may not be skipped.
    #[error("statements of kind {0:#06x} are not known to this version")]
    KindUnknown(u32),
    /// The kind is known and not read by this version.
    #[error("statements of kind {0} are not read by this version")]
    KindNotYet(Kind),
    /// A feature that the signer wants understood is unknown.
    #[error("the statement needs the feature {0:?}, which this version does not know")]
    MustUnderstand(String),
    /// A genesis statement that is not the first, or a first statement that is none.
    #[error("a log has one genesis statement, and begins with it")]
    Genesis,
    /// The statement does not follow the head: something between is missing.
    #[error("statement {number} does not follow statement {head}")]
    Gap {
        /// Its number.
        number: u64,
        /// Number of the head.
        head: u64,
    },
    /// The statement is in the log already.
    #[error("statement {number} is in the log already")]
    Known {
        /// Its number.
        number: u64,
    },
    /// The statement belongs to another branch than this log.
    #[error("statement {number} belongs to another branch")]
    Fork {
        /// Its number.
        number: u64,
    },
    /// No key of the log has the signer's fingerprint.
    #[error("the signer is not in the roster")]
    SignerUnknown,
    /// The signing key, or whoever owns it, is revoked.
    #[error("the signer is revoked")]
    SignerRevoked,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The signer may not make this statement.
    #[error("the signer has no right to make this {0} statement")]
    NoRight(Kind),
    /// There is no touch and the kind needs one.
    #[error("a {0} statement needs a touch")]
    TouchMissing(Kind),
    /// There is a touch where none belongs.
    #[error("this statement takes no touch")]
    TouchUnexpected,
    /// The touch is by a passkey that is not an active one of the signer's owner.
    #[error("the touch is not by an active passkey of the signer")]
    TouchPasskey,
    /// The touch does not verify.
    #[error("the touch does not verify")]
    Touch(#[source] AssertionError),
    /// The log went on for more than ten minutes after the body was made.
    #[error("the touch was made more than ten minutes before the statement's place in the log")]
    TouchExpired,
    /// The statement's time is too far from the gateway's.
    #[error("the statement's time is more than five minutes from now")]
    ClockSkew,
    /// The body's id occurred before.
    #[error("the body's id occurred before")]
    Repeated,
    /// The body does not have 1 to 256 entries of the statement's kind and of no other.
    #[error("a body has 1 to 256 entries of one kind")]
    Entries,
    /// An entry is refused, and with it all of them.
    #[error("entry {index} is refused")]
    Entry {
        /// Counted from 0.
        index: usize,
        /// Why.
        source: EntryError,
    },
}

impl StatementError {
    /// What a stranger is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed { .. }
            | Self::Body(_)
            | Self::Genesis
            | Self::Repeated
            | Self::Entries
            | Self::TouchUnexpected => Reason::RequestMalformed,
            Self::TooLarge { .. } => Reason::LimitReached,
            Self::KindUnknown(_) | Self::KindNotYet(_) | Self::MustUnderstand(_) => {
                Reason::VersionUnsupported
            }
            Self::Gap { .. } | Self::Known { .. } => Reason::RosterStale,
            Self::Fork { .. } => Reason::RosterFork,
            Self::SignerUnknown => Reason::DeviceUnknown,
            Self::SignerRevoked => Reason::DeviceRevoked,
            Self::Withheld(_) | Self::Signature => Reason::EvidenceInvalid,
            Self::NoRight(_) => Reason::PolicyDenied,
            Self::TouchMissing(_) => Reason::TouchRequired,
            Self::TouchPasskey | Self::Touch(_) => Reason::TouchInvalid,
            Self::TouchExpired => Reason::TouchExpired,
            Self::ClockSkew => Reason::ClockSkew,
            Self::Entry { source, .. } => source.reason(),
        }
    }
}

/// Why one entry of a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A field is missing, too long or not of its form.
    #[error("the field {0} is not what the format says")]
    Field(&'static str),
    /// The name of a user, a group or a thing would be unsafe in a header, a list or on a screen.
    #[error(
        "a name has 1 to 256 bytes without control or invisible characters, commas, outer spaces or the prefix system:"
    )]
    Name,
    /// The name belongs to another one.
    #[error("the name is taken")]
    NameTaken,
    /// The id belongs to another one.
    #[error("the id is taken")]
    IdTaken,
    /// The key or credential occurs in the log already; keys do not return.
    #[error("the key occurs in the log already")]
    KeyTaken,
    /// There is no such user, or no longer.
    #[error("there is no such user")]
    UserUnknown,
    /// The user is an admin, whom no invitation names.
    #[error("an invitation cannot name an admin")]
    UserIsAdmin,
    /// There is no such invitation under the signing key.
    #[error("the signing key is not that invitation's")]
    InvitationUnknown,
    /// The invitation was used.
    #[error("the invitation was used")]
    InvitationUsed,
    /// The invitation or its signer is revoked.
    #[error("the invitation is revoked")]
    InvitationRevoked,
    /// The invitation has expired by the statement's time.
    #[error("the invitation has expired")]
    InvitationExpired,
    /// The invitation's expiry is past or more than a week ahead.
    #[error("an invitation lives for a week at most")]
    Expiry,
    /// What is enrolled is not what the invitation admits.
    #[error("the invitation admits something else")]
    Admits,
    /// The tier cap is not within 1 to 4, or above the invitation's.
    #[error("the tier cap is above what is allowed")]
    TierCap,
    /// The number is not one more than the last policy's.
    #[error("the next policy has number {expected}")]
    PolicyNumber {
        /// The number that follows.
        expected: u64,
    },
    /// What is to be revoked is not in the roster.
    #[error("there is nothing of that id")]
    SubjectUnknown,
    /// What is to be revoked was revoked before.
    #[error("it is revoked already")]
    AlreadyRevoked,
    /// Without it nobody could sign as admin.
    #[error("this would remove the last admin")]
    LastAdmin,
    /// Without it the signer would have no passkey.
    #[error("this is your only passkey; add another one before you remove it")]
    LastPasskey,
    /// The user has as many passkeys as one may have.
    #[error("a user has 16 passkeys at most; remove one first")]
    TooManyPasskeys,
}

impl EntryError {
    /// What a stranger is told.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::InvitationUnknown
            | Self::InvitationUsed
            | Self::InvitationRevoked
            | Self::InvitationExpired => Reason::EvidenceInvalid,
            Self::UserIsAdmin
            | Self::Admits
            | Self::TierCap
            | Self::LastAdmin
            | Self::LastPasskey => Reason::PolicyDenied,
            Self::TooManyPasskeys => Reason::LimitReached,
            Self::Field(_)
            | Self::Name
            | Self::NameTaken
            | Self::IdTaken
            | Self::KeyTaken
            | Self::UserUnknown
            | Self::Expiry
            | Self::PolicyNumber { .. }
            | Self::SubjectUnknown
            | Self::AlreadyRevoked => Reason::RequestMalformed,
        }
    }
}
