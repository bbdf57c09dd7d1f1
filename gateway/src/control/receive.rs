//! What a registered party sends.

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::wire::audit::{Actor, Refusal, record::Event};
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{AuditUpload, Frame};
use adit_transport::frame::{FrameIoError, FrameReader};
use quinn::RecvStream;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Control;
use super::messages::declared;
use crate::audit::UploadError;
use crate::caller::Identity;
use crate::registry::Live;

/// How long to wait before records are offered to a store again that did not take them.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// The receiving half of a connection.
#[derive(Debug)]
pub(super) struct Receive<'a> {
    pub(super) control: &'a Control,
    pub(super) live: &'a Live,
    pub(super) fetch: mpsc::Sender<u64>,
    pub(super) upload: mpsc::Sender<AuditUpload>,
}

impl Receive<'_> {
    /// Reads until the party goes or breaks the protocol, and returns the reason to close with.
    pub(super) async fn run(self, mut reader: FrameReader<RecvStream>) -> Reason {
        loop {
            let frame: Frame = match reader.read().await {
                Ok(Some(frame)) => frame,
                Err(FrameIoError::Frame(_)) => {
                    return self.refuse("a frame", Reason::RequestMalformed).await;
                }
                Ok(None) | Err(_) => return Reason::GatewayUnreachable,
            };
            let message = match frame.message {
                Some(message) => message,
                None if frame.critical => {
                    return self
                        .refuse("an unknown message", Reason::VersionUnsupported)
                        .await;
                }
                None => continue,
            };
            let known = declared(&message);
            if known.first || !known.allows(self.live.party().role()) {
                return self.refuse(known.name, Reason::RequestMalformed).await;
            }
            if let Err(reason) = self.take(message).await {
                return reason;
            }
        }
    }

    async fn take(&self, message: Message) -> Result<(), Reason> {
        let broker = &self.control.services.broker;
        match message {
            Message::Probe(_) => Ok(()),
            Message::OfferAnswer(answer) => {
                broker.answered(self.live, answer);
                Ok(())
            }
            Message::AuditUpload(upload) => {
                let gone = |_| Reason::GatewayUnreachable;
                self.upload.send(upload).await.map_err(gone)
            }
            Message::RosterFetch(fetch) => {
                let full = |_| Reason::RateLimited;
                self.fetch.try_send(fetch.from_number).map_err(full)
            }
            Message::SessionEnded(ended) => {
                Box::pin(broker.ended_by(self.live, &ended)).await;
                Ok(())
            }
            Message::Metrics(metrics) => {
                self.live.tell(metrics);
                Ok(())
            }
            // Refused before, as their declaration says.
            Message::Register(_)
            | Message::Registered(_)
            | Message::RosterStatements(_)
            | Message::Lease(_)
            | Message::PolicyText(_)
            | Message::Offer(_)
            | Message::Pair(_)
            | Message::RouteMoved(_)
            | Message::AuditStored(_)
            | Message::Goodbye(_) => Err(Reason::RequestMalformed),
        }
    }

    async fn refuse(&self, subject: &str, reason: Reason) -> Reason {
        note_refusal(self.control, self.live, subject, reason).await;
        reason
    }
}

/// Stores what a connector uploads, one after the other, waiting for the store as long as it takes.
pub(super) async fn store_uploads(
    control: &Control,
    live: &Live,
    mut uploads: mpsc::Receiver<AuditUpload>,
) -> Reason {
    let Identity::Cluster { id, .. } = live.party().identity() else {
        // A device uploads nothing; its messages end the connection before they come here.
        return std::future::pending().await;
    };
    while let Some(upload) = uploads.recv().await {
        loop {
            match Box::pin(control.services.audit.upload(*id, upload.clone())).await {
                Ok(stored) => {
                    live.send_when_read(Message::AuditStored(stored)).await;
                    break;
                }
                Err(UploadError::Store(error)) => {
                    warn(&error);
                    sleep(STORE_AGAIN).await;
                }
                Err(error) => {
                    note_refusal(control, live, &error.to_string(), error.reason()).await;
                    return error.reason();
                }
            }
        }
    }
    std::future::pending().await
}

fn warn(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "a connector's audit records wait for the store");
}

pub(super) async fn note_refusal(control: &Control, live: &Live, subject: &str, reason: Reason) {
    let (user_id, device_id) = match live.party().identity() {
        Identity::Device { id, owner } => (owner.to_string(), id.to_string()),
        Identity::Cluster { id, .. } => (String::new(), id.to_string()),
    };
    let actor = Actor {
        user_id,
        device_id,
        source_address: live.source().ip().to_string(),
        ..Actor::default()
    };
    let refusal = Refusal {
        actor: Some(actor),
        subject: subject.to_owned(),
        reason: reason.to_string(),
        detail: "on a control connection".to_owned(),
    };
    Box::pin(control.services.audit.note(Event::Refusal(refusal))).await;
}
