//! Asking Cedar: facts become a principal, a resource and a context; answers become verdicts.

use std::collections::{HashMap, HashSet};

use adit_proto::target::{Name, Target};
use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Decision, Effect, Entities, Entity,
    EntityUid, Policy, PolicyId, PolicySet, Request, RestrictedExpression,
};

use super::Facts;
use super::schema::Vocabulary;
use crate::datetime;
use crate::kube_name::KubeGroupName;

/// What is asked.
#[derive(Debug)]
pub(super) enum Ask<'a> {
    /// May a session reach it?
    Connect(&'a Target),
    /// Which of these groups does the user have there?
    Assume {
        cluster: &'a Name,
        candidates: &'a [KubeGroupName],
    },
}

impl Ask<'_> {
    pub(super) fn target(&self) -> Target {
        match self {
            Self::Connect(target) => (*target).clone(),
            Self::Assume { cluster, .. } => Target::Cluster((*cluster).clone()),
        }
    }
}

/// What the rules say.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// Whether something could not be evaluated, which denies.
    pub(super) failed: bool,
    /// Of the candidates, those that are allowed, in their order.
    pub(super) groups: Vec<KubeGroupName>,
    permitting: HashSet<PolicyId>,
    forbidding: HashSet<PolicyId>,
    failing: HashSet<PolicyId>,
}

/// The rules that can apply to one action.
#[derive(Clone)]
struct Sets {
    all: PolicySet,
    permits: PolicySet,
}

/// Policies sorted for asking.
#[derive(Clone)]
pub(super) struct Evaluator {
    vocabulary: Vocabulary,
    connect: Sets,
    assume: Sets,
}

/// Why Cedar could not even be asked. The answer is a denial, so nobody needs to know more.
#[derive(Debug)]
struct Unaskable;

impl Evaluator {
    pub(super) fn new(vocabulary: Vocabulary, policies: &[Policy]) -> Option<Self> {
        let connect = Sets::of(policies, &vocabulary.connect)?;
        let assume = Sets::of(policies, &vocabulary.assume)?;
        Some(Self {
            vocabulary,
            connect,
            assume,
        })
    }

    /// Judges by all rules.
    pub(super) fn judge(&self, facts: &Facts, ask: &Ask<'_>) -> Verdict {
        self.answer(facts, ask, |sets| &sets.all)
    }

    /// Whether only a rule that forbids stands in the way.
    pub(super) fn is_permitted_but_forbidden(&self, facts: &Facts, ask: &Ask<'_>) -> bool {
        self.answer(facts, ask, |sets| &sets.permits).allowed
    }

    fn answer(&self, facts: &Facts, ask: &Ask<'_>, of: impl Fn(&Sets) -> &PolicySet) -> Verdict {
        let answer = match ask {
            Ask::Connect(target) => self.connect(facts, target, of(&self.connect)),
            Ask::Assume {
                cluster,
                candidates,
            } => self.assume(facts, cluster, candidates, of(&self.assume)),
        };
        answer.unwrap_or(Verdict {
            failed: true,
            ..Verdict::default()
        })
    }

    fn connect(
        &self,
        facts: &Facts,
        target: &Target,
        rules: &PolicySet,
    ) -> Result<Verdict, Unaskable> {
        let cluster = self.vocabulary.cluster(target.cluster().as_str());
        let mut entities = self.who(facts)?;
        entities.push(named(cluster.clone(), target.cluster().as_str(), [])?);
        let resource = match target {
            Target::Cluster(_) => cluster,
            Target::Service { cluster: at, name } => {
                let service = self.vocabulary.service(at.as_str(), name.as_str());
                entities.push(named(service.clone(), name.as_str(), [cluster])?);
                service
            }
        };
        let entities = Entities::from_entities(entities, None).map_err(|_| Unaskable)?;
        let mut verdict = Verdict::default();
        let request = self.request(facts, (&self.vocabulary.connect, resource), context(facts)?)?;
        verdict.allowed = verdict.take(&request, rules, &entities) && !verdict.failed;
        Ok(verdict)
    }

    fn assume(
        &self,
        facts: &Facts,
        cluster: &Name,
        candidates: &[KubeGroupName],
        rules: &PolicySet,
    ) -> Result<Verdict, Unaskable> {
        let at = self.vocabulary.cluster(cluster.as_str());
        let mut entities = self.who(facts)?;
        entities.push(named(at.clone(), cluster.as_str(), [])?);
        for group in candidates.iter().collect::<HashSet<_>>() {
            entities.push(named(
                self.vocabulary.kube_group(group.as_str()),
                group.as_str(),
                [at.clone()],
            )?);
        }
        let entities = Entities::from_entities(entities, None).map_err(|_| Unaskable)?;
        let context = context(facts)?;
        let mut verdict = Verdict::default();
        for group in candidates {
            let resource = self.vocabulary.kube_group(group.as_str());
            let request =
                self.request(facts, (&self.vocabulary.assume, resource), context.clone())?;
            if verdict.take(&request, rules, &entities) && !verdict.groups.contains(group) {
                verdict.groups.push(group.clone());
            }
        }
        verdict.allowed = !verdict.failed && !verdict.groups.is_empty();
        Ok(verdict)
    }

    fn request(
        &self,
        facts: &Facts,
        (action, resource): (&EntityUid, EntityUid),
        context: Context,
    ) -> Result<Request, Unaskable> {
        let principal = self.vocabulary.user(facts.user.as_str());
        // The types are ours and a test validates them; validating each request would cost more than deciding it.
        Request::new(principal, action.clone(), resource, context, None).map_err(|_| Unaskable)
    }

