//! Control connections: who is let in, in which order messages come, and what is pushed.
//!
//! ```text
//! arrival ──handshake 5 s──▶ adit-enrol/1   ──▶ EnrolHandler
//!                       └──▶ adit-control/1 ──▶ key in the roster? ──Register within 10 s──▶ registered ──▶ gone
//!                                                   └─ closed with the reason
//! ```
//!
//! Who calls is known from the TLS key and from nothing that is sent. Messages are declared once, in [`messages`], with
//! who may send them; anything else closes the connection with a reason.

mod calls;
mod connection;
pub mod messages;
mod push;
mod receive;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use calls::caller;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::key::PublicKey;
use adit_transport::door::{Arrival, Door};
use adit_transport::tls::{Alpn, alpn, peer_key};
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::reading::Readings;
use crate::registry::close;
use crate::relay::Relay;
use crate::services::Services;

/// How many strangers enrol at once. Each holds a connection for as long as a person takes in the browser.
const ENROLLING: usize = 512;

/// A device key that wants to enrol, on its own connection.
#[derive(Debug)]
pub struct Stranger {
    /// The connection. Whoever takes it closes it.
    pub connection: quinn::Connection,
    /// The key that it proved.
    pub key: PublicKey,
    /// Where it comes from, as the handshake validated it.
    pub address: SocketAddr,
}

/// Serves `adit-enrol/1`.
pub trait EnrolHandler: fmt::Debug + Send + Sync + 'static {
    /// Serves one stranger to the end.
    fn enrol(&self, stranger: Stranger) -> BoxFuture<'static, ()>;
}

/// What control connections are served with.
#[derive(Clone, Debug)]
pub struct Control {
    /// The parts of the gateway.
    pub services: Services,
    /// What forwards links.
    pub relay: Arc<Relay>,
    /// What the store said last.
    pub readings: Readings,
    /// Who serves strangers.
    pub enrol: Arc<dyn EnrolHandler>,
    /// The API. Its requests carry an `Extension<Caller>`.
    pub api: axum::Router,
}

impl Control {
    /// Accepts connections until `shutdown`, then says goodbye to all.
    pub async fn run(self, door: Door, shutdown: CancellationToken) {
        let enrolling = Arc::new(Semaphore::new(ENROLLING));
        loop {
            let arrival = tokio::select! {
                () = shutdown.cancelled() => break,
                arrival = door.next() => arrival,
            };
            let Some(arrival) = arrival else {
                break;
            };
            let (control, enrolling) = (self.clone(), Arc::clone(&enrolling));
            self.services.tasks.spawn(async move {
                control.arrive(arrival, &enrolling).await;
            });
        }
        for live in self.services.registry.all() {
            live.close(Reason::GatewayUnreachable);
        }
    }

    async fn arrive(self, arrival: Arrival, enrolling: &Semaphore) {
        let connection = match arrival.handshake().await {
            Ok(connection) => connection,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "a handshake came to nothing");
                return;
            }
        };
        let address = connection.remote_address();
        // Admitted as one whose handshake is complete, for as long as the connection is served.
        let _admission = self.relay.admit(address);
        match (alpn(&connection), peer_key(&connection)) {
            (Some(Alpn::Control), Some(key)) => self.serve(connection, key).await,
            (Some(Alpn::Enrol), Some(key)) => {
                let Ok(_place) = enrolling.try_acquire() else {
                    close(&connection, Reason::RateLimited);
                    return;
                };
                let stranger = Stranger {
                    connection,
                    key,
                    address,
                };
                self.enrol.enrol(stranger).await;
            }
            (Some(Alpn::Link) | None, _) | (_, None) => {
                close(&connection, Reason::RequestMalformed);
            }
        }
    }
}
