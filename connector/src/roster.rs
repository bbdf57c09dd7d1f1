//! The roster as this connector has it: every statement on disk, verified once, and the newest policy's text.
//!
//! Owns the file of statements and what it amounts to. Nothing older than the head in the configuration is served by,
//! a second branch is refused, and a policy is what the roster's newest policy statement names or it is nothing.

mod book;
mod file;
mod origin;
mod policy_text;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use adit_policy::CheckedPolicy;
use adit_proto::Reason;
use adit_proto::roster::Roster;

use crate::session::Refusal;

pub use book::{Added, Book, BookError};
pub use origin::Origin;

/// A policy in force.
#[derive(Debug)]
pub struct ActivePolicy {
    /// Its number in the roster.
    pub number: u64,
    /// The policy.
    pub policy: CheckedPolicy,
}

/// What is known of the newest policy.
#[derive(Debug)]
enum PolicyState {
    /// The roster names none: everything is denied.
    None,
    /// Its text has not come yet.
    Awaited(u64),
    /// Its text came and cannot be used by this version.
    Unusable(u64),
    /// In force.
    Active(Arc<ActivePolicy>),
}

/// Roster and policy at one moment.
#[derive(Debug)]
pub struct Known {
    roster: Roster,
    policy: PolicyState,
    epoch: u64,
}

impl Known {
    /// The roster.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Counts the changes of roster and policy in this process.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The newest policy.
    ///
    /// # Errors
    /// [`Refusal`]: there is none, its text has not come, or this version cannot use it.
    pub fn policy(&self) -> Result<&Arc<ActivePolicy>, Refusal> {
        match &self.policy {
            PolicyState::Active(policy) => Ok(policy),
            PolicyState::None => Err(Refusal::new(Reason::PolicyDenied, "there is no policy yet")),
            PolicyState::Awaited(number) => Err(Refusal::new(
                Reason::RosterStale,
                format!("the text of policy {number} has not come yet"),
            )),
            PolicyState::Unusable(number) => Err(Refusal::new(
                Reason::PolicyError,
                format!("policy {number} cannot be used by this connector"),
            )),
        }
    }

    /// Whether a text is missing that may still come.
    #[must_use]
    pub fn awaits_policy(&self) -> bool {
        matches!(self.policy, PolicyState::Awaited(_))
    }
}
