//! What goes wrong with the log.

use adit_proto::Reason;
use adit_proto::statement::StatementError;

use crate::store::StoreError;

/// Why the store's log is not read.
#[derive(Debug, thiserror::Error)]
pub enum RosterLogError {
    /// A statement of the store does not verify.
    #[error(
        "statement {number} in the database does not verify; restore the database from a backup"
    )]
    Refused {
        /// Its number.
        number: u64,
        /// Why.
        source: StatementError,
    },
    /// The log was founded for another deployment.
    #[error(
        "the roster in the database was founded with another {0} than this gateway's; check state_dir, public_url and the database"
    )]
    Foreign(&'static str),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nobody has a turn.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// Too many wait.
    #[error("too many wait to append to the roster")]
    Full,
    /// The log cannot be brought up to date.
    #[error(transparent)]
    Log(#[from] RosterLogError),
}

impl TurnError {
    /// What the caller is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Full => Reason::RateLimited,
            Self::Log(_) => Reason::RosterStale,
        }
    }
}

/// Why a statement was not appended. The head stays where it was.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The turn is over, was used, or is somebody else's.
    #[error("this turn is over; take another")]
    Late,
    /// The statement is refused.
    #[error("the statement is refused")]
    Refused(#[from] StatementError),
    /// The genesis says something else than this deployment.
    #[error("the genesis statement names another {0} than this gateway's")]
    Foreign(&'static str),
    /// A policy statement names a digest whose text nobody sent.
    #[error("the gateway does not hold the text of this policy; send it first")]
    PolicyUnknown,
    /// Another gateway appended meanwhile.
    #[error("another statement was appended meanwhile; take another turn")]
    Raced,
    /// The store failed. Whether the statement was stored is seen at the next turn.
    #[error(transparent)]
    Store(StoreError),
}

impl AppendError {
    /// What the caller is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Late | Self::Raced | Self::Store(_) => Reason::RosterStale,
            Self::Refused(error) => error.reason(),
            Self::Foreign(_) => Reason::RequestMalformed,
            Self::PolicyUnknown => Reason::PolicyError,
        }
    }
}
