//! Rules by their scope: most cannot apply to a request, and asking Cedar about each costs a microsecond.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, Authorizer, Decision, Entities, EntityUid, Policy, PolicyId, PolicySet,
    PrincipalConstraint, Request, ResourceConstraint,
};

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
#[derive(Debug, Default)]
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
