//! Services beside the API server: one TCP connection for each stream, with half-close in each direction. What a web
//! application is sent on its connection is [`crate::web`]'s; raw bytes never reach one.
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
use adit_policy::web::Origin;
use adit_proto::Reason;
use adit_proto::id::RequestId;
use adit_proto::target::{Name, Target};
use adit_proto::wire::audit::StreamIntent;
use adit_proto::wire::audit::record::Event;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::address::{HostPort, may_be_service};
use crate::config::{Service, ServiceKind};
use crate::random;
use crate::session::Session;

pub use carry::{Counter, Dialled, Tally};

/// How long a connection to a service may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Why a service is not reached.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The permit names no service of this configuration.
    #[error("the permit names no service of this connector")]
    Unknown,
    /// It is a web application and raw bytes were to be carried, or the other way round.
    #[error("the service is of another kind")]
    Kind,
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
            Self::Kind => Reason::RequestUnsupported,
            Self::Audit(_) => Reason::AuditUnavailable,
            Self::Unreachable => Reason::TargetOffline,
        }
    }
}

/// The services of the configuration.
#[derive(Debug)]
pub struct Services {
    by_name: HashMap<Name, Service>,
    audit: Audit,
    clock: Arc<dyn Clock>,
}

/// A web application that a permit names. Only [`Services::application`] makes it.
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    service: &'a Service,
    origin: &'a Origin,
}

impl Application<'_> {
    /// What it knows itself by.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.origin
    }
}

impl Services {
    /// Takes the services of the configuration.
    #[must_use]
    pub fn new(services: &[Service], audit: Audit, clock: Arc<dyn Clock>) -> Self {
        let entry = |service: &Service| (service.name.clone(), service.clone());
        Self {
            by_name: services.iter().map(entry).collect(),
            audit,
            clock,
        }
    }

    /// Dials the TCP service that the permit names, after the intent is on the disk.
    ///
    /// # Errors
    /// [`ServiceError`]; [`ServiceError::Kind`] for a web application, to which a client could write an identity.
    ///
    /// # Cancel safety
    /// The intent stays; its outcome says that nothing was carried.
    pub async fn dial(
        &self,
        session: &Arc<Session>,
        permit: &Permit,
    ) -> Result<Dialled, ServiceError> {
        let service = self.named(permit)?;
        match service.kind {
            ServiceKind::Tcp => self.reach(session, service).await,
            ServiceKind::Http { .. } => Err(ServiceError::Kind),
        }
    }

    /// The web application that the permit names.
    ///
    /// # Errors
    /// [`ServiceError::Unknown`], and [`ServiceError::Kind`] for another service.
    pub fn application(&self, permit: &Permit) -> Result<Application<'_>, ServiceError> {
        let service = self.named(permit)?;
        match &service.kind {
            ServiceKind::Tcp => Err(ServiceError::Kind),
            ServiceKind::Http { origin } => Ok(Application { service, origin }),
        }
    }

    /// Dials a web application, after the intent is on the disk.
    ///
    /// # Errors
    /// [`ServiceError`].
    ///
    /// # Cancel safety
    /// As [`Services::dial`].
    pub async fn dial_application(
        &self,
        session: &Arc<Session>,
        application: Application<'_>,
    ) -> Result<Dialled, ServiceError> {
        self.reach(session, application.service).await
    }

    fn named(&self, permit: &Permit) -> Result<&Service, ServiceError> {
        let Target::Service { name, .. } = permit.target() else {
            return Err(ServiceError::Unknown);
        };
        self.by_name.get(name).ok_or(ServiceError::Unknown)
    }

    async fn reach(
        &self,
        session: &Arc<Session>,
        service: &Service,
    ) -> Result<Dialled, ServiceError> {
        let random = random::bytes().map_err(|_| ServiceError::Unreachable)?;
        let stream_id = RequestId::from_parts(self.clock.wall(), random).to_string();
        let intent = StreamIntent {
            actor: Some(session.actor()),
            stream_id: stream_id.clone(),
            service: service.name.to_string(),
            reason: String::new(),
        };
        self.audit
            .record_synced(Event::StreamIntent(intent))
            .await
            .map_err(ServiceError::Audit)?;
        let mut tally = Tally::new(self.audit.clone(), session.clone(), stream_id);
        if let Ok(Some(stream)) = timeout(CONNECT, connect(&service.address)).await {
            return Ok(Dialled::new(stream, tally));
        }
        tally.failed(Reason::TargetOffline);
        tracing::warn!(service.address = %service.address, "a service does not answer");
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
