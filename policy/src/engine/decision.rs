//! What a decision says, and the proofs that only a decision makes.

use std::fmt;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::target::{Name, Target};

use super::{Facts, Rule, Tier};
use crate::kube_name::{KubeGroupName, KubeUserName};

/// Yes or no, each with its grounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed.
    Permit(Permit),
    /// Denied.
    Deny(Denial),
}

/// Proof that policy allows one user one target. Nothing is dialled without it, and it is dialled by its target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    user: KubeUserName,
    target: Target,
    rules: Vec<Rule>,
}

impl Permit {
    pub(super) fn new(facts: &Facts, target: &Target, rules: Vec<Rule>) -> Self {
        Self {
            user: facts.user.clone(),
            target: target.clone(),
            rules,
        }
    }

    /// Who is allowed.
    #[must_use]
    pub fn user(&self) -> &KubeUserName {
        &self.user
    }

    /// The one target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The rules that allow it.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// Proof of who somebody is at one cluster's API server: a user and at least one group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Assumed {
    user: KubeUserName,
    cluster: Name,
    groups: Vec<KubeGroupName>,
    rules: Vec<Rule>,
}

impl Assumed {
    pub(super) fn new(
        facts: &Facts,
        cluster: &Name,
        groups: Vec<KubeGroupName>,
        rules: Vec<Rule>,
    ) -> Self {
        Self {
            user: facts.user.clone(),
            cluster: cluster.clone(),
            groups,
            rules,
        }
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &KubeUserName {
        &self.user
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &Name {
        &self.cluster
    }

    /// The groups, each once, in the order of the candidates. Never empty.
    #[must_use]
    pub fn groups(&self) -> &[KubeGroupName] {
        &self.groups
    }

    /// The rules that allow them.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// Proof that policy lets a cluster's API server pass somebody's requests on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct MayProxy {
    rules: Vec<Rule>,
}

impl MayProxy {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// The rules that allow it.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// What would turn a denial into a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MissingFactor {
    /// A device of a higher tier.
    Tier {
        /// What this device has.
        has: Tier,
        /// The lowest that suffices.
        needs: Tier,
    },
    /// A fresher sign-in.
    SignIn {
        /// How old it is.
        age: Duration,
    },
    /// A touch over the request.
    Touch,
}

impl MissingFactor {
    /// The stable reason.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Tier { .. } => Reason::TierTooLow,
            Self::SignIn { .. } => Reason::SignInExpired,
            Self::Touch => Reason::TouchRequired,
        }
    }
}

impl fmt::Display for MissingFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tier { has, needs } => {
                write!(
                    f,
                    "a device of tier {} (this one has tier {})",
                    needs.number(),
                    has.number()
                )
            }
            Self::SignIn { age } => {
                write!(f, "a fresh sign-in (this one is {} s old)", age.as_secs())
            }
            Self::Touch => f.write_str("a touch"),
        }
    }
}

/// A denial, with what audit has to know and what may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    reason: Reason,
    what: String,
    rules: Vec<Rule>,
    missing: Vec<MissingFactor>,
    hidden: bool,
}

impl Denial {
    /// A rule could not be evaluated. Only who is permitted by some rule learns so.
    pub(super) fn failed(what: String, rules: Vec<Rule>, visible: bool) -> Self {
        Self {
            reason: Reason::PolicyError,
            what,
            rules,
            missing: Vec::new(),
            hidden: !visible,
        }
    }

    /// It would be allowed with these. The first one gives the reason.
    pub(super) fn missing(what: String, rules: Vec<Rule>, missing: Vec<MissingFactor>) -> Self {
        let reason = missing
            .first()
            .map_or(Reason::PolicyDenied, |factor| factor.reason());
        Self {
            reason,
            what,
            rules,
            missing,
            hidden: false,
        }
    }

    /// A rule forbids it, or none permits it. Who is permitted by no rule may not even learn that the target exists.
    pub(super) fn refused(what: String, rules: Vec<Rule>, visible: bool) -> Self {
        Self {
            reason: Reason::PolicyDenied,
            what,
            rules,
            missing: Vec::new(),
            hidden: !visible,
        }
    }

    /// The reason for audit.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The reason for the user: somebody without permission cannot tell unknown, forbidden and offline apart.
    #[must_use]
    pub fn shown_reason(&self) -> Reason {
        if self.hidden {
            Reason::UnknownOrForbidden
        } else {
            self.reason
        }
    }

    /// The rules that deny it, or else those that would allow it if nothing was missing; for audit.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// As many of them as the user may know, who is told of the same in the sentence.
    #[must_use]
    pub fn shown_rules(&self) -> &[Rule] {
        if self.hidden { &[] } else { &self.rules }
    }

    /// What would turn it into a permit.
    #[must_use]
    pub fn missing_factors(&self) -> &[MissingFactor] {
        &self.missing
    }
}

impl fmt::Display for Denial {
    /// One sentence for the user, with rule, missing factor and repair as far as they may be known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hidden {
            write!(f, "{} is unknown or forbidden", self.what)?;
        } else {
            write!(f, "{} is denied", self.what)?;
            for (index, rule) in self.rules.iter().enumerate() {
                let before = if index == 0 { " by policy rule" } else { "," };
                write!(f, "{before} {rule}")?;
            }
        }
        for (index, factor) in self.missing.iter().enumerate() {
            let before = if index == 0 { "; it needs" } else { " and" };
            write!(f, "{before} {factor}")?;
        }
        write!(f, "; {}", self.shown_reason().repair())
    }
}
