//! Why a sign-in is refused.

use crate::Reason;
use crate::assertion::AssertionError;

/// Why a sign-in is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// A field of the request is missing or not of its form.
    #[error("the sign-in's field {0} is not what the format says")]
    Malformed(&'static str),
    /// The request is for another roster.
    #[error("the sign-in is for another roster")]
    OtherGenesis,
    /// The request authorises another device key.
    #[error("the sign-in is for another device")]
    OtherDevice,
    /// The device is not in the roster, or no longer.
    #[error("the device is refused: {0}")]
    Device(Reason),
    /// The request names somebody else than the device's owner.
    #[error("the device belongs to somebody else")]
    NotTheOwner,
    /// The passkey is not one of the user's.
    #[error("the passkey is not one of the user's")]
    Passkey,
    /// The passkey was one of the user's and is trusted no more; another one of his may sign in.
    #[error("the passkey was removed")]
    PasskeyRevoked,
    /// The assertion does not verify.
    #[error("the assertion does not verify")]
    Assertion(#[source] AssertionError),
    /// The sign-in has ended, by itself or by the verifier's ceiling.
    #[error("the sign-in has ended")]
    Expired,
    /// The request was issued more than five minutes ahead of this clock.
    #[error("the sign-in was issued in the future")]
    FromTheFuture,
}

impl SignInError {
    /// What a stranger is told.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Malformed(_)
            | Self::OtherGenesis
            | Self::OtherDevice
            | Self::NotTheOwner
            | Self::Passkey
            | Self::Assertion(_) => Reason::EvidenceInvalid,
            Self::Device(reason) => reason,
            Self::PasskeyRevoked => Reason::SignInRequired,
            Self::Expired => Reason::SignInExpired,
            Self::FromTheFuture => Reason::ClockSkew,
        }
    }
}
