//! Where strangers knock: accepting connections within a budget.
//!
//! quinn has no timer for a handshake, so each has one here. Who has not proved its address gets a Retry once many
//! handshakes are open, at a gateway; behind a relay, where there is only one address, it would prove nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, ConnectionError, Endpoint, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a handshake may take. A stranger's budget is 10 s; the slowest path needs three round trips.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How many handshakes are open at once; more wait in quinn's own bounded queue.
const OPEN_HANDSHAKES: usize = 1024;
/// With this many open, a stranger must first prove its address (RFC 9000, section 8.1.2).
const RETRY_FROM: usize = 128;

/// How strangers reach an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// From addresses of their own, which a Retry can prove.
    Direct,
    /// Through a relay that knows them.
    Relayed,
}

/// Accepts an endpoint's connections.
#[derive(Debug)]
pub struct Door {
    endpoint: Endpoint,
    strangers: Strangers,
    open: Arc<Semaphore>,
}

/// A connection whose handshake has yet to be made.
#[derive(Debug)]
pub struct Arrival {
    incoming: Incoming,
    _open: OwnedSemaphorePermit,
}

/// Who knocks, before anything is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knock {
    /// The address that the first packet claims to come from.
    pub from: SocketAddr,
    /// Whether a Retry has shown that it is there.
    pub address_proved: bool,
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It took longer than 5 s.
    #[error("the handshake was not completed in time")]
    TooSlow,
    /// It failed: no proof of a key, a key that is not let in, another protocol.
    #[error("the handshake failed")]
    Failed(#[source] ConnectionError),
}

impl Door {
    /// Accepts for `endpoint`, which has a server's configuration.
    #[must_use]
    pub fn new(endpoint: Endpoint, strangers: Strangers) -> Self {
        Self {
            endpoint,
            strangers,
            open: Arc::new(Semaphore::new(OPEN_HANDSHAKES)),
        }
    }

    /// Waits for the next arrival; `None` once the endpoint is closed. Complete it on a task of its own.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&self) -> Option<Arrival> {
        loop {
            let open = self.open.clone().acquire_owned().await.ok()?;
            let incoming = self.endpoint.accept().await?;
            let busy = OPEN_HANDSHAKES - self.open.available_permits() > RETRY_FROM;
            if busy
                && self.strangers == Strangers::Direct
                && incoming.may_retry()
                && !incoming.remote_address_validated()
            {
                // Refused only if it may not be sent, which was asked.
                drop(incoming.retry());
                continue;
            }
            return Some(Arrival {
                incoming,
                _open: open,
            });
        }
    }
}

impl Arrival {
    /// Tells who knocks.
    #[must_use]
    pub fn knock(&self) -> Knock {
        let incoming = &self.incoming;
        Knock {
            from: incoming.remote_address(),
            address_proved: incoming.remote_address_validated(),
        }
    }

    /// Turns it away without a word.
    pub fn ignore(self) {
        self.incoming.ignore();
    }

    /// Completes the handshake, within 5 s.
    ///
    /// # Errors
    /// [`HandshakeError`].
    ///
    /// # Cancel safety
    /// Dropping it ends the connection.
    pub async fn handshake(self) -> Result<Connection, HandshakeError> {
        match timeout(HANDSHAKE, self.incoming.into_future()).await {
            Ok(completed) => completed.map_err(HandshakeError::Failed),
            Err(_) => Err(HandshakeError::TooSlow),
        }
    }
}

#[cfg(test)]
mod tests;
