//! Links: end-to-end connections of device keys, and the streams in them.
//!
//! ```text
//! arrival ─ handshake (device key active in the roster) ─▶ heads ─▶ streams: header ─▶ session of this device ─▶ served
//! ```
//!
//! A stream begins with a header that names its session; the session must be this device's and live. When it ends, its
//! streams are reset with the reason's code; when the device is revoked, the link is closed with it.

mod heads;
mod held;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::key::{Fingerprint, PublicKey};
use adit_proto::wire::audit::Actor;
use adit_transport::door::Arrival;
use adit_transport::party::Party;
use adit_transport::stream::LinkStreams;
use adit_transport::tls::{self, ClientGate};
use quinn::{Connection, VarInt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::{Audit, event};
use crate::kube::Kube;
use crate::roster::Book;
use crate::service::Services;
use crate::session::Table;
use crate::web::Web;

pub use held::Held;

/// How long a client has for its first stream, and for the header of each.
const HEADER: Duration = Duration::from_secs(10);

/// What links are served with.
#[derive(Debug)]
pub struct Links {
    /// Roster and policy.
    pub book: Arc<Book>,
    /// The sessions.
    pub sessions: Arc<Table>,
    /// The API server, if it is served.
    pub kube: Option<Arc<Kube>>,
    /// Services beside it.
    pub services: Services,
    /// The way to those that are web applications.
    pub web: Web,
    /// The audit log.
    pub audit: Audit,
    /// How many links each device has.
    pub held: Held,
    /// Owns the task of each link and of each stream.
    pub tasks: TaskTracker,
    /// No link is accepted any more.
    pub draining: CancellationToken,
}

/// One link.
#[derive(Debug)]
struct Link {
    connection: Connection,
    streams: LinkStreams,
    device: Fingerprint,
}

/// Lets in the devices that are active in the roster at that moment.
#[must_use]
pub fn gate(book: Arc<Book>) -> ClientGate {
    ClientGate::only(move |key: &PublicKey| {
        book.known()
            .is_ok_and(|known| known.roster().active_device(&key.fingerprint()).is_ok())
    })
}

impl Links {
    /// Accepts the links of a party until it is closed or this process drains.
    ///
    /// # Cancel safety
    /// Links that were accepted go on.
    pub async fn accept(self: Arc<Self>, party: Arc<Party>) {
        loop {
            let arrival = tokio::select! {
                arrival = party.accept_link() => arrival,
                () = self.draining.cancelled() => return,
            };
            let Some(arrival) = arrival else { return };
            let links = self.clone();
            self.tasks
                .spawn(async move { links.complete(arrival).await });
        }
    }

    async fn complete(self: Arc<Self>, arrival: Arrival) {
        let connection = match arrival.handshake().await {
            Ok(connection) => connection,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::debug!(error, "a link's handshake failed");
            }
        };
        let Some(key) = tls::peer_key(&connection) else {
            return close(&connection, Reason::DeviceUnknown);
        };
        let link = Arc::new(Link {
            streams: LinkStreams::new(connection.clone()),
            connection,
            device: key.fingerprint(),
        });
        let _place = self.held.place(link.device, &link.connection);
        let reason = match self.greet(&link).await {
            Ok(()) => self.clone().serve(&link).await,
            Err(reason) => Some(reason),
        };
        if let Some(reason) = reason {
            tracing::info!(device.key = %link.device, reason = reason.as_str(), "a link is closed");
            close(&link.connection, reason);
        }
    }

    /// The first stream exchanges heads; before that nothing is served.
    async fn greet(&self, link: &Link) -> Result<(), Reason> {
        let malformed = Reason::RequestMalformed;
        let opened = timeout(HEADER, link.streams.accept(malformed.code())).await;
        let Ok(Ok(stream)) = opened else {
            return Err(malformed);
        };
        heads::first(self, link, stream).await
    }

    /// Serves streams until the link is gone (`None`), or its device is no longer let in.
    async fn serve(self: Arc<Self>, link: &Arc<Link>) -> Option<Reason> {
        let mut roster = self.book.watch();
        // What was revoked since the handshake counts as well.
        roster.mark_changed();
        loop {
            tokio::select! {
                opened = link.streams.accept(Reason::RequestMalformed.code()) => {
                    let stream = opened.ok()?;
                    let (links, link) = (self.clone(), link.clone());
                    self.tasks.spawn(async move { stream::serve(&links, &link, stream).await });
                }
                changed = roster.changed() => {
                    changed.ok()?;
                    let known = self.book.known().ok()?;
                    if let Err(reason) = known.roster().active_device(&link.device) {
                        return Some(reason);
                    }
                }
            }
        }
    }

    /// Notes that something on a link was refused.
    fn refuse(&self, link: &Link, session: &str, (subject, reason): (&str, Reason), detail: &str) {
        let mut actor = Actor {
            session_id: event::bounded(session),
            ..Actor::default()
        };
        if let Ok(known) = self.book.known()
            && let Some(device) = known.roster().device_by_key(&link.device)
        {
            actor.device_id = device.id.to_string();
            actor.user_id = device.owner.to_string();
        }
        let refused = event::refusal(actor.clone(), subject, reason, detail);
        self.audit.note_refusal(link.device, &actor, refused);
    }
}

fn close(connection: &Connection, reason: Reason) {
    connection.close(VarInt::from_u32(reason.code()), reason.as_str().as_bytes());
}

#[cfg(test)]
mod tests;
