//! Asking Cedar: facts become a principal, a resource and a context; answers become verdicts.

use std::collections::HashSet;
use std::fmt;

use adit_proto::target::{Name, Target};
use cedar_policy::{Context, Effect, Entities, Entity, EntityUid, Policy, PolicyId, Request};

use super::Facts;
use super::input::{Unaskable, context, named, who};
use super::schema::Vocabulary;
use super::scope::{Answer, Question, Scope, Scoped};
use crate::kube_name::KubeGroupName;

/// What is asked.
#[derive(Debug)]
pub(super) enum Ask<'a> {
    /// May a session reach it?
    Connect(&'a Target),
    /// May the API server of this cluster pass requests on?
    Proxy(&'a Name),
    /// Which of these groups does the user have there?
    Assume {
        cluster: &'a Name,
        candidates: &'a [KubeGroupName],
    },
}

impl fmt::Display for Ask<'_> {
    /// What is asked for, as a denial calls it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(target) => target.fmt(f),
            Self::Proxy(cluster) => write!(f, "the API server's proxy of cluster/{cluster}"),
            Self::Assume { cluster, .. } => write!(f, "cluster/{cluster}"),
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
    /// Whether some rule permits, whatever others say.
    permitted: bool,
    permitting: HashSet<PolicyId>,
    forbidding: HashSet<PolicyId>,
    failing: HashSet<PolicyId>,
}

/// The rules that can apply to one action.
#[derive(Clone)]
struct Rules {
    all: Scoped,
    permits: Scoped,
}

/// Policies sorted for asking.
#[derive(Clone)]
pub(super) struct Evaluator {
    vocabulary: Vocabulary,
    connect: Rules,
    proxy: Rules,
    assume: Rules,
}

impl Evaluator {
    pub(super) fn new(vocabulary: Vocabulary, policies: &[Policy]) -> Option<Self> {
        let connect = Rules::of(policies, &vocabulary.connect)?;
        let proxy = Rules::of(policies, &vocabulary.proxy)?;
        let assume = Rules::of(policies, &vocabulary.assume)?;
        Some(Self {
            vocabulary,
            connect,
            proxy,
            assume,
        })
    }

    /// Judges by all rules.
    pub(super) fn judge(&self, facts: &Facts, ask: &Ask<'_>) -> Verdict {
        self.judge_by(facts, ask, |rules| &rules.all)
    }

    /// Whether a rule permits it, be it forbidden by another one or not.
    pub(super) fn is_permitted_by_some(&self, facts: &Facts, ask: &Ask<'_>) -> bool {
        self.judge_by(facts, ask, |rules| &rules.permits).permitted
    }

    fn judge_by(&self, facts: &Facts, ask: &Ask<'_>, of: impl Fn(&Rules) -> &Scoped) -> Verdict {
        let verdict = match ask {
            Ask::Connect(target) => {
                let action = (&self.vocabulary.connect, of(&self.connect));
                self.reach(facts, target, action)
            }
            Ask::Proxy(cluster) => {
                let action = (&self.vocabulary.proxy, of(&self.proxy));
                self.reach(facts, &Target::Cluster((*cluster).clone()), action)
            }
            Ask::Assume {
                cluster,
                candidates,
            } => self.assume(facts, cluster, candidates, of(&self.assume)),
        };
        verdict.unwrap_or(Verdict {
            failed: true,
            ..Verdict::default()
        })
    }

    fn reach(
        &self,
        facts: &Facts,
        target: &Target,
        action: (&EntityUid, &Scoped),
    ) -> Result<Verdict, Unaskable> {
        let words = &self.vocabulary;
        let at = target.cluster().as_str();
        let cluster = words.cluster(at);
        let mut entities = vec![named(cluster.clone(), at, [])?];
        let resource = match target {
            Target::Cluster(_) => cluster.clone(),
            Target::Service { name, .. } => {
                let service = words.service(at, name.as_str());
                entities.push(named(service.clone(), name.as_str(), [cluster.clone()])?);
                service
            }
        };
        let asker = Asker::new(words, facts, entities)?;
        let answer = asker.ask(action, resource, cluster)?;
        let mut verdict = Verdict {
            allowed: answer.allows(),
            ..Verdict::default()
        };
        verdict.note(answer);
        Ok(verdict)
    }

