//! The gateway and its roster.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adit_policy::CheckedPolicy;
use adit_proto::id::SignInId;
use adit_proto::key::Fingerprint;
use adit_proto::testing::{Log, Person, random};
use adit_proto::wire::audit::Record;
use adit_proto::wire::roster::Statement;
use adit_transport::secret_file;
use axum::Router;
use axum::routing::get;
use futures_util::future::BoxFuture;
use prost::Message as _;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::{self, Faces};
use crate::caller::Caller;
use crate::clock::{Clock, Entropy};
use crate::config::Config;
use crate::control::{EnrolHandler, Stranger};
use crate::services::Services;
use crate::store::Store;
use crate::store::deployment::Entry;
use crate::store::sign_ins::SignIn;

/// Lets the group `dev` reach every cluster and service, and be `view` there.
pub(crate) const POLICY: &str = r#"
permit (principal in Group::"dev", action in [Action::"connect", Action::"assume"], resource);
"#;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what must happen, with a bound.
pub(crate) async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it happens in time")
}

/// A running gateway.
pub(crate) struct Rig {
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    pub(crate) services: Services,
    pub(crate) gateway: SocketAddr,
    pub(crate) relay: Arc<crate::relay::Relay>,
    config: Config,
    faces: fn(&Services) -> Faces,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
    dir: TempDir,
}

/// Closes whoever comes to enrol.
#[derive(Debug)]
struct NoEnrolment;

impl EnrolHandler for NoEnrolment {
    fn enrol(&self, stranger: Stranger) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            stranger
                .connection
                .close(7_u32.into(), b"seen by the handler");
        })
    }
}

/// Answers that say who called, and no enrolment.
fn stubs(_: &Services) -> Faces {
    Faces {
        enrol: Arc::new(NoEnrolment),
        api: api(),
    }
}

fn api() -> Router {
    let who = |caller: axum::Extension<Caller>| async move { caller.0.device.to_string() };
    Router::new().route("/v1/whoami", get(who))
}

impl Rig {
    /// A gateway whose roster is `log`, whose policy is [`POLICY`] and whose faces are stubs.
    pub(crate) async fn start(log: Log) -> Self {
        Box::pin(Self::start_with(log, stubs)).await
    }

    /// As [`Rig::start`], with the faces of a real gateway.
    pub(crate) async fn whole(log: Log) -> Self {
        let faces = |services: &Services| app::faces(services).unwrap();
        Box::pin(Self::start_with(log, faces)).await
    }

    async fn start_with(mut log: Log, faces: fn(&Services) -> Faces) -> Self {
        let dir = tempfile::tempdir().unwrap();
        log.set_policy(POLICY);
        let config = config(dir.path());
        keys(dir.path(), &log);
        let store = Store::open_and_migrate(&config.database).await.unwrap();
        let own = log.gateways.fingerprint();
        store
            .set_deployment(Entry::GatewaysKey, &own.0)
            .await
            .unwrap();
        keep(&store, POLICY, &log).await;
        let mut grown: Option<adit_proto::roster::Roster> = None;
        for statement in &log.statements {
            grown = Some(match grown.take() {
                None => adit_proto::roster::Roster::found(statement).unwrap(),
                Some(mut roster) => {
                    roster.append(statement).unwrap();
                    roster
                }
            });
            let head = grown.as_ref().unwrap().head();
            let stored = crate::store::statements::StoredStatement {
                number: head.number,
                hash: head.hash,
                kind: u16::try_from(statement.kind).unwrap(),
                statement: statement.encode_to_vec(),
            };
            store.append_statement(&stored, log.now).await.unwrap();
        }
        store.close().await;
        let clock = Clock::standing_at(log.now);
        Box::pin(Self::run(log, (config, faces), clock, dir)).await
    }

    async fn run(
        log: Log,
        (config, faces): (Config, fn(&Services) -> Faces),
        clock: Clock,
        dir: TempDir,
    ) -> Self {
        let assembling = app::assemble(config.clone(), clock.clone(), Entropy::default());
        let assembled = Box::pin(assembling).await.unwrap();
        let services = assembled.services().clone();
        let relay = Arc::clone(assembled.relay());
        let gateway = relay.local_addr().unwrap();
        let shown = faces(&services);
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let stop = shutdown.clone();
        tasks.spawn(async move { Box::pin(assembled.run(shown, stop)).await.unwrap() });
        let mut config = config;
        // A restart comes back at the same port.
        config.listen = gateway;
        Self {
            log,
            clock,
            services,
            gateway,
            relay,
            config,
            faces,
            shutdown,
            tasks,
            dir,
        }
    }

