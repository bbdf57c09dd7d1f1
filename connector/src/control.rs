//! Control connections to the gateways: one for each address of the configuration, for as long as the process runs.
//!
//! ```text
//! resolve ─▶ dial (pinned to the gateways' key) ─▶ Register ─▶ Registered ─▶ frames both ways ─▶ lost ─▶ wait, again
//! ```
//!
//! Nothing that a gateway says is believed beyond what it may say: statements are verified by the book, a policy's text by
//! its digest in the roster, offers by the session table. A queue that a gateway does not read closes the connection, and
//! the next registration says what is held.

mod backoff;
mod connection;
mod incoming;
mod metrics;
mod offers;
mod outgoing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::key::Fingerprint;
use adit_transport::endpoint::Liveliness;
use adit_transport::key::DeviceSigner;
use adit_transport::party::{Dial, DialError, Party, PartyConfig};
use adit_transport::resolve::resolve;
use adit_transport::tls::{Alpn, ServerPin};
use adit_transport::way::Attachment;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::{Audit, event};
use crate::clock::Clock;
use crate::config::address::HostPort;
use crate::link::{self, Links};
use crate::roster::Book;
use crate::session::Table;
use crate::session::lease::Lease;
use backoff::Backoff;

/// How long a gateway is dialled at one address before its name is asked for again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the connector says of itself when it registers.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// This process.
    pub instance: [u8; 16],
    /// Kubernetes groups within the ceiling.
    pub groups: Vec<String>,
    /// Names and kinds of services beside the API server.
    pub services: Vec<(String, &'static str)>,
    /// Whether the API server is served.
    pub kubernetes: bool,
}

/// What control connections work with.
#[derive(Debug)]
pub struct Control {
    /// The cluster's key.
    pub signer: Arc<dyn DeviceSigner>,
    /// The hash of the gateways' key.
    pub gateways_key: Fingerprint,
    /// What is said at registration.
    pub presentation: Presentation,
    /// Roster and policy.
    pub book: Arc<Book>,
    /// The sessions.
    pub sessions: Arc<Table>,
    /// Links come in over the same ways.
    pub links: Arc<Links>,
    /// The lease of all gateways.
    pub lease: Arc<Lease>,
    /// The audit log.
    pub audit: Audit,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Owns the tasks that offers are verified on.
    pub tasks: TaskTracker,
    /// No session is taken any more, and the connections are closed.
    pub draining: CancellationToken,
    /// Records go up over one connection at a time, in order.
    pub upload_turn: Semaphore,
    /// How many gateways this connector is registered with.
    pub registered: AtomicUsize,
}

impl Control {
    /// Whether any gateway knows this connector.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Acquire) > 0
    }

    /// Keeps a connection to one gateway until the process drains. Links go on until [`Party::close`], which happens
    /// when the returned party is closed.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub async fn keep(self: Arc<Self>, gateway: HostPort) -> Option<Arc<Party>> {
        let mut backoff = Backoff::new();
        let mut party = None;
        loop {
            let connected = tokio::select! {
                connected = self.connect(&gateway, &mut party, &mut backoff) => connected,
                () = self.draining.cancelled() => return party,
            };
            let Some(connection) = connected else {
                continue;
            };
            if let Some(party) = &party {
                self.attend(party, &connection, &mut backoff).await;
            }
            if self.draining.is_cancelled() {
                return party;
            }
        }
    }

    /// One attempt, after the wait that is due.
    async fn connect(
        self: &Arc<Self>,
        gateway: &HostPort,
        party: &mut Option<Arc<Party>>,
        backoff: &mut Backoff,
    ) -> Option<quinn::Connection> {
        backoff.wait().await;
        let address = match resolve(gateway.host(), gateway.port()).await {
            Ok(address) => address,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%gateway, error, "a gateway's name leads nowhere");
                return None;
            }
        };
        let party = match self.party(address, party) {
            Ok(party) => party,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%gateway, error, "there is no way to a gateway");
                return None;
            }
        };
        let dial = Dial {
            alpn: Alpn::Control,
            pin: self.pin(),
            liveliness: Liveliness::Prompt,
            patience: Some(PATIENCE),
        };
        match party.dial(dial).await {
            Ok(connection) => Some(connection),
            Err(error) => {
                tell_dial_error(gateway, &error);
                None
            }
        }
    }

    /// The party of a gateway: made once, moved when the gateway's name leads elsewhere.
    fn party(
        self: &Arc<Self>,
        address: SocketAddr,
        held: &mut Option<Arc<Party>>,
    ) -> Result<Arc<Party>, adit_transport::party::PartyError> {
        if let Some(party) = held {
            if party.gateway() != address {
                party.move_to(address)?;
            }
            return Ok(party.clone());
        }
        let config = PartyConfig {
            gateway: address,
            attachment: Attachment::Connected,
            signer: self.signer.clone(),
            links_from: Some(link::gate(self.book.clone())),
        };
        let party = Arc::new(Party::new(config, &SystemRandom::new())?);
        self.tasks.spawn(self.links.clone().accept(party.clone()));
        *held = Some(party.clone());
        Ok(party)
    }

    /// The gateways' key of the configuration, or its successor once the roster has told it.
    fn pin(&self) -> ServerPin {
        match self.book.known() {
            Ok(known) => {
                let next = known.roster().gateways().next.fingerprint();
                ServerPin::KeyOrSuccessor(self.gateways_key, next)
            }
            Err(_) => ServerPin::Key(self.gateways_key),
        }
    }

    /// Notes that something a gateway said was refused.
    fn refuse(&self, subject: &str, reason: Reason, detail: &str) {
        let actor = adit_proto::wire::audit::Actor::default();
        self.audit
            .note(event::refusal(actor, subject, reason, detail));
        tracing::warn!(
            reason = reason.as_str(),
            detail,
            "a gateway was refused: {subject}"
        );
    }
}

fn tell_dial_error(gateway: &HostPort, error: &DialError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(%gateway, error, "a gateway does not answer, or is not the one of the configuration");
}
