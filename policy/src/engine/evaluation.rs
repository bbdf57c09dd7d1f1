//! Asking Cedar: facts become a principal, a resource and a context; answers become verdicts.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::fmt;

use adit_proto::target::{Name, Target};
use cedar_policy::{Context, Effect, Entities, Entity, EntityUid, Policy, PolicyId, Request};

use super::Facts;
use super::input::{Unaskable, context, named, who};
use super::schema::Vocabulary;
use super::scope::{Answer, Question, Scope, Scoped, is_general};
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
    /// What answers alike whatever is asked for.
    general: Rules,
    connect: Rules,
    proxy: Rules,
    assume: Rules,
}

impl Evaluator {
    pub(super) fn new(vocabulary: Vocabulary, policies: &[Policy]) -> Option<Self> {
        let (general, particular): (Vec<_>, Vec<_>) =
            policies.iter().partition(|policy| is_general(policy));
        // Each action is one of theirs.
        let general = Rules::of(&general, &vocabulary.connect)?;
        let connect = Rules::of(&particular, &vocabulary.connect)?;
        let proxy = Rules::of(&particular, &vocabulary.proxy)?;
        let assume = Rules::of(&particular, &vocabulary.assume)?;
        Some(Self {
            vocabulary,
            general,
            connect,
            proxy,
            assume,
        })
    }

    /// Who asks, for any number of questions.
    pub(super) fn asker(&self, facts: &Facts) -> Result<Asker, Unaskable> {
        Asker::new(&self.vocabulary, facts)
    }

    /// Judges by all rules.
    pub(super) fn judge(&self, asker: &Result<Asker, Unaskable>, ask: &Ask<'_>) -> Verdict {
        self.judge_by(asker, ask, Which::All)
    }

    /// Whether a rule permits it, be it forbidden by another one or not.
    pub(super) fn is_permitted_by_some(
        &self,
        asker: &Result<Asker, Unaskable>,
        ask: &Ask<'_>,
    ) -> bool {
        self.judge_by(asker, ask, Which::Permits).permitted
    }

    fn judge_by(&self, asker: &Result<Asker, Unaskable>, ask: &Ask<'_>, which: Which) -> Verdict {
        let Ok(asker) = asker else {
            return Verdict::unaskable();
        };
        let words = &self.vocabulary;
        let by = |action, rules| By {
            action,
            which,
            general: &self.general,
            rules,
        };
        let verdict = match ask {
            Ask::Connect(target) => self.reach(asker, target, &by(&words.connect, &self.connect)),
            Ask::Proxy(cluster) => {
                let target = Target::Cluster((*cluster).clone());
                self.reach(asker, &target, &by(&words.proxy, &self.proxy))
            }
            Ask::Assume {
                cluster,
                candidates,
            } => self.assume(
                asker,
                (cluster, candidates),
                &by(&words.assume, &self.assume),
            ),
        };
        verdict.unwrap_or_else(|Unaskable| Verdict::unaskable())
    }

    fn reach(&self, asker: &Asker, target: &Target, by: &By<'_>) -> Result<Verdict, Unaskable> {
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
        let world = asker.world(entities)?;
        let answer = asker.ask(by, &world, resource, cluster)?;
        let mut verdict = Verdict {
            allowed: answer.allows(),
            ..Verdict::default()
        };
        verdict.note(answer);
        Ok(verdict)
    }

    fn assume(
        &self,
        asker: &Asker,
        (cluster, candidates): (&Name, &[KubeGroupName]),
        by: &By<'_>,
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
        let world = asker.world(entities)?;
        let mut verdict = Verdict::default();
        for group in candidates {
            let resource = words.kube_group(group.as_str());
            let answer = asker.ask(by, &world, resource, at.clone())?;
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
    /// Nothing could be asked, which denies.
    fn unaskable() -> Self {
        Self {
            failed: true,
            ..Self::default()
        }
    }

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
    fn of(policies: &[&Policy], action: &EntityUid) -> Option<Self> {
        let permits = policies
            .iter()
            .filter(|policy| policy.effect() == Effect::Permit);
        Some(Self {
            all: Scoped::of(policies.iter().copied(), action)?,
            permits: Scoped::of(permits.copied(), action)?,
        })
    }

    fn which(&self, which: Which) -> &Scoped {
        match which {
            Which::All => &self.all,
            Which::Permits => &self.permits,
        }
    }
}

/// By which rules a question is answered.
#[derive(Clone, Copy)]
enum Which {
    All,
    Permits,
}

/// What is asked for, and by which rules.
struct By<'a> {
    action: &'a EntityUid,
    which: Which,
    general: &'a Rules,
    rules: &'a Rules,
}

/// Who asks, and what is known beside who and what.
pub(super) struct Asker {
    user: EntityUid,
    who: Vec<Entity>,
    principals: Vec<Scope>,
    context: Context,
    /// What all rules that are general said, once they were asked.
    general: OnceCell<Answer>,
}

impl Asker {
    fn new(words: &Vocabulary, facts: &Facts) -> Result<Self, Unaskable> {
        let who = who(words, facts)?;
        let uids = who.iter().map(|entity| Some(entity.uid()));
        let principals = uids.chain([None]).collect();
        Ok(Self {
            user: words.user(facts.user.as_str()),
            who,
            principals,
            context: context(facts)?,
            general: OnceCell::new(),
        })
    }

    /// Who asks, and what is asked about.
    fn world(&self, resources: Vec<Entity>) -> Result<Entities, Unaskable> {
        let entities = self.who.iter().cloned().chain(resources);
        Entities::from_entities(entities, None).map_err(|_| Unaskable)
    }

    /// Asks about a resource, which is in `at` or the same.
    fn ask(
        &self,
        by: &By<'_>,
        entities: &Entities,
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
            by.action.clone(),
            resource,
            self.context.clone(),
            None,
        )
        .map_err(|_| Unaskable)?;
        let (principals, resources) = (self.principals.as_slice(), resources.as_slice());
        let question = Question {
            request,
            principals,
            resources,
            entities,
        };
        let general = || by.general.which(by.which).ask(&question);
        let mut answer = match by.which {
            Which::All => self.general.get_or_init(general).clone(),
            Which::Permits => general(),
        };
        answer.extend(by.rules.which(by.which).ask(&question));
        Ok(answer)
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
