//! A gateway with nothing but relay and registration, and parties that stay registered.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use adit_transport::cid::{INSTANCE_LEN, RouteId, RouteSecret};
use adit_transport::door::{Door, Strangers};
use adit_transport::endpoint::{self, Liveliness};
use adit_transport::key::{DeviceSigner, PrivateKey};
use adit_transport::party::{Dial, Party, PartyConfig};
use adit_transport::rebind::BindKey;
use adit_transport::tls::{self, Alpn, ClientGate, ServerPin};
use adit_transport::way::Attachment;
use parking_lot::Mutex;
use quinn::{Connection, ConnectionError};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::{Moved, Place, Relay};

/// How long a test waits for something that must happen.
pub(super) const BOUND: Duration = Duration::from_secs(20);

const SECRET: [u8; 32] = [7; 32];

pub(super) fn signer() -> Arc<dyn DeviceSigner> {
    PrivateKey::generate(&SystemRandom::new())
        .unwrap()
        .into_signer()
}

pub(super) fn pin(signer: &Arc<dyn DeviceSigner>) -> ServerPin {
    ServerPin::Key(signer.public_key().fingerprint())
}

/// Waits for what must happen within [`BOUND`].
pub(super) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    timeout(BOUND, happens)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Waits until a condition holds.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    let held = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    soon(what, held).await;
}

/// Whether pairs of registered parties are announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announcing {
    Everybody,
    Nobody,
}

type Registered = Vec<(RouteId, mpsc::Sender<RouteId>)>;

struct Switchboard {
    relay: Arc<Relay>,
    secret: RouteSecret,
    announcing: Announcing,
    registered: Mutex<Registered>,
    ended: Ended,
}

/// Which connections have ended, and how, by the addresses that they came from.
pub(super) type Ended = Arc<Mutex<HashMap<SocketAddr, ConnectionError>>>;

/// A gateway in a runtime of its own, which can be killed without a word to anybody.
pub(super) struct Gateway {
    runtime: Option<tokio::runtime::Runtime>,
    pub(super) relay: Option<Arc<Relay>>,
    pub(super) moves: mpsc::Receiver<Moved>,
    pub(super) addr: SocketAddr,
    pub(super) signer: Arc<dyn DeviceSigner>,
    pub(super) ended: Ended,
}

impl Gateway {
    pub(super) fn start(announcing: Announcing) -> Self {
        Self::listening((Ipv4Addr::LOCALHOST, 0).into(), announcing)
    }

    pub(super) fn listening(listen: SocketAddr, announcing: Announcing) -> Self {
        Self::start_at(listen, signer(), announcing).unwrap()
    }

    fn start_at(
        listen: SocketAddr,
        signer: Arc<dyn DeviceSigner>,
        announcing: Announcing,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let inside = runtime.enter();
        let rng = SystemRandom::new();
        let secret = RouteSecret::from_bytes(SECRET);
        let (relay, socket, moves) = Relay::bind(listen, &secret)?;
        let tls = tls::server(signer.clone(), &[Alpn::Control], ClientGate::AnyKey).unwrap();
        let ids = secret.control_ids(&rng).unwrap();
        let server = Some(endpoint::control_server(tls));
        let endpoint = endpoint::endpoint(socket, ids, secret.reset_key(), server)?;
        let addr = relay.local_addr()?;
        let board = Switchboard {
            relay: relay.clone(),
            secret,
            announcing,
            registered: Mutex::default(),
            ended: Ended::default(),
        };
        let ended = board.ended.clone();
        runtime.spawn(serve(
            Door::new(endpoint, Strangers::Direct),
            Arc::new(board),
        ));
        drop(inside);
        Ok(Self {
            runtime: Some(runtime),
            relay: Some(relay),
            moves,
            addr,
            signer,
            ended,
        })
    }

    pub(super) fn relay(&self) -> &Arc<Relay> {
        self.relay.as_ref().unwrap()
    }

