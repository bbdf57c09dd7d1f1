//! Services beside the API server: one TCP connection for each stream, with half-close in each direction.
//!
//! The address comes from the configuration by the name in the permit, and from nowhere else: a gateway chooses none.
//! A name is resolved when it is dialled, and what it leads to must be an address that a service can have.

mod carry;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use adit_policy::Permit;
use adit_proto::Reason;
use adit_proto::id::RequestId;
use adit_proto::target::{Name, Target};
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{StreamIntent, StreamOutcome};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Service;
use crate::config::address::{HostPort, may_be_service};
use crate::random;
use crate::session::Session;
use carry::Tally;

pub use carry::Dialled;

/// How long a connection to a service may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Why a service is not reached.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The permit names no service of this configuration.
    #[error("the permit names no service of this connector")]
    Unknown,
    /// The intent could not be recorded.
    #[error("the audit log cannot be written")]
    Audit(#[source] crate::audit::AuditError),
    /// It does not answer, or its name leads to an address that no service has.
    #[error("the service does not answer")]
    Unreachable,
}

impl ServiceError {
    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unknown => Reason::UnknownOrForbidden,
            Self::Audit(_) => Reason::AuditUnavailable,
            Self::Unreachable => Reason::TargetOffline,
        }
    }
}

/// The services of the configuration.
#[derive(Debug)]
pub struct Services {
    addresses: HashMap<Name, HostPort>,
    audit: Audit,
    clock: Arc<dyn Clock>,
}

impl Services {
    /// Takes the services of the configuration.
    #[must_use]
    pub fn new(services: &[Service], audit: Audit, clock: Arc<dyn Clock>) -> Self {
        let entry = |service: &Service| (service.name.clone(), service.address.clone());
        Self {
            addresses: services.iter().map(entry).collect(),
            audit,
            clock,
        }
    }

    /// Dials the service that the permit names, after the intent is on the disk.
    ///
    /// # Errors
    /// [`ServiceError`].
    ///
    /// # Cancel safety
    /// The intent stays; its outcome says that nothing was carried.
    pub async fn dial(
        &self,
        session: &Arc<Session>,
        permit: &Permit,
    ) -> Result<Dialled, ServiceError> {
        let Target::Service { name, .. } = permit.target() else {
            return Err(ServiceError::Unknown);
        };
        let address = self.addresses.get(name).ok_or(ServiceError::Unknown)?;
        let random = random::bytes().map_err(|_| ServiceError::Unreachable)?;
        let stream_id = RequestId::from_parts(self.clock.wall(), random).to_string();
        let intent = StreamIntent {
            actor: Some(session.actor()),
            stream_id: stream_id.clone(),
            service: name.to_string(),
            reason: String::new(),
        };
        self.audit
            .record_synced(Event::StreamIntent(intent))
            .await
            .map_err(ServiceError::Audit)?;
        let mut tally = Tally {
            audit: self.audit.clone(),
            session: session.clone(),
            begun: Instant::now(),
            event: StreamOutcome {
                stream_id,
                ..StreamOutcome::default()
            },
            whole: false,
        };
        if let Ok(Some(stream)) = timeout(CONNECT, connect(address)).await {
            return Ok(Dialled::new(stream, tally));
        }
        Reason::TargetOffline
            .as_str()
            .clone_into(&mut tally.event.reason);
        tracing::warn!(service.address = %address, "a service does not answer");
        Err(ServiceError::Unreachable)
    }
}

/// Tries each address that the name leads to.
async fn connect(address: &HostPort) -> Option<TcpStream> {
    let resolved = tokio::net::lookup_host((address.host(), address.port()))
        .await
        .ok()?;
    for candidate in resolved.filter(|candidate| may_be_service(candidate.ip()).is_ok()) {
        if let Ok(stream) = TcpStream::connect(candidate).await
            && stream.set_nodelay(true).is_ok()
        {
            return Some(stream);
        }
    }
    None
}