    /// Ends the gateway's process, as far as one can in a test, and starts it again on its state.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            log,
            clock,
            config,
            faces,
            shutdown,
            mut tasks,
            dir,
            relay,
            services,
            ..
        } = self;
        // Whoever keeps these keeps the socket.
        drop((relay, services));
        shutdown.cancel();
        while tasks.join_next().await.is_some() {}
        Box::pin(Self::run(log, (config, faces), clock, dir)).await
    }

    /// Starts it again on a socket of both families, where it is dialled over IPv4.
    pub(crate) async fn dual_stack(mut self) -> Self {
        self.config.listen = "[::]:0".parse().unwrap();
        let mut rig = self.restart().await;
        rig.gateway = ([127, 0, 0, 1], rig.gateway.port()).into();
        rig
    }

    /// Stops it in order.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        patiently(async { while self.tasks.join_next().await.is_some() {} }).await;
    }

    /// Appends by turns what `say` adds to the log.
    pub(crate) async fn says<T>(&mut self, say: impl FnOnce(&mut Log) -> T) -> T {
        let before = self.log.statements.len();
        let said = say(&mut self.log);
        self.clock.set(self.log.now);
        for statement in &self.log.statements[before..] {
            let appended = append(&self.services, statement).await;
            appended
                .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
        }
        said
    }

    /// Puts another policy in force.
    pub(crate) async fn apply(&mut self, policy: &str) {
        keep(&self.services.store, policy, &self.log).await;
        self.says(|log| log.set_policy(policy)).await;
    }

    /// Signs somebody in, as the ceremony would.
    pub(crate) async fn sign_in(&self, person: &Person) -> SignIn {
        let now = self.clock.now();
        let request = person.sign_in_request(self.log.genesis(), now);
        let evidence = person.sign_in(self.log.roster.relying_party(), &request);
        let sign_in = SignIn {
            id: SignInId::from_parts(now, random()),
            user: person.user,
            device: person.device_id,
            passkey: person.passkey_id,
            evidence: evidence.into(),
            issued: now,
            expires: request.expires,
        };
        self.services.store.add_sign_in(&sign_in).await.unwrap();
        sign_in
    }

    /// The audit log's records, of all chains.
    pub(crate) async fn audited(&self) -> Vec<Record> {
        let held = self.services.store.audit_after(0, 10_000).await.unwrap();
        let decode = |record: &[u8]| Record::decode(record).unwrap();
        held.iter()
            .map(|stored| decode(&stored.record.record))
            .collect()
    }
}

/// Takes a turn and hands a statement in.
pub(crate) async fn append(
    services: &Services,
    statement: &Statement,
) -> Result<adit_proto::roster::Appended, crate::roster_log::AppendError> {
    let holder = Fingerprint(statement.signer[..].try_into().unwrap());
    let turn = services.roster.turn(holder).await.unwrap();
    services.roster.append(turn.id, &holder, statement).await
}

async fn keep(store: &Store, policy: &str, log: &Log) {
    let checked = CheckedPolicy::parse(policy).unwrap();
    store
        .keep_policy(checked.digest(), policy, log.admin.user, log.now)
        .await
        .unwrap();
}

fn config(dir: &Path) -> Config {
    let text = format!(
        "public_url = \"http://localhost:8443\"\nlisten = \"127.0.0.1:0\"\nadvertise = \"127.0.0.1:8443\"\nmetrics = \"127.0.0.1:0\"\nstate_dir = \"{}\"\ninsecure_software_authenticator = true\n[lives]\nlease_s = 4\n[limits]\nceremonies = 1000000\nsessions_per_device = 16\nsessions_per_user = 24\n",
        dir.display()
    );
    Config::from_toml(Path::new("gateway.toml"), &text, std::iter::empty()).unwrap()
}

/// The state directory of a gateway whose keys the log names.
fn keys(dir: &Path, log: &Log) {
    let write = |name: &str, content: &[u8]| secret_file::create(&dir.join(name), content).unwrap();
    write("gateways.key", log.gateways.pkcs8());
    write("gateways-next.pub", log.roster.gateways().next.spki());
    write("route.secret", &random::<32>());
    write("audit.chain", &random::<16>());
}