    fn assume(
        &self,
        facts: &Facts,
        cluster: &Name,
        candidates: &[KubeGroupName],
        rules: &Scoped,
    ) -> Result<Verdict, Unaskable> {
        let words = &self.vocabulary;
        let at = words.cluster(cluster.as_str());
        let mut entities = vec![named(at.clone(), cluster.as_str(), [])?];
        for group in candidates.iter().collect::<HashSet<_>>() {
            entities.push(named(
                words.kube_group(group.as_str()),
                group.as_str(),
                [at.clone()],
            )?);
        }
        let asker = Asker::new(words, facts, entities)?;
        let mut verdict = Verdict::default();
        for group in candidates {
            let resource = words.kube_group(group.as_str());
            let answer = asker.ask((&words.assume, rules), resource, at.clone())?;
            if answer.allows() && !verdict.groups.contains(group) {
                verdict.groups.push(group.clone());
            }
            verdict.note(answer);
        }
        verdict.allowed = !verdict.failed && !verdict.groups.is_empty();
        Ok(verdict)
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

    fn note(&mut self, answer: Answer) {
        self.failed |= !answer.failing.is_empty();
        self.permitted |= !answer.permitting.is_empty();
        if answer.allows() {
            self.permitting.extend(answer.permitting);
        }
        self.forbidding.extend(answer.forbidding);
        self.failing.extend(answer.failing);
    }
}

impl Rules {
    fn of(policies: &[Policy], action: &EntityUid) -> Option<Self> {
        let permits = policies
            .iter()
            .filter(|policy| policy.effect() == Effect::Permit);
        Some(Self {
            all: Scoped::of(policies.iter(), action)?,
            permits: Scoped::of(permits, action)?,
        })
    }
}

/// Who asks, in a world of a few entities.
struct Asker {
    user: EntityUid,
    principals: Vec<Scope>,
    context: Context,
    entities: Entities,
}

impl Asker {
    fn new(words: &Vocabulary, facts: &Facts, resources: Vec<Entity>) -> Result<Self, Unaskable> {
        let who = who(words, facts)?;
        let uids = who.iter().map(|entity| Some(entity.uid()));
        let principals = uids.chain([None]).collect();
        let entities = Entities::from_entities(who.into_iter().chain(resources), None)
            .map_err(|_| Unaskable)?;
        Ok(Self {
            user: words.user(facts.user.as_str()),
            principals,
            context: context(facts)?,
            entities,
        })
    }

    /// Asks about a resource, which is in `at` or the same.
    fn ask(
        &self,
        (action, rules): (&EntityUid, &Scoped),
        resource: EntityUid,
        at: EntityUid,
    ) -> Result<Answer, Unaskable> {
        let mut resources: Vec<Scope> = vec![None, Some(resource.clone())];
        if at != resource {
            resources.push(Some(at));
        }
        // The types are ours and a test validates them; validating each request would cost more than deciding it.
        let request = Request::new(
            self.user.clone(),
            action.clone(),
            resource,
            self.context.clone(),
            None,
        )
        .map_err(|_| Unaskable)?;
        let (principals, resources) = (self.principals.as_slice(), resources.as_slice());
        Ok(rules.ask(&Question {
            request,
            principals,
            resources,
            entities: &self.entities,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::schema::schema;
    use crate::engine::tests::anna;

    #[test]
    fn what_cedar_is_asked_fits_the_schema() {
        let schema = schema().unwrap();
        let words = &Vocabulary::new().unwrap();
        let mut entities = who(words, &anna()).unwrap();
        let cluster = words.cluster("prod");
        entities.push(named(cluster.clone(), "prod", []).unwrap());
        entities.push(named(words.service("prod", "db"), "db", [cluster.clone()]).unwrap());
        entities.push(named(words.kube_group("view"), "view", [cluster.clone()]).unwrap());
        Entities::from_entities(entities, Some(&schema)).unwrap();
        for (action, resource) in [
            (&words.connect, cluster.clone()),
            (&words.proxy, cluster),
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
