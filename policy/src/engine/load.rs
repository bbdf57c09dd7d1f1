//! Reading a policy: whole or not at all.

use std::collections::HashSet;

use adit_proto::label;
use adit_proto::target::Name;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, ValidationMode, Validator};

use super::complexity::{Complexity, with_stack_to_read};
use super::evaluation::Evaluator;
use super::schema::{Vocabulary, schema};
use super::{CheckedPolicy, Rule};
use crate::kube_name::{KubeGroupName, KubeUserName, NameError};

/// Bytes of the longest policy: a frame holds 1 MiB, and a policy crosses the wire in one.
const TEXT_MAX: usize = 512 * 1024;
/// Most rules. Each costs time in every decision.
const RULES_MAX: usize = 2_000;
/// Bytes of the longest `@id`. It stands in denials and in every audit record.
const ID_MAX: usize = 100;

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More bytes than the limit.
    #[error("the policy is longer than {TEXT_MAX} bytes")]
    TooLong,
    /// More rules than the limit.
    #[error("the policy has more than {RULES_MAX} rules")]
    TooManyRules,
    /// A rule that is nested too deep or is too long.
    #[error(
        "line {line}: the rule is nested too deep or has too many operators; make it several rules"
    )]
    TooComplex {
        /// The line on which it becomes so.
        line: usize,
    },
    /// Not one rule. Who wants to deny everything revokes the policy.
    #[error("the policy has no rule")]
    Empty,
    /// The text is no Cedar.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, the first being 1.
        line: usize,
        /// Cedar's words.
        message: String,
    },
    /// A rule with a slot (`?principal`), which nobody fills.
    #[error("the policy has a template; rules with slots are not used")]
    Template,
    /// An `@id` that is empty, too long, or not printable.
    #[error("line {line}: the @id is not 1 to {ID_MAX} printable characters")]
    Id {
        /// The line on which the rule begins.
        line: usize,
    },
    /// Two rules with one `@id`.
    #[error("line {line}: the @id {id:?} is another rule's")]
    DuplicateId {
        /// The line on which the second rule begins.
        line: usize,
        /// The `@id`.
        id: String,
    },
    /// A rule names something that cannot exist, or that no policy may give.
    #[error("line {line}, rule {rule}: {literal} is not a name that a policy may use")]
    Name {
        /// The line on which the rule begins.
        line: usize,
        /// The rule.
        rule: String,
        /// The entity as the rule writes it.
        literal: String,
        /// What is wrong with the name, where it is one for the API server.
        source: Option<NameError>,
    },
    /// A rule does not fit the schema.
    #[error("line {line}, rule {rule}: {message}")]
    Invalid {
        /// The line of the mistake.
        line: usize,
        /// The rule.
        rule: String,
        /// Cedar's words.
        message: String,
    },
    /// The schema that ships with the product is broken.
    #[error("the schema is broken: {message}")]
    Schema {
        /// Cedar's words.
        message: String,
    },
}

/// Reads and checks a policy.
pub(super) fn load(text: &str) -> Result<CheckedPolicy, PolicyError> {
    if text.len() > TEXT_MAX {
        return Err(PolicyError::TooLong);
    }
    let complexity = Complexity::of(text)?;
    with_stack_to_read(|| read(text, complexity))
}

fn read(text: &str, complexity: Complexity) -> Result<CheckedPolicy, PolicyError> {
    let set: PolicySet = text
        .parse()
        .map_err(|error: cedar_policy::ParseErrors| syntax(text, &error))?;
    if set.num_of_templates() > 0 {
        return Err(PolicyError::Template);
    }
    let policies = in_order(&set);
    match policies.len() {
        0 => return Err(PolicyError::Empty),
        RULES_MAX.. => return Err(PolicyError::TooManyRules),
        _ => {}
    }
    let rules = rules(text, &policies)?;
    let mut groups = Vec::new();
    for (policy, rule) in policies.iter().zip(&rules) {
        for literal in policy.entity_literals() {
            groups.extend(check_literal(rule, &literal)?);
        }
    }
    groups.sort_unstable();
    groups.dedup();
    validate(text, &set, &rules)?;
    let evaluator =
        Evaluator::new(Vocabulary::new()?, &policies).ok_or_else(|| PolicyError::Schema {
            message: "rules cannot be sorted by action".to_owned(),
        })?;
    Ok(CheckedPolicy {
        text: text.to_owned(),
        digest: label::digest(label::POLICY, &[text.as_bytes()]),
        groups,
        rules,
        complexity,
        evaluator,
    })
}

