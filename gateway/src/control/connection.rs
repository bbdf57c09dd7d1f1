//! One control connection, from its first stream to its end.

use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::frame::Limit;
use adit_proto::key::PublicKey;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{Frame, Register, Registered};
use adit_transport::frame::{FrameReader, FrameWriter};
use adit_transport::rebind::BindKey;
use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Control;
use super::push::Push;
use super::receive::{Receive, store_uploads};
use crate::caller::{Party, Role};
use crate::registry::{Live, NewLive, Queued, Serves, Service, close};
use crate::relay::{Place, Registration};
use crate::store::parties::Sighting;

/// How long a party has to open its stream and register: a stranger's budget.
const REGISTER_TIME: Duration = Duration::from_secs(10);
/// Sessions and links that a party may name. More than a device or a connector can hold here.
const NAMED: usize = 8_192;
/// Services, groups and features that a party may name.
const LISTED: usize = 256;
/// Longest text in a registration, in bytes.
const TEXT: usize = 256;
/// Requests for statements that wait. Who asks faster than it reads is closed.
const FETCHES: usize = 4;
/// Uploads that wait for the store. While it is full, nothing more is read from that connector.
const UPLOADS: usize = 8;

/// A registered connection.
struct Begun {
    live: Arc<Live>,
    registration: Registration,
    queued: mpsc::Receiver<Queued>,
    held: u64,
    reader: FrameReader<RecvStream>,
    writer: FrameWriter<SendStream>,
}

impl Control {
    /// Serves a party that proved `key`.
    pub(super) async fn serve(&self, connection: quinn::Connection, key: PublicKey) {
        let services = &self.services;
        let roster = services.roster.snapshot();
        let suspended = services.suspensions.current();
        let party = match Party::of(&key, roster.as_deref(), &suspended) {
            Ok(party) => party,
            Err(reason) => {
                tracing::debug!(key = %key.fingerprint(), %reason, "a key is not let in");
                return close(&connection, reason);
            }
        };
        let begun = timeout(REGISTER_TIME, self.register(&connection, party)).await;
        match begun.unwrap_or(Err(Reason::RequestMalformed)) {
            Ok(begun) => Box::pin(self.attend(begun)).await,
            Err(reason) => close(&connection, reason),
        }
    }

    async fn register(
        &self,
        connection: &quinn::Connection,
        party: Party,
    ) -> Result<Begun, Reason> {
        let gone = |_| Reason::GatewayUnreachable;
        let (send, recv) = connection.accept_bi().await.map_err(gone)?;
        let mut reader = FrameReader::new(recv, Limit::PARTY);
        let mut writer = FrameWriter::new(send, Limit::PARTY);
        let frame: Option<Frame> = reader.read().await.map_err(|_| Reason::RequestMalformed)?;
        let Some(Message::Register(register)) = frame.and_then(|frame| frame.message) else {
            return Err(Reason::RequestMalformed);
        };
        check(&register)?;
        let instance = register.instance[..]
            .try_into()
            .map_err(|_| Reason::RequestMalformed)?;
        let services = &self.services;
        let route = services.keys.route.route_of(party.key(), &instance);
        let bind = BindKey::export(connection).map_err(|_| Reason::RequestMalformed)?;
        let serves = (party.role() == Role::Connector)
            .then(|| serves(&register))
            .transpose()?;
        let registration = self.relay.register(route, Place::of(connection), bind);
        let (live, queued) = services.registry.add(NewLive {
            party,
            instance,
            route,
            serves,
            connection: connection.clone(),
        });
        let lost_sessions = services.broker.registered(&live, &register).await;
        let registered = Registered {
            route: route.bits(),
            head: Some(services.roster.head().to_wire()),
            lease_ms: millis(self.readings.left_of(services.config.lives.lease)),
            lost_sessions,
        };
        let message = Some(Message::Registered(registered));
        let critical = false;
        let written = writer.write(&Frame { critical, message }).await;
        let held = register.roster_number;
        let begun = Begun {
            live,
            registration,
            queued,
            held,
            reader,
            writer,
        };
        if written.is_err() {
            self.leave(&begun.live, registration).await;
            return Err(Reason::GatewayUnreachable);
        }
        self.see(&begun.live, &register).await;
        Ok(begun)
    }

