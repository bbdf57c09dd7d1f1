//! The states of an enrolment from the passkey to the statement.

use adit_proto::Reason;
use adit_proto::assertion::RegisteredCredential;
use adit_proto::label::Hash;
use adit_proto::roster::Roster;
use adit_proto::statement::{Head, Kind};
use adit_proto::wire::audit::{Actor, EnrolmentEvent, record::Event};
use adit_proto::wire::enrol::{EnrolChain, EnrolDone, EnrolTouched, EnrolTurn, frame::Message};
use adit_proto::wire::identity::Assertion;
use adit_proto::wire::roster::{Body, Device, Passkey, Statement, statement::Content};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::admission::Admission;
use super::enrolling::{Proven, page};
use super::stream::Stream;
use super::{EnrolError, Enrolments, Trail};
use crate::ceremony::{CeremonyId, KnownPasskey, Registered as Sent, TouchAsk};
use crate::roster_log::Turn;

/// The browser registered a passkey.
pub(super) struct Registered<'a> {
    pub(super) proven: Proven<'a>,
    pub(super) credential: RegisteredCredential,
    pub(super) sent: Sent,
    pub(super) tab: CeremonyId,
}

/// It is this client's turn at the roster.
pub(super) struct Placed<'a> {
    registered: Registered<'a>,
    turn: Turn,
}

impl<'a> Registered<'a> {
    /// Shows the client the log and gives it a turn; for genesis after the touch over its body.
    pub(super) async fn place<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        self,
        stream: &mut Stream<R, W>,
        trail: &mut Trail,
    ) -> Result<Placed<'a>, EnrolError> {
        let enrolments = self.proven.started.enrolments;
        let device = self.proven.started.peer.key.fingerprint();
        if self.proven.started.admission == Admission::Genesis {
            self.tell_turn(stream, &Head::none()).await?;
            let assertion = self.touch(stream, trail).await?;
            let turn = enrolments.roster.turn(device).await?;
            let head = Some(turn.head.to_wire());
            let touched = EnrolTouched {
                assertion: Some(assertion),
                head,
            };
            stream.write(Message::Touched(touched)).await?;
            return Ok(Placed {
                registered: self,
                turn,
            });
        }
        // The long part is told before the turn begins, the rest in it.
        let told = self.tell_chain(stream, 1).await?;
        let turn = tokio::select! {
            turn = enrolments.roster.turn(device) => turn?,
            gone = stream.disturbed() => return Err(gone),
        };
        self.tell_chain(stream, told).await?;
        self.tell_turn(stream, &turn.head).await?;
        Ok(Placed {
            registered: self,
            turn,
        })
    }

    /// Sends statements from `number` on, in the client's view, and returns the number after the last one.
    async fn tell_chain<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &self,
        stream: &mut Stream<R, W>,
        mut number: u64,
    ) -> Result<u64, EnrolError> {
        let log = &self.proven.started.enrolments.roster;
        loop {
            let page = log.statements_from(number).await?;
            let Some(last) = page.last() else {
                return Ok(number);
            };
            number = last.number.saturating_add(1);
            // Where there are statements there is a roster.
            let roster = log.snapshot().ok_or(EnrolError::OutOfTurn)?;
            let statements = page.iter().map(|it| self.shown(&roster, it)).collect();
            stream
                .write(Message::Chain(EnrolChain { statements }))
                .await?;
        }
    }

    /// A statement as this client gets it: the one with its own invitation in full, of which it learns what it may sign.
    fn shown(&self, roster: &Roster, statement: &Statement) -> Statement {
        let invitation = match &self.proven.started.admission {
            Admission::User { invitation, .. } => invitation.to_string(),
            Admission::Genesis => return roster.client_view(statement),
        };
        let Some(Content::Body(bytes)) = &statement.content else {
            return roster.client_view(statement);
        };
        let own = Kind::try_from(statement.kind) == Ok(Kind::Invitation)
            && Body::decode(&bytes[..]).is_ok_and(|body| {
                let mut invitations = body.invitations.iter();
                invitations.any(|it| it.invitation_id == invitation)
            });
        if own {
            statement.clone()
        } else {
            roster.client_view(statement)
        }
    }

    async fn tell_turn<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &self,
        stream: &mut Stream<R, W>,
        head: &Head,
    ) -> Result<(), EnrolError> {
        let turn = EnrolTurn {
            attestation_object: self.sent.attestation_object.clone(),
            client_data_json: self.sent.client_data_json.clone(),
            head: Some(head.to_wire()),
            time_ms: self.proven.started.enrolments.clock.now().0,
        };
        stream.write(Message::Turn(turn)).await.map(drop)
    }

    /// Has the new passkey touch the body of the genesis statement, in the same tab.
    async fn touch<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &self,
        stream: &mut Stream<R, W>,
        trail: &mut Trail,
    ) -> Result<Assertion, EnrolError> {
        let started = &self.proven.started;
        let ceremonies = &started.enrolments.ceremonies;
        let patience = ceremonies.settings().ceremony;
        // A person reads what is founded before the client asks for the touch.
        let asked = timeout(patience, stream.read()).await;
        let Message::Touch(asked) = asked.map_err(|_| EnrolError::TooSlow)??.message else {
            return Err(EnrolError::OutOfTurn);
        };
        let body_hash = Hash::try_from(asked.body_hash.as_slice()).map_err(|_| {
            EnrolError::refused(
                Reason::RequestMalformed,
                "the hash of the body is not 32 bytes",
            )
        })?;
        let device = started.peer.key.fingerprint();
        let ask = TouchAsk {
            device,
            device_name: started.device_name.clone(),
            owner: self.proven.user_name.clone(),
            source_address: started.peer.source.ip().to_string(),
            passkeys: vec![KnownPasskey {
                credential_id: self.credential.credential_id().to_vec(),
                cose_key: self.credential.cose_key().to_vec(),
            }],
            relying_party: self.proven.relying_party.clone(),
            genesis: [0; 32],
            kind: Kind::Genesis.number(),
            signer: device,
            body_hash,
            goes_on: true,
        };
        let begun = ceremonies.begin_touch(ask, patience).await?;
        ceremonies.lead_on(self.tab, device, begun.id).await?;
        trail.tab = Some(begun.id);
        stream.write(Message::Page(page(&begun))).await?;
        tokio::select! {
            touch = ceremonies.touch(begun.id, Instant::now() + patience) => Ok(touch?),
            gone = stream.disturbed() => Err(gone),
        }
    }

    /// Refuses a statement that enrols anything but what this enrolment saw.
    fn check(&self, statement: &Statement) -> Result<(), EnrolError> {
        let seen = self.enrols_what_was_seen(statement);
        seen.then_some(()).ok_or_else(|| {
            let detail = "the statement enrols another device or passkey than this enrolment";
            EnrolError::refused(Reason::EvidenceInvalid, detail)
        })
    }

    fn enrols_what_was_seen(&self, statement: &Statement) -> bool {
        let Some(Content::Body(bytes)) = &statement.content else {
            return false;
        };
        let Ok(body) = Body::decode(&bytes[..]) else {
            return false;
        };
        match (
            &self.proven.started.admission,
            Kind::try_from(statement.kind),
        ) {
            (Admission::Genesis, Ok(Kind::Genesis)) => {
                // What it says of the deployment is the roster log's to check.
                matches!(body.genesis.as_slice(), [one]
                    if self.is_seen(one.device.as_ref(), one.passkey.as_ref()))
            }
            (Admission::User { invitation, .. }, Ok(Kind::Enrolment)) => {
                matches!(body.enrolments.as_slice(), [one] if one.invitation_id == invitation.to_string()
                    && self.is_seen(one.device.as_ref(), one.passkey.as_ref()))
            }
            _ => false,
        }
    }

    fn is_seen(&self, device: Option<&Device>, passkey: Option<&Passkey>) -> bool {
        let (Some(device), Some(passkey)) = (device, passkey) else {
            return false;
        };
        device.key == self.proven.attested.key().spki()
            && passkey.credential_id == self.credential.credential_id()
            && passkey.cose_key == self.credential.cose_key()
    }
}