/// Cedar numbers policies in the order of the text, and hands them out in any order.
fn in_order(set: &PolicySet) -> Vec<Policy> {
    let number = |id: &PolicyId| {
        id.to_string()
            .trim_start_matches("policy")
            .parse::<usize>()
            .unwrap_or(usize::MAX)
    };
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(|policy| number(policy.id()));
    policies
}

fn rules(text: &str, policies: &[Policy]) -> Result<Vec<Rule>, PolicyError> {
    let mut seen = HashSet::new();
    let mut from = 0;
    let mut rules = Vec::with_capacity(policies.len());
    for policy in policies {
        let written = policy.to_string();
        let begins = text
            .get(from..)
            .and_then(|rest| rest.find(&written))
            .map_or(from, |at| from + at);
        from = begins;
        let line = line_of(text, begins);
        let name = policy.annotation("id").map(str::to_owned);
        if let Some(id) = &name {
            if !is_id(id) {
                return Err(PolicyError::Id { line });
            }
            if !seen.insert(id.clone()) {
                return Err(PolicyError::DuplicateId {
                    line,
                    id: id.clone(),
                });
            }
        }
        from += written.len();
        rules.push(Rule::new(policy.id().clone(), name, line));
    }
    Ok(rules)
}

fn is_id(id: &str) -> bool {
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Checks an entity that a rule names; hands back the Kubernetes group if it is one.
fn check_literal(rule: &Rule, literal: &EntityUid) -> Result<Option<KubeGroupName>, PolicyError> {
    let id: &str = literal.id().as_ref();
    let refuse = |source| PolicyError::Name {
        line: rule.line(),
        rule: rule.to_string(),
        literal: literal.to_string(),
        source,
    };
    match literal.type_name().to_string().as_str() {
        "KubeGroup" => id.parse().map(Some).map_err(|error| refuse(Some(error))),
        "User" => id
            .parse::<KubeUserName>()
            .map(|_| None)
            .map_err(|error| refuse(Some(error))),
        "Group" if id.trim().is_empty() || id.chars().any(char::is_control) => Err(refuse(None)),
        "Cluster" => id.parse::<Name>().map(|_| None).map_err(|_| refuse(None)),
        "Service" => {
            let valid = id.split_once('/').is_some_and(|(cluster, name)| {
                cluster.parse::<Name>().is_ok() && name.parse::<Name>().is_ok()
            });
            if valid { Ok(None) } else { Err(refuse(None)) }
        }
        // Groups that are well, actions, and types that validation refuses.
        _ => Ok(None),
    }
}

/// Validates strictly. A warning refuses too: a rule that can never apply is a mistake, and in a `forbid` a dangerous
/// one; text that is written right to left, or in letters that look alike, deceives whoever signs it.
fn validate(text: &str, set: &PolicySet, rules: &[Rule]) -> Result<(), PolicyError> {
    let result = Validator::new(schema()?).validate(set, ValidationMode::Strict);
    let errors = result
        .validation_errors()
        .map(|error| (error.policy_id(), DetailedError::from(error)));
    let warnings = result
        .validation_warnings()
        .map(|warning| (warning.policy_id(), DetailedError::from(warning)));
    let mistakes = errors.chain(warnings).map(|(id, details)| {
        let rule = rules.iter().find(|rule| rule.id() == id);
        let line = first_line(text, &details)
            .or(rule.map(Rule::line))
            .unwrap_or(1);
        // Cedar begins with its own name of the rule, which the author never sees.
        let message = match details.message.split_once("`, ") {
            Some((start, message)) if start.starts_with("for policy `") => message.to_owned(),
            _ => details.message,
        };
        (
            line,
            rule.map(ToString::to_string).unwrap_or_default(),
            message,
        )
    });
    match mistakes.min() {
        Some((line, rule, message)) => Err(PolicyError::Invalid {
            line,
            rule,
            message,
        }),
        None => Ok(()),
    }
}

fn syntax(text: &str, error: &cedar_policy::ParseErrors) -> PolicyError {
    let details = DetailedError::from(error);
    PolicyError::Syntax {
        line: first_line(text, &details).unwrap_or(1),
        message: details.message,
    }
}

/// The first line that an error points at.
fn first_line(text: &str, error: &DetailedError) -> Option<usize> {
    error
        .source_locations
        .iter()
        .map(|label| label.loc.start)
        .min()
        .map(|start| line_of(text, start))
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}
