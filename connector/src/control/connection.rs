//! One control connection, from its registration to its loss.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::frame::Limit;
use adit_proto::roster::Relation;
use adit_proto::statement::Head;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{Frame, Register, Registered, Service};
use adit_transport::cid::RouteId;
use adit_transport::frame::{FrameReader, FrameWriter};
use adit_transport::party::{Nudges, Party};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Control;
use super::backoff::Backoff;
use super::incoming::Incoming;
use super::offers::OfferRoom;
use super::{metrics, outgoing};

/// How long a gateway has to answer a registration.
const REGISTER: Duration = Duration::from_secs(5);
/// Frames that wait to be written. A gateway that reads so slowly is left, and registered with anew.
const QUEUE: usize = 256;

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Over {
    /// The connection was lost, or the gateway closed it.
    #[error("the control connection was lost")]
    Lost,
    /// This process drains.
    #[error("the connector is ending")]
    Draining,
    /// What the gateway said is refused.
    #[error("the gateway was refused: {0}")]
    Refused(Reason),
}

impl Control {
    /// Registers and serves a connection until it is over.
    pub(super) async fn attend(
        self: &Arc<Self>,
        party: &Arc<Party>,
        connection: &Connection,
        backoff: &mut Backoff,
    ) {
        let over = match timeout(REGISTER, self.register(party, connection)).await {
            Ok(Ok((reader, writer, nudges))) => {
                backoff.registered();
                self.registered.fetch_add(1, Ordering::AcqRel);
                tracing::info!(gateway = %party.gateway(), "registered with a gateway");
                let over = self.run(party, reader, writer, nudges).await;
                self.registered.fetch_sub(1, Ordering::AcqRel);
                over
            }
            Ok(Err(over)) => over,
            Err(_) => Over::Lost,
        };
        let code = match &over {
            Over::Refused(reason) => *reason,
            Over::Lost | Over::Draining => Reason::TargetOffline,
        };
        let closed = connection.close_reason();
        if matches!(over, Over::Refused(_)) || closed.as_ref().is_some_and(refuses) {
            backoff.refused();
        }
        let error = &over as &dyn std::error::Error;
        let closed = closed.map(|reason| reason.to_string());
        tracing::info!(gateway = %party.gateway(), error, closed, "a control connection is over");
        connection.close(VarInt::from_u32(code.code()), code.as_str().as_bytes());
    }

    async fn register(
        &self,
        party: &Party,
        connection: &Connection,
    ) -> Result<(FrameReader<RecvStream>, FrameWriter<SendStream>, Nudges), Over> {
        let (send, recv) = connection.open_bi().await.map_err(|_| Over::Lost)?;
        let mut writer = FrameWriter::new(send, Limit::PARTY);
        let mut reader = FrameReader::new(recv, Limit::PARTY);
        let frame = outgoing::frame(Message::Register(self.registration()));
        writer.write(&frame).await.map_err(|_| Over::Lost)?;
        let answer: Option<Frame> = reader.read().await.map_err(|_| Over::Lost)?;
        let Some(Message::Registered(registered)) = answer.and_then(|frame| frame.message) else {
            return Err(Over::Lost);
        };
        self.check_head(&registered)?;
        let route =
            RouteId::from_bits(registered.route).ok_or(Over::Refused(Reason::RequestMalformed))?;
        let nudges = party
            .registered(connection, route)
            .map_err(|_| Over::Lost)?;
        let length = Duration::from_millis(registered.lease_ms);
        self.lease.extend(self.clock.boot(), Duration::ZERO, length);
        for id in registered
            .lost_sessions
            .iter()
            .filter_map(|lost| lost.session_id.parse().ok())
        {
            self.sessions.end(id, Reason::SessionRevoked);
        }
        Ok((reader, writer, nudges))
    }

    fn registration(&self) -> Register {
        let presentation = &self.presentation;
        let service = |(name, kind): &(String, &str)| Service {
            name: name.clone(),
            kind: (*kind).to_owned(),
        };
        let (sessions, peer_routes) = self.sessions.held();
        Register {
            instance: presentation.instance.to_vec(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            features: Vec::new(),
            roster_number: self.book.head().number,
            sessions,
            peer_routes,
            ceiling_groups: presentation.groups.clone(),
            services: presentation.services.iter().map(service).collect(),
            kubernetes: presentation.kubernetes,
        }
    }

    /// The branch that was seen first is kept. An older head is noted: what is held here stays in force.
    fn check_head(&self, registered: &Registered) -> Result<(), Over> {
        let theirs = registered.head.as_ref().map(Head::try_from);
        let Some(Ok(theirs)) = theirs else {
            return Err(Over::Refused(Reason::RequestMalformed));
        };
        let relation = match self.book.known() {
            Ok(known) => known.roster().relation(&theirs),
            Err(_) => return Ok(()),
        };
        match relation {
            Relation::Same | Relation::Ahead => Ok(()),
            Relation::Behind => {
                let detail = format!(
                    "the gateway shows statement {}, older than what is held",
                    theirs.number
                );
                self.refuse("roster head", Reason::RosterStale, &detail);
                Ok(())
            }
            Relation::Fork | Relation::OtherLog => {
                let detail = format!(
                    "the gateway shows another history at statement {}",
                    theirs.number
                );
                self.refuse("roster head", Reason::RosterFork, &detail);
                Err(Over::Refused(Reason::RosterFork))
            }
        }
    }

    async fn run(
        self: &Arc<Self>,
        party: &Arc<Party>,
        reader: FrameReader<RecvStream>,
        writer: FrameWriter<SendStream>,
        nudges: Nudges,
    ) -> Over {
        let (queue, queued) = mpsc::channel(QUEUE);
        let (stored, storing) = watch::channel(0);
        let incoming = Incoming {
            control: self.clone(),
            party: party.clone(),
            queue: queue.clone(),
            stored,
            offers: OfferRoom::default(),
        };
        tokio::select! {
            over = incoming.run(reader) => over,
            over = outgoing::write(queued, writer) => over,
            over = outgoing::upload(self, &queue, storing) => over,
            over = outgoing::tell_ends(self.sessions.ends(), &queue) => over,
            over = outgoing::probe(nudges, &queue) => over,
            over = metrics::tell(self, &queue) => over,
            over = outgoing::fetch(&self.book, &queue) => over,
            () = self.draining.cancelled() => Over::Draining,
        }
    }
}

/// Whether the gateway would refuse the same again, as it does an audit log that does not continue the one it has.
fn refuses(closed: &ConnectionError) -> bool {
    let ConnectionError::ApplicationClosed(close) = closed else {
        return false;
    };
    matches!(
        Reason::from_code(close.error_code.into_inner()),
        Some(Reason::RequestMalformed | Reason::EvidenceInvalid | Reason::VersionUnsupported)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_refuses_is_left_alone_and_one_that_goes_away_is_not() {
        let closed = |reason: Reason| {
            ConnectionError::ApplicationClosed(quinn::ApplicationClose {
                error_code: VarInt::from_u32(reason.code()),
                reason: bytes::Bytes::new(),
            })
        };
        assert!(refuses(&closed(Reason::EvidenceInvalid)));
        assert!(refuses(&closed(Reason::RequestMalformed)));
        assert!(!refuses(&closed(Reason::GatewayUnreachable)));
        assert!(!refuses(&closed(Reason::LimitReached)));
        // A cluster is admitted while its connector already calls.
        assert!(!refuses(&closed(Reason::DeviceUnknown)));
        assert!(!refuses(&ConnectionError::TimedOut));
    }
}
