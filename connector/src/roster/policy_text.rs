//! The text of a policy, against what the roster says of it.

use std::sync::Arc;

use adit_policy::CheckedPolicy;
use adit_proto::roster::{PolicyHead, Roster, policy_digest};

use super::{ActivePolicy, PolicyState};

/// The text that came last.
#[derive(Debug, Default)]
pub(super) struct PolicyText(Option<(u64, String)>);

impl PolicyText {
    pub(super) fn came(&mut self, number: u64, text: String) {
        self.0 = Some((number, text));
    }

    /// Says what is in force: what was before, if the roster still names it, or the text that came, if it is that.
    pub(super) fn settle(&mut self, roster: &Roster, before: PolicyState) -> PolicyState {
        let Some(PolicyHead { number, digest }) = roster.policy() else {
            return PolicyState::None;
        };
        match before {
            PolicyState::Active(active)
                if active.number == number && *active.policy.digest() == digest =>
            {
                return PolicyState::Active(active);
            }
            PolicyState::Unusable(unusable) if unusable == number => {
                return PolicyState::Unusable(number);
            }
            PolicyState::Active(_)
            | PolicyState::Unusable(_)
            | PolicyState::Awaited(_)
            | PolicyState::None => {}
        }
        let Some((_, text)) = self
            .0
            .take_if(|(came, text)| *came == number && policy_digest(text) == digest)
        else {
            return PolicyState::Awaited(number);
        };
        match CheckedPolicy::parse(&text) {
            Ok(policy) => PolicyState::Active(Arc::new(ActivePolicy { number, policy })),
            Err(error) => {
                tracing::error!(
                    policy.number = number,
                    error = &error as &dyn std::error::Error,
                    "the newest policy cannot be used: everything is denied"
                );
                PolicyState::Unusable(number)
            }
        }
    }
}
