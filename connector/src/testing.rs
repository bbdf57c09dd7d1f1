//! A connector without a gateway: a roster made by right statements, and offers as an honest gateway makes them.

pub(crate) mod recorded;

use std::sync::Arc;
use std::time::Duration;

use adit_proto::id::SessionId;
use adit_proto::sign_in::SignInCeiling;
use adit_proto::testing::{Log, Person, random};
use adit_proto::time::UnixMillis;
use adit_proto::wire::audit::Record;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::control::{Facts, Offer};
use adit_transport::key::DeviceSigner;
use prost::Message;
use tempfile::TempDir;

use crate::audit::{Audit, Options};
use crate::clock::{Clock, TestClock};
use crate::config::ConfiguredHead;
use crate::roster::{Book, Origin};
use crate::session::lease::Lease;
use crate::session::offer::Bounds;
use crate::session::table::{Parts, Table};
use crate::web::{Identities, Web};

/// Lets `devs` connect to `prod` and its database, and be `view` there.
pub(crate) const POLICY: &str = r#"
@id("devs-prod")
permit(principal in Group::"devs", action == Action::"connect", resource in Cluster::"prod");
@id("devs-view")
permit(principal in Group::"devs", action == Action::"assume", resource == KubeGroup::"view");
"#;

/// Everything that decides about sessions.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) anna: Person,
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) book: Arc<Book>,
    pub(crate) audit: Audit,
    pub(crate) lease: Arc<Lease>,
    pub(crate) table: Arc<Table>,
}

impl World {
    /// Anna of `devs`, the cluster `prod`, and [`POLICY`].
    pub(crate) fn new() -> Self {
        Self::with_policy(POLICY)
    }

    pub(crate) fn with_policy(policy: &str) -> Self {
        let mut log = Log::new();
        let anna = log.add_person("anna@example.com", &["devs"]);
        log.add_cluster("prod");
        log.set_policy(policy);
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::at(log.now);
        let book = Arc::new(Book::open(dir.path(), origin(&log)).unwrap());
        book.add(log.statements.clone()).unwrap();
        book.policy_text(1, policy.to_owned());
        let audit = Audit::open(&options(&dir), clock.clone()).unwrap();
        let lease = Arc::new(Lease::default());
        lease.extend(clock.boot(), Duration::ZERO, Duration::from_mins(1));
        let table = Arc::new(Table::new(Parts {
            book: book.clone(),
            bounds: bounds(),
            audit: audit.clone(),
            lease: lease.clone(),
            clock: clock.clone(),
            limit: 10,
            streams_per_user: 8,
        }));
        Self {
            log,
            anna,
            dir,
            clock,
            book,
            audit,
            lease,
            table,
        }
    }

    /// The offer of an honest gateway, for a person who signs in now.
    pub(crate) fn offer(&self, person: &Person, target: &str) -> Offer {
        let now = self.clock.wall();
        let request = person.sign_in_request(self.log.genesis(), now);
        let head = self.log.roster.head();
        let user = self.log.roster.user(person.user);
        Offer {
            session_id: SessionId::from_parts(now, random()).to_string(),
            target: target.to_owned(),
            user_id: person.user.to_string(),
            device_key: person.device.public().spki().to_vec(),
            evidence: Some(person.sign_in(self.log.roster.relying_party(), &request)),
            groups: user.map(|user| user.groups.clone()).unwrap_or_default(),
            kube_groups: vec!["view".to_owned()],
            facts: Some(Facts {
                tier: 1,
                source_address: "192.0.2.7".to_owned(),
                decided_ms: now.0,
            }),
            expires_ms: now.after(Duration::from_hours(8)).0,
            idle_ms: 3_600_000,
            roster_number: head.number,
            roster_hash: head.hash.to_vec(),
            policy_number: 1,
            must_understand: Vec::new(),
            device_route: 1 << 63 | 7,
        }
    }

    /// Anna's offer for the API server.
    pub(crate) fn annas_offer(&self) -> Offer {
        self.offer(&self.anna, "cluster/prod")
    }

    /// The way to web applications, with this cluster's key.
    pub(crate) fn web(&self, cluster: Arc<dyn DeviceSigner>) -> Web {
        let name = "prod".parse().unwrap();
        let identities = Identities::new(&name, cluster, self.clock.clone());
        Web::new(identities, self.book.clone(), self.audit.clone())
    }

    /// Everything in the audit log.
    pub(crate) fn audited(&self) -> Vec<Event> {
        self.audit.flush().unwrap();
        let mut cursor = self.audit.cursor();
        let mut events = Vec::new();
        loop {
            let batch = cursor.read().unwrap();
            if batch.upload.records.is_empty() {
                return events;
            }
            let event = |bytes: &Vec<u8>| Record::decode(bytes.as_slice()).unwrap().event.unwrap();
            events.extend(batch.upload.records.iter().map(event));
        }
    }

    /// What the gateway sends after a statement was made.
    pub(crate) fn deliver(&self) {
        self.book.add(self.log.statements.clone()).unwrap();
    }

    /// Moves the clocks on, with a gateway that reads its store all the time.
    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
        self.lease
            .extend(self.clock.boot(), Duration::ZERO, Duration::from_mins(1));
    }
}

pub(crate) fn origin(log: &Log) -> Origin {
    Origin {
        genesis: log.genesis(),
        head: ConfiguredHead {
            number: 1,
            hash: log.genesis(),
        },
    }
}

pub(crate) fn bounds() -> Bounds {
    Bounds {
        cluster: "prod".parse().unwrap(),
        kubernetes: true,
        services: vec!["db".parse().unwrap()],
        groups: vec!["view".parse().unwrap(), "edit".parse().unwrap()],
        sign_in: SignInCeiling::default(),
    }
}

pub(crate) fn options(dir: &TempDir) -> Options {
    Options {
        dir: dir.path().join("audit"),
        max_bytes: 64 << 20,
        writer: "prod".to_owned(),
        instance: [1; 16],
        survives_restart: true,
    }
}

/// A later time of the wall clock.
pub(crate) fn later(now: UnixMillis, hours: u64) -> UnixMillis {
    now.after(Duration::from_hours(hours))
}