    async fn attend(&self, begun: Begun) {
        let Begun {
            live,
            registration,
            queued,
            held,
            reader,
            writer,
        } = begun;
        let (fetch, fetches) = mpsc::channel(FETCHES);
        let (upload, uploads) = mpsc::channel(UPLOADS);
        let receive = Receive {
            control: self,
            live: &live,
            fetch,
            upload,
        };
        let push = Push::new(self, &live, held, fetches);
        tracing::info!(party = %live.party().row(), route = %live.route().bits(), "registered");
        let reason = tokio::select! {
            reason = receive.run(reader) => reason,
            reason = store_uploads(self, &live, uploads) => reason,
            reason = push.run() => reason,
            reason = write(queued, writer) => reason,
            reason = self.calls(&live) => reason,
        };
        live.close(reason);
        tracing::info!(party = %live.party().row(), %reason, "gone");
        self.leave(&live, registration).await;
    }

    /// Keeps the route for a lease, so that links outlive their control connection.
    async fn leave(&self, live: &Live, registration: Registration) {
        let services = &self.services;
        if services.registry.remove(live) {
            services.broker.expect_return(live.route());
        }
        let (relay, lease) = (Arc::clone(&self.relay), services.config.lives.lease);
        let stopping = services.stopping.clone();
        services.tasks.spawn(async move {
            stopping
                .run_until_cancelled(tokio::time::sleep(lease))
                .await;
            relay.unregister(registration);
        });
        let now = services.clock.now();
        if let Err(error) = services.store.gone(live.party().row(), now).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "when a party went was not stored");
        }
    }

    async fn see(&self, live: &Live, register: &Register) {
        let services = &self.services;
        let facts = serde_json::json!({ "features": register.features }).to_string();
        let address = live.source().ip().to_string();
        let now = services.clock.now();
        // A device stated its facts when it was enrolled; they stay.
        let is_connector = live.party().role() == Role::Connector;
        let sighting = Sighting {
            party: live.party().row(),
            source_address: &address,
            version: &register.version,
            facts: is_connector.then_some(&facts),
        };
        if let Err(error) = services.store.see(sighting, now).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "that a party is here was not stored");
        }
    }
}

/// Writes what is queued; a stream that takes nothing for long fills the queue, and that closes the connection.
async fn write(mut queued: mpsc::Receiver<Queued>, mut writer: FrameWriter<SendStream>) -> Reason {
    while let Some(message) = queued.recv().await {
        let frame = Frame {
            critical: false,
            message: Some(*message),
        };
        if writer.write(&frame).await.is_err() {
            break;
        }
    }
    Reason::GatewayUnreachable
}

/// Sizes that no honest party exceeds.
fn check(register: &Register) -> Result<(), Reason> {
    let short =
        |texts: &[String]| texts.len() <= LISTED && texts.iter().all(|text| text.len() <= TEXT);
    let named = register.sessions.len() <= NAMED && register.peer_routes.len() <= NAMED;
    let listed = short(&register.features) && short(&register.ceiling_groups);
    let fits = named
        && listed
        && register.services.len() <= LISTED
        && register.version.len() <= TEXT
        && !register.version.contains('\0');
    fits.then_some(()).ok_or(Reason::LimitReached)
}

fn serves(register: &Register) -> Result<Serves, Reason> {
    let service = |service: &adit_proto::wire::control::Service| {
        let name = service.name.parse().map_err(|_| Reason::RequestMalformed)?;
        if service.kind.len() > TEXT {
            return Err(Reason::LimitReached);
        }
        let kind = service.kind.clone();
        Ok(Service { name, kind })
    };
    Ok(Serves {
        kubernetes: register.kubernetes,
        ceiling_groups: register.ceiling_groups.clone(),
        services: register
            .services
            .iter()
            .map(service)
            .collect::<Result<_, _>>()?,
    })
}

/// A span as the wire has it.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
