//! What a gateway can do that has the database, the gateways' key and the route secret, and lies: nothing that the
//! real connector accepts.
//!
//! Each test offers lies beside the truth. The connector must refuse each with its reason, say so in its audit log, and
//! go on to accept what is true: a refusal means something only where the same offer without the lie is accepted.

mod connector;
mod gateway;
mod offers;
mod policies;
mod sign_ins;
mod statements;

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::id::SessionId;
use adit_proto::statement::Head;
use adit_proto::testing::{Log, Person, TestCluster, random};
use adit_proto::time::UnixMillis;
use adit_proto::wire::audit::SessionDecided;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::control::offer_answer::Answer;
use adit_proto::wire::control::{Facts, Offer};
use adit_proto::wire::identity::SignInEvidence;

use connector::{Owner, RealConnector};
use gateway::{Line, LyingGateway};

/// Lets engineers reach everything as any group, so that the ceiling alone bounds the groups.
const POLICY: &str = r#"
@id("engineers")
permit (principal in Group::"engineers", action in [Action::"connect", Action::"assume"], resource);
"#;

/// A gateway that lies, the real connector of `prod`, and who is in the roster.
struct Stage {
    line: Line,
    connector: RealConnector,
    gateway: LyingGateway,
    log: Log,
    cluster: TestCluster,
    /// An engineer, who has signed in.
    ann: Person,
    /// A visitor with a device and a passkey, who helps the gateway.
    mallory: Person,
}

/// What a stage begins with.
struct Beginning {
    /// The first policy.
    policy: &'static str,
    /// The head that the cluster's owner wrote down when the connector was installed.
    head: fn(&Log) -> Head,
    /// How old a sign-in may be.
    sign_in_max_s: u64,
}

impl Default for Beginning {
    fn default() -> Self {
        Self {
            policy: POLICY,
            head: genesis,
            sign_in_max_s: 86_400,
        }
    }
}

fn genesis(log: &Log) -> Head {
    Head {
        number: 1,
        hash: log.genesis(),
        ..log.roster.head()
    }
}

impl Stage {
    /// Everything is there, and the connector was told all of it.
    fn new() -> Self {
        Self::with(&Beginning::default())
    }

    fn with(beginning: &Beginning) -> Self {
        let mut stage = Self::silent(beginning);
        stage.tell_everything(beginning.policy);
        stage
    }

    /// The connector is registered and was told nothing.
    fn silent(beginning: &Beginning) -> Self {
        // Whoever is in the roster has been there for a while.
        let begun = now().before(Duration::from_hours(1));
        let mut log = Log::found("localhost", &["http://localhost:8443".to_owned()], begun);
        let ann = log.add_person("ann@example.org", &["engineers"]);
        let mallory = log.add_person("mallory@example.org", &["visitors"]);
        let cluster = log.add_cluster("prod");
        log.set_policy(beginning.policy);
        let gateway = LyingGateway::start(&log.gateways);
        let owner = Owner {
            head: (beginning.head)(&log),
            sign_in_max_s: beginning.sign_in_max_s,
        };
        let connector = RealConnector::start(gateway.address, &log, &cluster, &owner);
        let line = gateway.accept(&log.roster.head());
        Self {
            line,
            connector,
            gateway,
            log,
            cluster,
            ann,
            mallory,
        }
    }

    /// Tells the connector the whole log, the text of the newest policy and a lease.
    fn tell_everything(&mut self, policy: &str) {
        let number = self.log.roster.policy().map_or(0, |policy| policy.number);
        self.line.statements(&self.log.statements);
        self.line.policy(number, policy);
        self.line.lease(self.log.roster.number());
    }

    /// What an honest gateway offers for a person who signs in now.
    fn offer(&self, person: &Person, target: &str) -> Offer {
        let now = now();
        let head = self.log.roster.head();
        let user = self.log.roster.user(person.user);
        Offer {
            session_id: session_id(),
            target: target.to_owned(),
            user_id: person.user.to_string(),
            device_key: person.device.public().spki().to_vec(),
            evidence: Some(self.signed_in(person)),
            groups: user.map(|user| user.groups.clone()).unwrap_or_default(),
            kube_groups: vec!["adit-view".to_owned()],
            facts: Some(Facts {
                tier: 1,
                source_address: "192.0.2.7".to_owned(),
                decided_ms: now.0,
            }),
            expires_ms: now.after(Duration::from_hours(8)).0,
            idle_ms: 3_600_000,
            roster_number: head.number,
            roster_hash: head.hash.to_vec(),
            policy_number: self.log.roster.policy().map_or(0, |policy| policy.number),
            must_understand: Vec::new(),
            device_route: 1 << 63 | 7,
        }
    }

    /// Ann's offer for the API server, and a session id of its own.
    fn true_offer(&self) -> Offer {
        self.offer(&self.ann, "cluster/prod")
    }

    /// What the gateway keeps after a person signed in.
    fn signed_in(&self, person: &Person) -> SignInEvidence {
        let request = person.sign_in_request(self.log.genesis(), now());
        person.sign_in(self.log.roster.relying_party(), &request)
    }

    /// Ann's true offer, changed.
    fn lie(&self, change: impl FnOnce(&mut Offer)) -> Offer {
        let mut offer = self.true_offer();
        change(&mut offer);
        offer
    }

    /// Offers each lie: it is refused with the reason, in the answer and in the audit log. The truth is accepted then.
    fn refuses(&mut self, lies: impl IntoIterator<Item = (Offer, Reason)>) {
        let mut refused = Vec::new();
        for (offer, reason) in lies {
            let answer = self.line.offer(&offer);
            assert_eq!(told(&answer), Some(reason), "{answer:?}");
            refused.push((offer.session_id, reason));
        }
        assert!(!refused.is_empty());
        for (session, reason) in refused {
            let decided = self.decided(&session);
            assert_eq!(decided.reason, reason.as_str(), "{decided:?}");
            assert!(!decided.detail.is_empty());
        }
        self.accepts();
    }

    /// The truth is accepted, and the audit log says so.
    fn accepts(&mut self) {
        let offer = self.true_offer();
        let answer = self.line.offer(&offer);
        assert_eq!(told(&answer), None, "{answer:?}");
        let decided = self.decided(&offer.session_id);
        assert_eq!(decided.reason, "");
        assert_eq!(decided.kube_groups, ["adit-view"]);
        let actor = decided.actor.unwrap();
        assert_eq!(actor.user_name, "ann@example.org");
        assert_eq!(actor.device_id, self.ann.device_id.to_string());
    }

    /// What the connector wrote into its audit log about a session.
    fn decided(&mut self, session: &str) -> SessionDecided {
        self.line.audited("the decision", |event| {
            if let Event::SessionDecided(decided) = event
                && decided.actor.as_ref()?.session_id == session
            {
                return Some(decided.clone());
            }
            None
        })
    }
}

/// The reason of a refusal.
fn told(answer: &Answer) -> Option<Reason> {
    match answer {
        Answer::Accepted(_) => None,
        Answer::Refused(refused) => Some(refused.reason.parse().unwrap()),
    }
}

fn session_id() -> String {
    SessionId::from_parts(now(), random()).to_string()
}

/// The wall clock, which connector and test share.
fn now() -> UnixMillis {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    UnixMillis(since.as_millis().try_into().unwrap())
}
