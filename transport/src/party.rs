//! A party: what a client and a connector have in common towards a gateway.
//!
//! Owns the way and both endpoints over it, dials control connections, opens or accepts links, and watches for silence.
//! What is said on a control connection is the caller's: after each registration it calls [`Party::registered`], for
//! each pair that the gateway announces [`Party::announced`], and it writes a few bytes on its control stream whenever
//! the [`Nudges`] that it holds say so.

mod dial;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quinn::{Connection, Endpoint};
use ring::rand::SecureRandom;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cid::{ControlIds, IdSeed, OverlayIds, OwnRoute, RandomnessError, ResetKey, RouteId};
use crate::door::{Arrival, Door, Strangers};
use crate::endpoint::{self, Liveliness};
use crate::key::DeviceSigner;
use crate::rebind::{BindKey, ExportError};
use crate::tls::{self, Alpn, ClientGate, ServerPin, TlsConfigError};
use crate::way::{Attachment, ControlSocket, OverlaySocket, PEER, Way, WayCounts};
pub use dial::DialError;
use watch::Watched;

/// Why there is no party.
#[derive(Debug, thiserror::Error)]
pub enum PartyError {
    /// No socket could be opened.
    #[error("cannot open a UDP socket to {gateway}")]
    Socket {
        /// The gateway's address.
        gateway: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The TLS configuration is refused.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
}

/// What a party is.
#[derive(Debug, Clone)]
pub struct PartyConfig {
    /// The gateway's UDP address.
    pub gateway: SocketAddr,
    /// Whether the socket is connected: yes at a connector.
    pub attachment: Attachment,
    /// The party's key: a device's or a cluster's.
    pub signer: Arc<dyn DeviceSigner>,
    /// Which devices may open a link; `None` at a client, which accepts none.
    ///
    /// A handshake signs under the overlay endpoint's lock, which also reads for control: no TPM behind it.
    pub links_from: Option<ClientGate>,
}

/// How to dial a control or enrolment connection.
#[derive(Debug, Clone, Copy)]
pub struct Dial {
    /// [`Alpn::Control`] or [`Alpn::Enrol`].
    pub alpn: Alpn,
    /// Which gateway is taken.
    pub pin: ServerPin,
    /// How soon its death must be known.
    pub liveliness: Liveliness,
    /// When to give up; `None` goes on for as long as nobody refuses.
    pub patience: Option<Duration>,
}

/// Asks for a few bytes on the control stream, which a gateway that was restarted answers with a reset.
///
/// Bounded at one: a request that was not served yet is not doubled.
pub type Nudges = mpsc::Receiver<()>;

/// One way to a gateway, with a control and an overlay endpoint.
#[derive(Debug)]
pub struct Party {
    way: Arc<Way>,
    signer: Arc<dyn DeviceSigner>,
    control: Endpoint,
    first_ids: ControlIds,
    overlay: Endpoint,
    overlay_ids: OverlayIds,
    own: OwnRoute,
    watched: Arc<Watched>,
    door: Door,
    rng: Arc<Mutex<dial::Jitter>>,
    /// Ends with the party.
    _tasks: JoinSet<()>,
}

impl Party {
    /// Opens the way and both endpoints. Must be called inside a tokio runtime; sends nothing.
    ///
    /// # Errors
    /// [`PartyError`].
    pub fn new(config: PartyConfig, rng: &dyn SecureRandom) -> Result<Self, PartyError> {
        let gateway = config.gateway;
        let no_socket = |source| PartyError::Socket { gateway, source };
        let own = OwnRoute::default();
        let way = Way::open(gateway, config.attachment, own.clone()).map_err(no_socket)?;
        let server = match config.links_from {
            Some(gate) => {
                let tls = tls::server(config.signer.clone(), &[Alpn::Link], gate)?;
                Some(endpoint::link_server(tls))
            }
            None => None,
        };
        // The overlay endpoint reads the socket, so it comes first.
        let overlay_ids = OverlayIds::new(own.clone(), IdSeed::new(rng)?);
        let socket = Arc::new(OverlaySocket(way.clone()));
        let overlay = endpoint::endpoint(
            socket,
            overlay_ids.clone(),
            ResetKey::ephemeral(rng)?,
            server,
        );
        let overlay = overlay.map_err(no_socket)?;
        let first_ids = ControlIds::ephemeral(rng)?;
        let socket = Arc::new(ControlSocket(way.clone()));
        let control =
            endpoint::endpoint(socket, first_ids.clone(), ResetKey::ephemeral(rng)?, None);
        let control = control.map_err(no_socket)?;
        let watched = Arc::new(Watched::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(watch::watch(way.clone(), watched.clone()));
        Ok(Self {
            way,
            signer: config.signer,
            control,
            first_ids,
            door: Door::new(overlay.clone(), Strangers::Relayed),
            overlay,
            overlay_ids,
            own,
            watched,
            rng: Arc::new(Mutex::new(dial::Jitter::new(rng)?)),
            _tasks: tasks,
        })
    }

    /// Dials the gateway until it answers or refuses, each attempt anew after 500 ms.
    ///
    /// # Errors
    /// [`DialError::Refused`] when the other end, or the pin, said no; [`DialError::OutOfPatience`] when nobody answered.
    ///
    /// # Cancel safety
    /// Dropping it gives the attempts up.
    pub async fn dial(&self, dial: Dial) -> Result<Connection, DialError> {
        let tls = tls::client(self.signer.clone(), dial.alpn, dial.pin)?;
        let ids = self.first_ids.clone();
        let config = endpoint::control_client(tls, dial.liveliness, Arc::new(move || ids.make()));
        let attempt = || {
            self.control
                .connect_with(config.clone(), self.way.gateway(), tls::SERVER_NAME)
        };
        dial::dial(attempt, dial.patience, &self.rng).await
    }

    /// Takes over a registration: `route` as the gateway told it on `control`.
    ///
    /// From now on links can be opened and accepted, silence is asked about with the returned [`Nudges`], and a change of
    /// address is told to the relay. A further call, after the next dial, replaces the one before.
    ///
    /// # Errors
    /// [`ExportError`] before the handshake of `control` is complete.
    pub fn registered(&self, control: &Connection, route: RouteId) -> Result<Nudges, ExportError> {
        self.way.set_registered(route, BindKey::export(control)?);
        let (nudge, nudges) = mpsc::channel(1);
        self.watched.set_control(control.clone(), nudge);
        self.way.pulse().wake_watcher();
        Ok(nudges)
    }

    /// The party's own route, once it has been registered.
    #[must_use]
    pub fn route(&self) -> Option<RouteId> {
        self.own.get()
    }

    /// Takes note that the relay now forwards between this party and `peer`: what was held for it is sent again.
    pub fn announced(&self, peer: RouteId) {
        self.way.release(peer);
    }

    /// Forgets what was held for `peer`, whose link is gone.
    pub fn withdrawn(&self, peer: RouteId) {
        self.way.forget(peer);
    }

    /// Opens a link to the connector behind `route`, whose key `pin` names.
    ///
    /// # Errors
    /// [`DialError::Refused`] when the other end, or the pin, said no; [`DialError::OutOfPatience`].
    ///
    /// # Cancel safety
    /// Dropping it gives the attempts up.
    pub async fn connect_link(
        &self,
        route: RouteId,
        pin: ServerPin,
        patience: Duration,
    ) -> Result<Connection, DialError> {
        let tls = tls::client(self.signer.clone(), Alpn::Link, pin)?;
        let ids = self.overlay_ids.clone();
        let config = endpoint::link_client(tls, Arc::new(move || ids.towards(route)));
        let attempt = || {
            self.overlay
                .connect_with(config.clone(), PEER, tls::SERVER_NAME)
        };
        dial::dial(attempt, Some(patience), &self.rng).await
    }

    /// Waits for the next link; `None` once the party is closed. Complete it on a task of its own.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn accept_link(&self) -> Option<Arrival> {
        self.door.next().await
    }

