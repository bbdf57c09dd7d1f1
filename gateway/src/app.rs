//! Wiring: the one place where the parts of a gateway meet.

mod run;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adit_transport::cid::RandomnessError;
use adit_transport::door::{Door, Strangers};
use adit_transport::endpoint;
use adit_transport::tls::{self, Alpn, ClientGate, TlsConfigError};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Audit;
use crate::broker::{self, Broker};
use crate::ceremony::{self, Ceremonies};
use crate::clock::{Clock, Entropy};
use crate::config::Config;
use crate::control::{Control, EnrolHandler};
use crate::metrics::Metrics;
use crate::policy_in_force::Policies;
use crate::reading::{Reader, Readings};
use crate::registry::Registry;
use crate::relay::{Moved, Relay, RelaySocket};
use crate::roster_log::{self, Founding, RosterLog, RosterLogError};
use crate::services::Services;
use crate::state::{Keys, StateDir, StateError};
use crate::store::deployment::Entry;
use crate::store::{Store, StoreError};
use crate::suspension::Suspensions;

pub use run::{RunError, run};
#[cfg(test)]
pub(crate) use run::{faces, site};

/// How long what runs may take to end after everybody was told.
const DRAIN: Duration = Duration::from_secs(5);

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory.
    #[error("the state directory cannot be used; if this gateway is new, run `adit-gateway init`")]
    State(#[from] StateError),
    /// The store.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The roster in it.
    #[error("the roster cannot be used")]
    Roster(#[from] RosterLogError),
    /// The database belongs to another deployment.
    #[error(
        "the database belongs to a deployment with another gateways' key than {}", path.display()
    )]
    OtherDeployment {
        /// The state directory.
        path: PathBuf,
    },
    /// The socket.
    #[error("cannot listen on UDP {address}")]
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// TLS.
    #[error("the TLS configuration of QUIC cannot be made")]
    Tls(#[from] TlsConfigError),
    /// Randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The endpoint.
    #[error("the QUIC endpoint cannot be made")]
    Endpoint(#[source] io::Error),
}

/// What browsers and agents are answered with. Made of [`Assembled::services`].
#[derive(Clone, Debug)]
pub struct Faces {
    /// Serves `adit-enrol/1`.
    pub enrol: Arc<dyn EnrolHandler>,
    /// The API.
    pub api: axum::Router,
}

/// A gateway whose parts are there and which does not listen to anybody yet.
#[derive(Debug)]
pub struct Assembled {
    services: Services,
    relay: Arc<Relay>,
    socket: Arc<RelaySocket>,
    moves: mpsc::Receiver<Moved>,
    reader: Reader,
    readings: Readings,
    state: StateDir,
}

/// Reads keys and store, verifies the roster, and binds the UDP socket.
///
/// # Errors
/// [`StartError`].
pub async fn assemble(
    config: Config,
    clock: Clock,
    entropy: Entropy,
) -> Result<Assembled, StartError> {
    let state = StateDir::new(&config.state_dir);
    let keys = state.load()?;
    let store = Store::open(&config.database).await?;
    same_deployment(&store, &keys, &config).await?;
    assemble_from(config, clock, entropy, (state, keys, store)).await
}

async fn assemble_from(
    config: Config,
    clock: Clock,
    entropy: Entropy,
    (state, keys, store): (StateDir, Keys, Store),
) -> Result<Assembled, StartError> {
    let config = Arc::new(config);
    let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
    let (audit, roster) = logs(&config, &keys, &store, (&clock, &entropy, &tasks)).await?;
    let suspensions = Arc::new(Suspensions::open(store.clone(), clock.clone()).await?);
    let policies = Arc::new(Policies::new(store.clone()));
    let registry = Arc::new(Registry::default());
    let address = config.listen;
    let (relay, socket, moves) =
        Relay::bind(address, &keys.route).map_err(|source| StartError::Bind { address, source })?;
    let broker = Arc::new(Broker::new(broker::Parts {
        lives: config.lives,
        limits: config.limits,
        clock: clock.clone(),
        entropy: entropy.clone(),
        keys: keys.clone(),
        store: store.clone(),
        audit: Arc::clone(&audit),
        roster: Arc::clone(&roster),
        suspensions: Arc::clone(&suspensions),
        policies: Arc::clone(&policies),
        registry: Arc::clone(&registry),
        relay: Arc::clone(&relay),
        tasks: tasks.clone(),
        stopping: stopping.clone(),
    }));
    let ceremonies = Arc::new(ceremonies(&config, &store, &clock, &entropy));
    let services = Services {
        config,
        clock,
        entropy,
        keys,
        store,
        audit,
        roster,
        suspensions,
        policies,
        registry,
        broker,
        ceremonies,
        tasks,
        stopping,
    };
    let (reader, readings) = Reader::new(&services);
    Ok(Assembled {
        services,
        relay,
        socket,
        moves,
        reader,
        readings,
        state,
    })
}

/// The gateway's audit log and the roster, which notes in it.
async fn logs(
    config: &Config,
    keys: &Keys,
    store: &Store,
    (clock, entropy, tasks): (&Clock, &Entropy, &TaskTracker),
) -> Result<(Arc<Audit>, Arc<RosterLog>), StartError> {
    let chain = keys.audit_chain;
    let audit = Audit::open(store.clone(), clock.clone(), entropy.clone(), chain).await?;
    let parts = roster_log::Parts {
        store: store.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        audit: Arc::clone(&audit),
        founding: founding(config, keys),
        turn: config.lives.turn,
        tasks: tasks.clone(),
    };
    Ok((audit, Arc::new(RosterLog::open(parts).await?)))
}

impl Assembled {
    /// The parts, to make [`Faces`] of.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The relay, for its counters and the address that it listens on.
    #[must_use]
    pub fn relay(&self) -> &Arc<Relay> {
        &self.relay
    }

    /// Takes up the sessions of the store and serves until `shutdown`; what runs is closed then.
    ///
    /// # Errors
    /// [`StartError`] if it cannot begin.
    pub async fn run(self, faces: Faces, shutdown: CancellationToken) -> Result<(), StartError> {
        let services = self.services;
        let tls = tls::server(
            Arc::clone(&services.keys.gateways),
            &[Alpn::Control, Alpn::Enrol],
            ClientGate::AnyKey,
        )?;
        let route = &services.keys.route;
        let endpoint = endpoint::endpoint(
            self.socket,
            route.control_ids(services.entropy.ring())?,
            route.reset_key(),
            Some(endpoint::control_server(tls)),
        )
        .map_err(StartError::Endpoint)?;
        let resumed = services.broker.resume().await?;
        tracing::info!(sessions = resumed, "the gateway listens");
        let tasks = &services.tasks;
        tasks.spawn(self.reader.run(shutdown.clone()));
        let (broker, stop) = (Arc::clone(&services.broker), shutdown.clone());
        tasks.spawn(async move {
            let watching = Box::pin(broker.watch(self.moves));
            stop.run_until_cancelled(watching).await;
        });
        tasks.spawn(forget_seed(services.clone(), self.state, shutdown.clone()));
        if let Some(address) = services.config.metrics {
            let metrics = Metrics {
                relay: Arc::clone(&self.relay),
                registry: Arc::clone(&services.registry),
                broker: Arc::clone(&services.broker),
                readings: self.readings.clone(),
            };
            tasks.spawn(metrics.serve(address, shutdown.clone()));
        }
        let control = Control {
            services: services.clone(),
            relay: self.relay,
            readings: self.readings,
            enrol: faces.enrol,
            api: faces.api,
        };
        let door = Door::new(endpoint.clone(), Strangers::Direct);
        Box::pin(control.run(door, shutdown)).await;
        endpoint.close(0_u32.into(), b"");
        endpoint.wait_idle().await;
        services.stopping.cancel();
        services.tasks.close();
        if timeout(DRAIN, services.tasks.wait()).await.is_err() {
            tracing::warn!("tasks were still running when the gateway ended");
        }
        services.store.close().await;
        Ok(())
    }
}

fn ceremonies(config: &Config, store: &Store, clock: &Clock, entropy: &Entropy) -> Ceremonies {
    let settings = ceremony::Settings {
        origin: config.public.origin(),
        ceremony: config.lives.ceremony,
        sign_in: config.lives.sign_in,
        headless: config.lives.headless,
        at_once: config.limits.ceremonies,
        software_authenticator: config.insecure_software_authenticator,
    };
    Ceremonies::new(store.clone(), clock.clone(), entropy.clone(), settings)
}

/// What a genesis must say to be this gateway's.
#[must_use]
pub fn founding(config: &Config, keys: &Keys) -> Founding {
    Founding {
        gateways_key: keys.gateways.public_key().clone(),
        gateways_next_key: keys.next.clone(),
        rp_id: config.public.rp_id().to_owned(),
        origins: vec![config.public.origin()],
    }
}

async fn same_deployment(store: &Store, keys: &Keys, config: &Config) -> Result<(), StartError> {
    let own = keys.gateways.public_key().fingerprint().0;
    let held = store.deployment::<32>(Entry::GatewaysKey).await?;
    if held == Some(own) {
        return Ok(());
    }
    let path = config.state_dir.clone();
    Err(StartError::OtherDeployment { path })
}

/// Removes the first invitation's seed once there is a genesis: it opens nothing any more.
async fn forget_seed(services: Services, state: StateDir, shutdown: CancellationToken) {
    let mut roster = services.roster.follow();
    let founded = roster.wait_for(Option::is_some);
    if let Some(Ok(_)) = shutdown.run_until_cancelled(founded).await
        && let Err(error) = state.forget_first_invitation()
    {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "the first invitation's seed could not be removed");
    }
}
