//! The only place where things are wired together.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::sign_in::SignInCeiling;
use adit_transport::key::{PrivateKey, PrivateKeyError};
use adit_transport::party::Party;
use adit_transport::secret_file::Readers;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::{self, Audit, OpenError};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::control::{Control, Presentation};
use crate::health::{Beat, HealthError, Heart};
use crate::kube::{self, CredentialsError, Kube};
use crate::link::{Held, Links};
use crate::random::{self, NoRandomness};
use crate::roster::{Book, BookError, Origin};
use crate::service::Services;
use crate::session::Table;
use crate::session::lease::Lease;
use crate::session::offer::Bounds;
use crate::session::table::Parts;
use crate::web::{Identities, Web};

/// How often what is due is looked for: leases, expiry, idle sessions, decisions that have aged, noted audit events.
const TICK: Duration = Duration::from_millis(250);
/// How long streams may go on after SIGTERM. Below the 30 s that a kubelet waits.
const DRAIN: Duration = Duration::from_secs(25);
/// How often a drain looks whether it is done.
const DRAIN_LOOK: Duration = Duration::from_millis(100);
/// How long connections may take to close.
const CLOSE: Duration = Duration::from_secs(2);

/// Why the connector does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The cluster's key.
    #[error("the cluster's key cannot be used")]
    Key(#[from] PrivateKeyError),
    /// The roster.
    #[error("the roster cannot be opened")]
    Book(#[from] BookError),
    /// The audit log.
    #[error("the audit log cannot be opened")]
    Audit(#[from] OpenError),
    /// The API server's credentials.
    #[error("the API server cannot be asked")]
    Credentials(#[from] CredentialsError),
    /// The file that the health probe reads.
    #[error("the state directory cannot be used")]
    Health(#[from] HealthError),
    /// No instance id.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// Everything that was wired.
#[derive(Debug)]
struct App {
    config: Config,
    control: Arc<Control>,
    sessions: Arc<Table>,
    audit: Audit,
    heart: Heart,
    draining: CancellationToken,
    tasks: TaskTracker,
}

/// Runs the connector until `shutdown`, then drains: no new session, streams may end by themselves for 25 s.
///
/// # Errors
/// [`AppError`]: nothing was served then.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), AppError> {
    let app = App::new(config)?;
    app.do_due().await;
    let mut keepers = JoinSet::new();
    for gateway in app.config.gateways.clone() {
        keepers.spawn(app.control.clone().keep(gateway));
    }
    tracing::info!(cluster = %app.config.cluster, "the connector runs");
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = app.keep_house() => {}
    }
    app.drain(keepers).await;
    Ok(())
}

/// Reads everything that the configuration names and opens no connection.
///
/// # Errors
/// [`AppError`].
pub fn check(config: Config) -> Result<(), AppError> {
    App::new(config).map(|_| ())
}

impl App {
    fn new(config: Config) -> Result<Self, AppError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let heart = Heart::new(&config.state_dir)?;
        let signer = PrivateKey::load(&config.key_file, Readers::OwnerAndGroup)?.into_signer();
        let origin = Origin {
            genesis: config.genesis,
            head: config.head,
        };
        let book = Arc::new(Book::open(&config.state_dir, origin)?);
        let instance = random::bytes()?;
        let audit = Audit::open(&audit_options(&config, instance), clock.clone())?;
        tell_what_is_lost(&config);
        let (lease, tasks) = (Arc::new(Lease::default()), TaskTracker::new());
        let draining = CancellationToken::new();
        let sessions = Arc::new(Table::new(Parts {
            book: book.clone(),
            bounds: bounds(&config),
            audit: audit.clone(),
            lease: lease.clone(),
            clock: clock.clone(),
            limit: config.sessions,
            streams_per_user: config.streams_per_user,
        }));
        let kube = api_server(&config, &audit, &sessions, &clock)?;
        let services = Services::new(&config.services, audit.clone(), clock.clone());
        let identities = Identities::new(&config.cluster, signer.clone(), clock.clone());
        let links = Arc::new(Links {
            book: book.clone(),
            sessions: sessions.clone(),
            kube,
            services,
            web: Web::new(identities, book.clone(), audit.clone()),
            audit: audit.clone(),
            held: Held::default(),
            tasks: tasks.clone(),
            draining: draining.clone(),
        });
        let control = Arc::new(Control {
            signer,
            gateways_key: config.gateways_key,
            presentation: presentation(&config, instance),
            book,
            sessions: sessions.clone(),
            links,
            lease,
            audit: audit.clone(),
            clock,
            tasks: tasks.clone(),
            draining: draining.clone(),
            upload_turn: Semaphore::new(1),
            registered: AtomicUsize::new(0),
        });
        Ok(Self {
            config,
            control,
            sessions,
            audit,
            heart,
            draining,
            tasks,
        })
    }

    /// Follows the roster, and does what is due from time to time. Ends never.
    async fn keep_house(&self) {
        let kube = &self.control.links.kube;
        let upstream = async {
            if let Some(kube) = kube {
                kube.upstream().follow().await;
            }
        };
        tokio::join!(self.sessions.follow_roster(), upstream, self.tick());
    }

    async fn tick(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.do_due().await;
        }
    }

    async fn do_due(&self) {
        self.sessions.sweep();
        self.sessions.review_aged().await;
        self.control.book.flush();
        if let Err(error) = self.audit.flush() {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "audit events wait to be written");
        }
        let beat = if self.draining.is_cancelled() {
            Beat::Draining
        } else if self.control.is_registered() {
            Beat::Registered
        } else {
            Beat::Alone
        };
        if let Err(error) = self.heart.beat(self.control.clock.boot(), beat) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the health file cannot be written");
        }
    }

    /// Leaves the gateways, lets streams end, then ends what is left.
    async fn drain(&self, mut keepers: JoinSet<Option<Arc<Party>>>) {
        tracing::info!("the connector drains");
        self.draining.cancel();
        let mut parties = Vec::new();
        while let Some(kept) = keepers.join_next().await {
            parties.extend(kept.ok().flatten());
        }
        let quiet = async {
            while self.sessions.counted().1 > 0 {
                tokio::time::sleep(DRAIN_LOOK).await;
                self.do_due().await;
            }
        };
        if timeout(DRAIN, quiet).await.is_err() {
            tracing::info!("streams that did not end are cut off");
        }
        self.sessions.end_all(Reason::TargetOffline);
        let reason = Reason::TargetOffline;
        for party in parties {
            let closing = party.close(reason.code(), reason.as_str().as_bytes());
            // Who is not told in time learns it by silence.
            let _ = timeout(CLOSE, closing).await;
        }
        self.tasks.close();
        let _ = timeout(CLOSE, self.tasks.wait()).await;
        if let Err(error) = self.audit.close().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the last audit events were not written");
        }
        tracing::info!("the connector has ended");
    }
}

