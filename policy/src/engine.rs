//! Decisions: Cedar policies over the facts of a request.
//!
//! A [`CheckedPolicy`] was parsed, validated strictly against the schema and searched for names that no policy may
//! give. Deciding returns proof: a [`Permit`] names the one target that it opens, an [`Assumed`] names who somebody
//! is at the API server, and nothing else makes either.
//!
//! Invariants: without a rule that allows it, it is denied; a rule that forbids wins over every rule that allows,
//! whatever their order; a rule that cannot be evaluated denies. (Cedar alone would skip that rule, a `forbid` too.)

mod complexity;
mod decision;
mod evaluation;
mod facts;
mod input;
mod load;
mod rule;
mod schema;
mod scope;
#[cfg(test)]
pub(crate) mod tests;
mod what_if;

use std::fmt;

use adit_proto::label::Hash;
use adit_proto::target::{Name, Target};

pub use decision::{Assumed, Decision, Denial, MayProxy, MissingFactor, Permit};
pub use facts::{Facts, Tier};
pub use load::PolicyError;
pub use rule::Rule;

use crate::kube_name::KubeGroupName;
use complexity::Complexity;
use evaluation::{Ask, Asker, Evaluator, Verdict};
use input::Unaskable;

/// A policy that can be decided by.
#[derive(Clone)]
pub struct CheckedPolicy {
    text: String,
    digest: Hash,
    groups: Vec<KubeGroupName>,
    rules: Vec<Rule>,
    complexity: Complexity,
    evaluator: Evaluator,
}

impl CheckedPolicy {
    /// Reads and checks a policy.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and rule. A policy is taken whole or not at all.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        load::load(text)
    }

    /// The text that it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 over `adit/1/policy` and the text, which the roster names.
    #[must_use]
    pub fn digest(&self) -> &Hash {
        &self.digest
    }

    /// The rules, in the order of the text.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The Kubernetes groups that the policy names, sorted. A connector whose ceiling lists groups compares it with
    /// these; candidates for [`Asking::assume`] come from the ceiling.
    #[must_use]
    pub fn named_groups(&self) -> &[KubeGroupName] {
        &self.groups
    }

    /// Asks about one person on one device, now: any number of questions, with what they share worked out once.
    #[must_use]
    pub fn asking<'a>(&'a self, facts: &'a Facts) -> Asking<'a> {
        Asking {
            policy: self,
            facts,
            asker: self.complexity.with_stack(|| self.evaluator.asker(facts)),
        }
    }

    /// [`Asking::decide`], where nothing else is asked.
    #[must_use]
    pub fn decide(&self, facts: &Facts, target: &Target) -> Decision {
        self.asking(facts).decide(target)
    }

    /// The rules that made a verdict, in the order of the text.
    fn named(&self, verdict: &Verdict) -> Vec<Rule> {
        self.rules
            .iter()
            .filter(|rule| verdict.rules().contains(rule.id()))
            .cloned()
            .collect()
    }
}

/// Questions about one person on one device, now.
pub struct Asking<'a> {
    policy: &'a CheckedPolicy,
    facts: &'a Facts,
    /// If Cedar cannot be asked, every question is denied.
    asker: Result<Asker, Unaskable>,
}

impl Asking<'_> {
    /// Decides whether somebody may reach a target.
    #[must_use]
    pub fn decide(&self, target: &Target) -> Decision {
        let ask = Ask::Connect(target);
        match self.judge(&ask) {
            Ok((_, rules)) => Decision::Permit(Permit::new(self.facts, target, rules)),
            Err(denial) => Decision::Deny(denial),
        }
    }

    /// Decides whether a cluster's API server may pass somebody's requests on to pods, services and nodes.
    ///
    /// # Errors
    /// A denial.
    pub fn proxy(&self, cluster: &Name) -> Result<MayProxy, Denial> {
        let (_, rules) = self.judge(&Ask::Proxy(cluster))?;
        Ok(MayProxy::new(rules))
    }

    /// Decides which of `candidates` somebody is at a cluster's API server.
    ///
    /// # Errors
    /// A denial if there is none, or if any rule failed for any candidate.
    pub fn assume(&self, cluster: &Name, candidates: &[KubeGroupName]) -> Result<Assumed, Denial> {
        let ask = Ask::Assume {
            cluster,
            candidates,
        };
        let (groups, rules) = self.judge(&ask)?;
        Ok(Assumed::new(self.facts, cluster, groups, rules))
    }

    /// The groups that are allowed, and the rules that allow it.
    fn judge(&self, ask: &Ask<'_>) -> Result<(Vec<KubeGroupName>, Vec<Rule>), Denial> {
        self.policy.complexity.with_stack(|| {
            let verdict = self.policy.evaluator.judge(&self.asker, ask);
            if verdict.allowed {
                let rules = self.policy.named(&verdict);
                Ok((verdict.groups, rules))
            } else {
                Err(self.denial(ask, &verdict))
            }
        })
    }

    fn denial(&self, ask: &Ask<'_>, verdict: &Verdict) -> Denial {
        let (policy, evaluator) = (self.policy, &self.policy.evaluator);
        let what = ask.to_string();
        let visible = || evaluator.is_permitted_by_some(&self.asker, ask);
        if verdict.failed {
            return Denial::failed(what, policy.named(verdict), visible());
        }
        let probe = |facts: &Facts| {
            Some(evaluator.judge(&evaluator.asker(facts), ask)).filter(|verdict| verdict.allowed)
        };
        if let Some((missing, allowing)) = what_if::missing(self.facts, probe) {
            let rules = if verdict.rules().is_empty() {
                &allowing
            } else {
                verdict
            };
            return Denial::missing(what, policy.named(rules), missing);
        }
        Denial::refused(what, policy.named(verdict), visible())
    }
}

impl fmt::Debug for Asking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CheckedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedPolicy")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