    /// Tells the relay where this party is, until it is heard: after sleep, when a NAT may have forgotten the socket.
    pub fn woke_up(&self) {
        self.way.send_bind();
        self.watched.ask();
        self.way.pulse().wake_watcher();
    }

    /// Moves to a new socket, for the same gateway after a change of network, for another, or another address of the
    /// same; and tells everybody. The control connection to the old one is lost: dial.
    ///
    /// # Errors
    /// When no socket could be opened; the old one stays.
    pub fn move_to(&self, gateway: SocketAddr) -> Result<(), PartyError> {
        let no_socket = |source| PartyError::Socket { gateway, source };
        self.way.reopen(gateway).map_err(no_socket)?;
        self.woke_up();
        // So that the control connection's path is tried at once.
        self.control
            .rebind_abstract(Arc::new(ControlSocket(self.way.clone())))
            .map_err(no_socket)
    }

    /// The gateway's address.
    #[must_use]
    pub fn gateway(&self) -> SocketAddr {
        self.way.gateway()
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// What the system said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.way.local_addr()
    }

    /// Reads the way's counters.
    #[must_use]
    pub fn counts(&self) -> WayCounts {
        self.way.counts()
    }

    /// Closes all connections with `code` and waits until the other ends have been told.
    pub async fn close(&self, code: u32, reason: &[u8]) {
        for endpoint in [&self.overlay, &self.control] {
            endpoint.close(code.into(), reason);
        }
        self.overlay.wait_idle().await;
        self.control.wait_idle().await;
    }
}