fn tell_what_is_lost(config: &Config) {
    if !config.survives_restart {
        tracing::warn!(
            "the state directory does not outlive this process: with it go audit records that no gateway stored \
             yet, and the roster goes back to the configured head"
        );
    }
}

fn audit_options(config: &Config, instance: [u8; 16]) -> audit::Options {
    audit::Options {
        dir: Path::join(&config.state_dir, "audit"),
        max_bytes: config.spool_max_bytes,
        writer: config.cluster.to_string(),
        instance,
        survives_restart: config.survives_restart,
    }
}

fn bounds(config: &Config) -> Bounds {
    Bounds {
        cluster: config.cluster.clone(),
        kubernetes: config.kubernetes.is_some(),
        services: config
            .services
            .iter()
            .map(|service| service.name.clone())
            .collect(),
        groups: config.ceiling.groups.clone(),
        sign_in: SignInCeiling {
            max_age: config.ceiling.sign_in,
            headless_max_age: config.ceiling.headless,
        },
    }
}

fn presentation(config: &Config, instance: [u8; 16]) -> Presentation {
    Presentation {
        instance,
        groups: config
            .ceiling
            .groups
            .iter()
            .map(ToString::to_string)
            .collect(),
        services: config
            .services
            .iter()
            .map(|service| (service.name.to_string(), service.kind.as_str()))
            .collect(),
        kubernetes: config.kubernetes.is_some(),
    }
}

fn api_server(
    config: &Config,
    audit: &Audit,
    sessions: &Arc<Table>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<Kube>>, CredentialsError> {
    let Some(kubernetes) = &config.kubernetes else {
        return Ok(None);
    };
    let upstream = kube::load(kubernetes, config.upstream_connections)?;
    let kube = Kube::new(upstream, audit.clone(), sessions.clone(), clock.clone());
    Ok(Some(Arc::new(kube)))
}
