//! The public listener with everything behind it that pages need, in this process.

use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use adit_gateway::audit::Audit;
use adit_gateway::ceremony::{Callback, Ceremonies, Settings};
use adit_gateway::clock::{Clock, Entropy};
use adit_gateway::roster_log::{Founding, Parts, RosterLog};
use adit_gateway::store::{Database, Store};
use adit_gateway::web::{self, Scheme};
use adit_proto::assertion::RelyingParty;
use adit_proto::testing::{Person, TestKey};
use adit_proto::time::UnixMillis;
use adit_proto::wire::roster::Statement;
use anyhow::Result;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) const RP_ID: &str = "localhost";

/// A site on a port of its own.
pub(super) struct Site {
    runtime: Runtime,
    origin: String,
    clock: Clock,
    agent: TcpListener,
    shutdown: CancellationToken,
    pub(super) ceremonies: Arc<Ceremonies>,
    pub(super) log: Arc<RosterLog>,
    pub(super) founding: Founding,
    _folder: TempDir,
}

impl Site {
    pub(super) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let origin = format!("http://localhost:{}", listener.local_addr()?.port());
        let folder = tempfile::tempdir()?;
        let (clock, entropy) = (Clock::system(), Entropy::default());
        let founding = Founding {
            gateways_key: TestKey::generate().public().clone(),
            gateways_next_key: TestKey::generate().public().clone(),
            rp_id: RP_ID.into(),
            origins: vec![origin.clone()],
        };
        let database = Database::Sqlite(folder.path().join("adit.db"));
        let (store, audit, log) = runtime.block_on(async {
            let store = Store::open_and_migrate(&database).await?;
            let audit = Audit::open(store.clone(), clock.clone(), entropy.clone(), [1; 16]).await?;
            let parts = Parts {
                store: store.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
                audit: Arc::clone(&audit),
                founding: founding.clone(),
                turn: Duration::from_secs(30),
                tasks: TaskTracker::new(),
            };
            anyhow::Ok((store, audit, Arc::new(RosterLog::open(parts).await?)))
        })?;
        let settings = Settings {
            origin: origin.clone(),
            ceremony: Duration::from_mins(5),
            sign_in: Duration::from_hours(12),
            headless: None,
            at_once: 32,
            software_authenticator: false,
        };
        let ceremonies = Arc::new(Ceremonies::new(store, clock.clone(), entropy, settings));
        let authority = origin.trim_start_matches("http://");
        let site = web::Site::new(Arc::clone(&ceremonies), Arc::clone(&log), audit, authority);
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            web::serve(listener, Scheme::Plain, web::router(site), stop).await;
        });
        let agent = TcpListener::bind("127.0.0.1:0")?;
        Ok(Self {
            runtime,
            origin,
            clock,
            agent,
            shutdown,
            ceremonies,
            log,
            founding,
            _folder: folder,
        })
    }

    pub(super) fn origin(&self) -> String {
        self.origin.clone()
    }

    pub(super) fn party(&self) -> RelyingParty {
        RelyingParty::new(RP_ID, &[self.origin()]).unwrap()
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub(super) fn soon(&self) -> Instant {
        let _inside = self.runtime.enter();
        Instant::now() + Duration::from_secs(30)
    }

    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Appends a statement of a person in a turn.
    pub(super) fn append(&self, person: &Person, statement: &Statement) {
        let holder = person.device.fingerprint();
        self.wait(async {
            let turn = self.log.turn(holder).await.unwrap();
            self.log.append(turn.id, &holder, statement).await.unwrap();
        });
    }

    /// The agent's port.
    pub(super) fn callback(&self) -> Callback {
        let port = self.agent.local_addr().unwrap().port();
        format!("http://127.0.0.1:{port}/callback").parse().unwrap()
    }

    /// Answers the browser's call at the agent's port, meanwhile; joining gives code and state.
    pub(super) fn agent(&self) -> JoinHandle<(String, String)> {
        let agent = self.agent.try_clone().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = agent.accept().unwrap();
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
                .unwrap();
            let query = head.strip_prefix("GET /callback?code=").unwrap();
            let (query, _) = query.split_once(' ').unwrap();
            let (code, state) = query.split_once("&state=").unwrap();
            (code.to_owned(), state.to_owned())
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
