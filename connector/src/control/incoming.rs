//! What a gateway says on a control connection.

use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::offer_answer::Answer;
use adit_proto::wire::control::{
    Accepted, Frame, Lease, Offer, OfferAnswer, Pair, PolicyText, Refused, RosterStatements,
    RouteMoved, SessionEnded,
};
use adit_transport::cid::RouteId;
use adit_transport::frame::{FrameIoError, FrameReader};
use adit_transport::party::Party;
use quinn::RecvStream;
use tokio::sync::{mpsc, watch};

use super::Control;
use super::connection::Over;
use super::offers::OfferRoom;
use super::outgoing;
use crate::roster::BookError;

/// The receiving half of a connection.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) control: Arc<Control>,
    pub(super) party: Arc<Party>,
    pub(super) queue: mpsc::Sender<Message>,
    pub(super) stored: watch::Sender<u64>,
    pub(super) offers: OfferRoom,
}

impl Incoming {
    pub(super) async fn run(self, mut reader: FrameReader<RecvStream>) -> Over {
        loop {
            let frame: Frame = match reader.read().await {
                Ok(Some(frame)) => frame,
                Err(FrameIoError::Frame(error)) => {
                    self.control
                        .refuse("a frame", Reason::RequestMalformed, &error.to_string());
                    return Over::Refused(Reason::RequestMalformed);
                }
                Ok(None) | Err(_) => return Over::Lost,
            };
            let taken = match frame.message {
                Some(message) => self.take(message).await,
                None if frame.critical => Err(Over::Refused(Reason::VersionUnsupported)),
                None => Ok(()),
            };
            if let Err(over) = taken {
                return over;
            }
        }
    }

    async fn take(&self, message: Message) -> Result<(), Over> {
        match message {
            Message::RosterStatements(statements) => return self.statements(statements).await,
            Message::PolicyText(text) => return self.policy_text(text).await,
            Message::Lease(lease) => self.lease(&lease),
            Message::Offer(offer) => return self.offer(offer).await,
            Message::Pair(pair) => self.pair(&pair),
            Message::RouteMoved(moved) => self.route_moved(&moved),
            Message::AuditStored(stored) => {
                self.control.audit.stored(&stored.chain, stored.seq);
                self.stored.send_replace(stored.seq);
            }
            Message::SessionEnded(ended) => return self.session_ended(ended).await,
            Message::Goodbye(goodbye) => {
                tracing::info!(
                    reason = goodbye.reason,
                    detail = goodbye.detail,
                    "a gateway says goodbye"
                );
                return Err(Over::Lost);
            }
            Message::Register(_)
            | Message::Registered(_)
            | Message::Probe(_)
            | Message::OfferAnswer(_)
            | Message::AuditUpload(_)
            | Message::Metrics(_)
            | Message::RosterFetch(_) => return Err(Over::Refused(Reason::RequestMalformed)),
        }
        Ok(())
    }

    /// Verified and kept off the runtime's threads, and before anything later on this connection is read.
    async fn statements(&self, statements: RosterStatements) -> Result<(), Over> {
        let book = self.control.book.clone();
        let adding = self
            .control
            .tasks
            .spawn_blocking(move || book.add(statements.statements));
        match adding.await {
            Ok(Ok(added)) => {
                if let Some(last) = added.last() {
                    tracing::info!(roster.number = last.number, "the roster grew");
                }
                Ok(())
            }
            Ok(Err(BookError::Gap { number, .. })) => {
                self.control.book.want(number);
                Ok(())
            }
            Ok(Err(error)) => {
                let detail = chain(&error);
                self.control.refuse("a statement", error.reason(), &detail);
                Err(Over::Refused(error.reason()))
            }
            Err(_) => Err(Over::Lost),
        }
    }

    async fn policy_text(&self, text: PolicyText) -> Result<(), Over> {
        let book = self.control.book.clone();
        let reading = self
            .control
            .tasks
            .spawn_blocking(move || book.policy_text(text.number, text.text));
        reading.await.map_err(|_| Over::Lost)
    }

    fn lease(&self, lease: &Lease) {
        let control = &self.control;
        control.lease.extend(
            control.clock.boot(),
            Duration::from_millis(lease.reading_age_ms),
            Duration::from_millis(lease.lease_ms),
        );
        control.book.want(lease.roster_number);
    }

    /// Verified on a task of its own, since it may wait for the roster. No new session while this process drains.
    async fn offer(&self, offer: Offer) -> Result<(), Over> {
        let room = match self.offers.take(&offer) {
            Ok(room) => room,
            Err(reason) => {
                let refused = refused(reason, "too many offers wait at this connector");
                let answer = OfferAnswer {
                    session_id: offer.session_id,
                    answer: Some(refused),
                };
                let sent = self.queue.send(Message::OfferAnswer(answer)).await;
                return sent.map_err(|_| Over::Lost);
            }
        };
        let (control, queue) = (self.control.clone(), self.queue.clone());
        let route = self.party.route();
        self.control.tasks.spawn(async move {
            let session_id = offer.session_id.clone();
            let answer = control.answer(offer, route).await;
            let answer = OfferAnswer {
                session_id,
                answer: Some(answer),
            };
            // A connection that is lost meanwhile needs no answer: the next registration names the session.
            let _ = queue.send(Message::OfferAnswer(answer)).await;
            drop(room);
        });
        Ok(())
    }

    fn pair(&self, pair: &Pair) {
        let Some(route) = RouteId::from_bits(pair.route) else {
            return;
        };
        if pair.withdrawn {
            self.party.withdrawn(route);
        } else {
            self.party.announced(route);
        }
    }

    fn route_moved(&self, moved: &RouteMoved) {
        match moved.source_address.parse() {
            Ok(source) => self.control.sessions.route_moved(moved.route, source),
            Err(_) => self
                .control
                .refuse("a moved route", Reason::RequestMalformed, "no address"),
        }
    }

    /// A session that is not here has ended, too: either way the gateway is told so.
    async fn session_ended(&self, ended: SessionEnded) -> Result<(), Over> {
        let reason = ended.reason.parse().unwrap_or(Reason::SessionRevoked);
        let here = ended
            .session_id
            .parse()
            .is_ok_and(|id| self.control.sessions.end(id, reason));
        if here {
            return Ok(());
        }
        let confirmation = outgoing::ended(ended.session_id, reason.as_str());
        self.queue.send(confirmation).await.map_err(|_| Over::Lost)
    }
}

impl Control {
    async fn answer(&self, offer: Offer, route: Option<RouteId>) -> Answer {
        let (Some(route), false) = (route, self.draining.is_cancelled()) else {
            return refused(Reason::TargetOffline, "the connector is ending");
        };
        match self.sessions.offer(offer).await {
            Ok(session) => {
                tracing::info!(session.id = %session.id(), target = %session.target(), "a session began");
                Answer::Accepted(Accepted {
                    instance: self.presentation.instance.to_vec(),
                    route: route.bits(),
                })
            }
            Err(refusal) => {
                tracing::info!(
                    reason = refusal.reason().as_str(),
                    detail = refusal.detail(),
                    "an offer was refused"
                );
                refused(refusal.shown(), refusal.detail())
            }
        }
    }
}

fn refused(reason: Reason, detail: &str) -> Answer {
    Answer::Refused(Refused {
        reason: reason.as_str().to_owned(),
        detail: detail.to_owned(),
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