    /// Ends the gateway like SIGKILL: nobody is told.
    pub(super) async fn kill(&mut self) {
        self.relay = None;
        let runtime = self.runtime.take().unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(BOUND))
            .await
            .unwrap();
    }

    /// Starts another process of the same gateway in the place of a killed one.
    pub(super) async fn start_again(&mut self, announcing: Announcing) {
        let started = async {
            loop {
                match Self::start_at(self.addr, self.signer.clone(), announcing) {
                    Ok(started) => return started,
                    // The old socket closes when its last task is gone.
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let started = soon("the port's return", started).await;
        *self = started;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(door: Door, board: Arc<Switchboard>) {
    let mut tasks = JoinSet::new();
    while let Some(arrival) = door.next().await {
        let board = board.clone();
        tasks.spawn(async move {
            let connection = arrival.handshake().await.ok()?;
            let (from, ended) = (connection.remote_address(), board.ended.clone());
            // Whoever gives up a stream may still be closed for what else it sends.
            let (_, how) = tokio::join!(control(connection.clone(), board), connection.closed());
            ended.lock().insert(from, how);
            Some(())
        });
    }
}

/// One control connection: instance in, route out, then the routes of peers out, and whatever else in.
async fn control(connection: Connection, board: Arc<Switchboard>) -> Option<()> {
    let _admission = board.relay.admit(connection.remote_address());
    let (mut send, mut recv) = connection.accept_bi().await.ok()?;
    let mut instance = [0; INSTANCE_LEN];
    recv.read_exact(&mut instance).await.ok()?;
    let route = board
        .secret
        .route_of(&tls::peer_key(&connection)?, &instance);
    let key = BindKey::export(&connection).ok()?;
    board.relay.register(route, Place::of(&connection), key);
    send.write_all(&route.bits().to_be_bytes()).await.ok()?;
    let mut peers = board.introduce(route);
    let mut nudges = [0; 64];
    loop {
        tokio::select! {
            peer = peers.recv() => send.write_all(&peer?.bits().to_be_bytes()).await.ok()?,
            read = recv.read(&mut nudges) => { read.ok()??; }
        }
    }
}

impl Switchboard {
    /// Tells a new party and the earlier ones of each other.
    fn introduce(&self, route: RouteId) -> mpsc::Receiver<RouteId> {
        let (tell, peers) = mpsc::channel(64);
        let mut registered = self.registered.lock();
        registered.retain(|(earlier, _)| *earlier != route);
        for (earlier, tell_earlier) in &*registered {
            if self.announcing == Announcing::Everybody {
                self.relay.announce(route, *earlier);
            }
            let _ = tell_earlier.try_send(route);
            let _ = tell.try_send(*earlier);
        }
        registered.push((route, tell));
        peers
    }
}

/// A party that keeps itself registered.
pub(super) struct End {
    pub(super) party: Arc<Party>,
    pub(super) signer: Arc<dyn DeviceSigner>,
    peer: watch::Receiver<Option<RouteId>>,
    pub(super) registrations: watch::Receiver<u32>,
    /// How often the party was asked to say something on its control stream.
    pub(super) nudges: Arc<AtomicU32>,
    _tasks: JoinSet<()>,
}

impl End {
    pub(super) fn client(at: SocketAddr, gateway: &Gateway) -> Self {
        Self::start(at, gateway, Attachment::Free, None)
    }

    pub(super) fn connector(gateway: &Gateway) -> Self {
        Self::connector_at(gateway.addr, gateway)
    }

    pub(super) fn connector_at(at: SocketAddr, gateway: &Gateway) -> Self {
        Self::start(at, gateway, Attachment::Connected, Some(ClientGate::AnyKey))
    }

    fn start(
        at: SocketAddr,
        gateway: &Gateway,
        attachment: Attachment,
        links_from: Option<ClientGate>,
    ) -> Self {
        let rng = SystemRandom::new();
        let signer = signer();
        let config = PartyConfig {
            gateway: at,
            attachment,
            signer: signer.clone(),
            links_from,
        };
        let party = Arc::new(Party::new(config, &rng).unwrap());
        let (peer_tx, peer) = watch::channel(None);
        let (registrations_tx, registrations) = watch::channel(0);
        let nudges = Arc::new(AtomicU32::new(0));
        let mut instance = [0; INSTANCE_LEN];
        rng.fill(&mut instance).unwrap();
        let dial = Dial {
            alpn: Alpn::Control,
            pin: pin(&gateway.signer),
            liveliness: Liveliness::Prompt,
            patience: None,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn({
            let (party, nudges) = (party.clone(), nudges.clone());
            async move {
                loop {
                    let _ = registered(
                        &party,
                        dial,
                        instance,
                        (&peer_tx, &registrations_tx, &nudges),
                    )
                    .await;
                }
            }
        });
        Self {
            party,
            signer,
            peer,
            registrations,
            nudges,
            _tasks: tasks,
        }
    }

    /// The route of the other party, once there is one.
    pub(super) async fn peer(&self) -> RouteId {
        let mut peer = self.peer.clone();
        soon("an announcement", async move {
            peer.wait_for(Option::is_some).await.unwrap().unwrap()
        })
        .await
    }
}

/// One control connection from dialling to its end.
async fn registered(
    party: &Party,
    dial: Dial,
    instance: [u8; INSTANCE_LEN],
    (peer, registrations, nudged): (
        &watch::Sender<Option<RouteId>>,
        &watch::Sender<u32>,
        &AtomicU32,
    ),
) -> anyhow::Result<()> {
    let connection = party.dial(dial).await?;
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(&instance).await?;
    let mut route = [0; 8];
    recv.read_exact(&mut route).await?;
    let route = RouteId::from_bits(u64::from_be_bytes(route)).unwrap();
    assert!(
        party.route().is_none_or(|before| before == route),
        "a route stays the same"
    );
    let mut asked = party.registered(&connection, route)?;
    registrations.send_modify(|times| *times += 1);
    let (tell, mut told) = mpsc::channel(64);
    // Reading eight bytes must not be cancelled half-way.
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let mut route = [0; 8];
        while recv.read_exact(&mut route).await.is_ok() {
            let _ = tell
                .send(RouteId::from_bits(u64::from_be_bytes(route)).unwrap())
                .await;
        }
    });
    loop {
        tokio::select! {
            nudge = asked.recv() => { nudge.unwrap(); nudged.fetch_add(1, Ordering::Relaxed); send.write_all(b"?").await?; }
            route = told.recv() => {
                let route = route.ok_or_else(|| anyhow::anyhow!("the control connection ended"))?;
                party.announced(route);
                peer.send_replace(Some(route));
            }
        }
    }
}

/// Both ends of a link.
pub(super) struct Link {
    pub(super) near: Connection,
    pub(super) far: Connection,
}

/// Opens a link from `client` to `connector`.
pub(super) async fn link(client: &End, connector: &End) -> Link {
    let route = client.peer().await;
    let dialled = client
        .party
        .connect_link(route, pin(&connector.signer), BOUND);
    let accepted = async {
        connector
            .party
            .accept_link()
            .await
            .unwrap()
            .handshake()
            .await
    };
    let (near, far) = soon("a link", async { tokio::join!(dialled, accepted) }).await;
    Link {
        near: near.unwrap(),
        far: far.unwrap(),
    }
}