impl Placed<'_> {
    /// Takes the statement within the turn, stores it and says so. The tab waits for the first sign-in.
    pub(super) async fn store<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        self,
        stream: &mut Stream<R, W>,
        trail: &Trail,
    ) -> Result<(), EnrolError> {
        let started = &self.registered.proven.started;
        let (enrolments, device) = (started.enrolments, started.peer.key.fingerprint());
        let received = self.statement(stream).await;
        let statement = match received.and_then(|it| self.registered.check(&it).map(|()| it)) {
            Ok(statement) => statement,
            Err(error) => {
                enrolments.roster.give_up(self.turn.id);
                return Err(error);
            }
        };
        enrolments
            .roster
            .append(self.turn.id, &device, &statement)
            .await?;
        enrolments.write(trail, String::new()).await;
        let tab = trail.tab.unwrap_or(self.registered.tab);
        let head = Some(enrolments.roster.head().to_wire());
        let done = EnrolDone {
            head,
            ceremony_id: tab.to_string(),
        };
        stream.write(Message::Done(done)).await.map(drop)
    }

    async fn statement<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &self,
        stream: &mut Stream<R, W>,
    ) -> Result<Statement, EnrolError> {
        let now = self.registered.proven.started.enrolments.clock.now();
        let patience = self.turn.deadline.since(now);
        let received = timeout(patience, stream.read()).await;
        let message = received.map_err(|_| EnrolError::TooSlow)??.message;
        if let Message::Statement(sent) = message {
            return sent.statement.ok_or(EnrolError::OutOfTurn);
        }
        let gone = matches!(message, Message::Refused(_));
        Err(if gone {
            EnrolError::Gone
        } else {
            EnrolError::OutOfTurn
        })
    }
}

impl Enrolments {
    /// Writes down that an enrolment was refused, and lets the browser's tab know.
    pub(super) async fn note(&self, trail: &Trail, error: &EnrolError) {
        if let Some(tab) = trail.tab {
            // A tab that was led on already has its next page; whoever is there sees that nothing follows.
            let _ = self.ceremonies.abandon(tab, trail.device).await;
        }
        if error.is_audited() {
            self.write(trail, error.reason().as_str().to_owned()).await;
        }
        tracing::info!(
            source.address = %trail.source, device.key = %trail.device,
            reason = %error.reason(), %error, "An enrolment was refused."
        );
    }

    async fn write(&self, trail: &Trail, reason: String) {
        let actor = Actor {
            user_id: trail.user_id.clone(),
            user_name: trail.user_name.clone(),
            source_address: trail.source.ip().to_string(),
            ..Actor::default()
        };
        let event = EnrolmentEvent {
            invitation_id: trail.invitation.clone(),
            actor: Some(actor),
            device_name: trail.device_name.clone(),
            reason,
        };
        self.audit.note(Event::Enrolment(event)).await;
    }
}