    /// The user and the user's groups.
    fn who(&self, facts: &Facts) -> Result<Vec<Entity>, Unaskable> {
        let groups: HashSet<EntityUid> = facts
            .groups
            .iter()
            .map(|group| self.vocabulary.group(group))
            .collect();
        let mut entities: Vec<Entity> = groups
            .iter()
            .map(|group| Entity::new_no_attrs(group.clone(), HashSet::new()))
            .collect();
        let attributes = HashMap::from([(
            "id".to_owned(),
            RestrictedExpression::new_string(facts.user_id.to_string()),
        )]);
        let user = Entity::new(
            self.vocabulary.user(facts.user.as_str()),
            attributes,
            groups,
        );
        entities.push(user.map_err(|_| Unaskable)?);
        Ok(entities)
    }
}

impl Verdict {
    /// The rules that made it so.
    pub(super) fn rules(&self) -> &HashSet<PolicyId> {
        match (self.failed, self.allowed) {
            (true, _) => &self.failing,
            (false, true) => &self.permitting,
            (false, false) => &self.forbidding,
        }
    }

    /// Asks Cedar once; says whether it allows, and notes the rules.
    fn take(&mut self, request: &Request, rules: &PolicySet, entities: &Entities) -> bool {
        let response = Authorizer::new().is_authorized(request, rules, entities);
        let failing = response.diagnostics().errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(error) => error.policy_id().clone(),
        });
        let known = self.failing.len();
        self.failing.extend(failing);
        self.failed |= self.failing.len() > known;
        let allows = response.decision() == Decision::Allow;
        let noted = if allows {
            &mut self.permitting
        } else {
            &mut self.forbidding
        };
        noted.extend(response.diagnostics().reason().cloned());
        allows
    }
}

impl Sets {
    /// The rules whose scope has the action. A rule that cannot apply costs time in every decision.
    fn of(policies: &[Policy], action: &EntityUid) -> Option<Self> {
        let applies = |policy: &&Policy| match policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::In(actions) => actions.contains(action),
            ActionConstraint::Eq(only) => only == *action,
        };
        let set = |policies: &mut dyn Iterator<Item = &Policy>| {
            PolicySet::from_policies(policies.cloned()).ok()
        };
        let permits = |policy: &&Policy| policy.effect() == Effect::Permit;
        Some(Self {
            all: set(&mut policies.iter().filter(applies))?,
            permits: set(&mut policies.iter().filter(applies).filter(permits))?,
        })
    }
}

fn named<const N: usize>(
    uid: EntityUid,
    name: &str,
    parents: [EntityUid; N],
) -> Result<Entity, Unaskable> {
    let attributes = HashMap::from([(
        "name".to_owned(),
        RestrictedExpression::new_string(name.to_owned()),
    )]);
    Entity::new(uid, attributes, HashSet::from(parents)).map_err(|_| Unaskable)
}

fn context(facts: &Facts) -> Result<Context, Unaskable> {
    let record = |fields: Vec<(String, RestrictedExpression)>| {
        RestrictedExpression::new_record(fields).map_err(|_| Unaskable)
    };
    let age = i64::try_from(facts.sign_in_age.as_secs()).unwrap_or(i64::MAX);
    let device = vec![
        (
            "id".to_owned(),
            RestrictedExpression::new_string(facts.device.to_string()),
        ),
        (
            "tier".to_owned(),
            RestrictedExpression::new_long(facts.tier.number().into()),
        ),
    ];
    let sign_in = vec![("age_s".to_owned(), RestrictedExpression::new_long(age))];
    // An IPv4 address that came in over an IPv6 socket is still one to `isInRange`.
    let address = facts.source_address.to_canonical().to_string();
    Context::from_pairs([
        ("device".to_owned(), record(device)?),
        ("sign_in".to_owned(), record(sign_in)?),
        (
            "source_address".to_owned(),
            RestrictedExpression::new_ip(address),
        ),
        (
            "time".to_owned(),
            RestrictedExpression::new_datetime(datetime::rfc3339(facts.now)),
        ),
        (
            "touched".to_owned(),
            RestrictedExpression::new_bool(facts.touched),
        ),
    ])
    .map_err(|_| Unaskable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::schema::schema;
    use crate::engine::tests::anna;

    #[test]
    fn what_cedar_is_asked_fits_the_schema() {
        let schema = schema().unwrap();
        let evaluator = Evaluator::new(Vocabulary::new().unwrap(), &[]).unwrap();
        let words = &evaluator.vocabulary;
        let mut entities = evaluator.who(&anna()).unwrap();
        let cluster = words.cluster("prod");
        entities.push(named(cluster.clone(), "prod", []).unwrap());
        entities.push(named(words.service("prod", "db"), "db", [cluster.clone()]).unwrap());
        entities.push(named(words.kube_group("view"), "view", [cluster.clone()]).unwrap());
        Entities::from_entities(entities, Some(&schema)).unwrap();
        for (action, resource) in [
            (&words.connect, cluster),
            (&words.connect, words.service("prod", "db")),
            (&words.assume, words.kube_group("view")),
        ] {
            let context = context(&anna()).unwrap();
            Request::new(
                words.user("anna"),
                action.clone(),
                resource,
                context,
                Some(&schema),
            )
            .unwrap();
        }
    }
}
