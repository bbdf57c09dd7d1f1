//! Rules by their scope: most cannot apply to a request, and asking Cedar about each costs a microsecond.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, Authorizer, Decision, Entities, EntityUid, Policy, PolicyId, PolicySet,
    PrincipalConstraint, Request, ResourceConstraint,
};
use serde_json::Value;

/// The entity that principal or resource has to be, or has to be in; `None` where any will do.
pub(super) type Scope = Option<EntityUid>;

/// Rules for one action: by the principal that their scope names, then by the resource.
#[derive(Clone)]
pub(super) struct Scoped {
    sets: HashMap<Scope, HashMap<Scope, PolicySet>>,
}

/// One request, and the scopes that its principal and its resource are in: `None`, themselves, and what has them.
pub(super) struct Question<'a> {
    pub(super) request: Request,
    pub(super) principals: &'a [Scope],
    pub(super) resources: &'a [Scope],
    pub(super) entities: &'a Entities,
}

/// What the rules say to one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) permitting: Vec<PolicyId>,
    pub(super) forbidding: Vec<PolicyId>,
    pub(super) failing: Vec<PolicyId>,
}

impl Answer {
    /// One rule permits, none forbids, none fails.
    pub(super) fn allows(&self) -> bool {
        !self.permitting.is_empty() && self.forbidding.is_empty() && self.failing.is_empty()
    }

    /// Adds what other rules say to the same request.
    pub(super) fn extend(&mut self, other: Self) {
        self.permitting.extend(other.permitting);
        self.forbidding.extend(other.forbidding);
        self.failing.extend(other.failing);
    }
}

impl Scoped {
    /// Sorts the rules whose scope has the action.
    pub(super) fn of<'a>(
        policies: impl Iterator<Item = &'a Policy>,
        action: &EntityUid,
    ) -> Option<Self> {
        let mut sets: HashMap<Scope, HashMap<Scope, PolicySet>> = HashMap::new();
        for policy in policies.filter(|policy| has_action(policy, action)) {
            let set = sets
                .entry(principal(policy))
                .or_default()
                .entry(resource(policy))
                .or_default();
            set.add(policy.clone()).ok()?;
        }
        Some(Self { sets })
    }

    /// Asks every set that can apply. Rules in different sets count as if they were in one.
    pub(super) fn ask(&self, question: &Question<'_>) -> Answer {
        let mut answer = Answer::default();
        let by_resource = question
            .principals
            .iter()
            .filter_map(|scope| self.sets.get(scope));
        let sets = by_resource.flat_map(|sets| {
            question
                .resources
                .iter()
                .filter_map(|scope| sets.get(scope))
        });
        for rules in sets {
            let response =
                Authorizer::new().is_authorized(&question.request, rules, question.entities);
            let diagnostics = response.diagnostics();
            answer.failing.extend(diagnostics.errors().map(failed));
            let noted = match response.decision() {
                Decision::Allow => &mut answer.permitting,
                // Without a reason, no rule of this set applied.
                Decision::Deny => &mut answer.forbidding,
            };
            noted.extend(diagnostics.reason().cloned());
        }
        answer
    }
}

/// Whether a rule says the same to one principal in one context whatever is asked for: it names no entity, and neither
/// action nor resource.
pub(super) fn is_general(policy: &Policy) -> bool {
    let any = matches!(policy.action_constraint(), ActionConstraint::Any)
        && matches!(policy.resource_constraint(), ResourceConstraint::Any)
        && policy.entity_literals().is_empty();
    any && policy.to_json().is_ok_and(|rule| {
        rule.get("conditions")
            .is_some_and(|conditions| !names_what_is_asked_for(conditions))
    })
}

/// Whether a condition, in Cedar's JSON, has the variable `action` or `resource`.
fn names_what_is_asked_for(condition: &Value) -> bool {
    match condition {
        Value::Object(fields) => {
            let variable = fields.get("Var").and_then(Value::as_str);
            matches!(variable, Some("action" | "resource"))
                || fields.values().any(names_what_is_asked_for)
        }
        Value::Array(items) => items.iter().any(names_what_is_asked_for),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn failed(error: &cedar_policy::AuthorizationError) -> PolicyId {
    match error {
        cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id().clone(),
    }
}

fn has_action(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::In(actions) => actions.contains(action),
        ActionConstraint::Eq(only) => only == *action,
    }
}

fn principal(policy: &Policy) -> Scope {
    match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
        PrincipalConstraint::Eq(uid)
        | PrincipalConstraint::In(uid)
        | PrincipalConstraint::IsIn(_, uid) => Some(uid),
    }
}

fn resource(policy: &Policy) -> Scope {
    match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        ResourceConstraint::Eq(uid)
        | ResourceConstraint::In(uid)
        | ResourceConstraint::IsIn(_, uid) => Some(uid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_looks_at_what_is_asked_for_is_not_general() {
        for (rule, general) in [
            ("permit (principal, action, resource);", true),
            (
                "forbid (principal, action, resource) when { context.touched };",
                true,
            ),
            (
                "forbid (principal, action, resource) unless { principal.id == \"x\" };",
                true,
            ),
            (
                "permit (principal, action, resource) when { resource.name == \"x\" };",
                false,
            ),
            (
                "permit (principal, action, resource) unless { action in [action] };",
                false,
            ),
            (
                "permit (principal, action, resource) when { principal in Group::\"x\" };",
                false,
            ),
            (
                "permit (principal, action == Action::\"connect\", resource);",
                false,
            ),
            ("permit (principal, action, resource is Cluster);", false),
            (
                "permit (principal in Group::\"x\", action, resource);",
                false,
            ),
            ("permit (principal is User, action, resource);", true),
        ] {
            assert_eq!(is_general(&rule.parse().unwrap()), general, "{rule}");
        }
    }
}
