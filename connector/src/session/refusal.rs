//! Why a session, or a request in it, is refused.

use adit_policy::{Denial, KubeStatus};
use adit_proto::Reason;

/// A refusal, with what audit keeps and what the user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    detail: String,
    denial: Option<Box<Denial>>,
}

impl Refusal {
    /// A refusal with a sentence that the user may read.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "errors and texts are given away"
    )]
    pub fn new(reason: Reason, detail: impl ToString) -> Self {
        Self {
            reason,
            detail: detail.to_string(),
            denial: None,
        }
    }

    /// The reason for audit.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The reason for the user.
    #[must_use]
    pub fn shown(&self) -> Reason {
        self.denial
            .as_ref()
            .map_or(self.reason, |denial| denial.shown_reason())
    }

    /// The sentence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The policy's denial, if it is one.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        self.denial.as_deref()
    }

    /// What kubectl prints.
    #[must_use]
    pub fn status(&self) -> KubeStatus {
        match &self.denial {
            Some(denial) => KubeStatus::from(&**denial),
            None => KubeStatus::new(self.reason, &self.detail),
        }
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self {
            reason: denial.reason(),
            detail: denial.to_string(),
            denial: Some(Box::new(denial)),
        }
    }
}
