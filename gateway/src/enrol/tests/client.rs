//! A client that enrols as `adit enrol` does, and can stop or cheat.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "any other message is a failure of the test"
)]

use adit_proto::assertion::registered;
use adit_proto::frame::{self, Limit};
use adit_proto::id::UserId;
use adit_proto::invitation::{Invitation, evidence_digest, registration_challenge, start_digest};
use adit_proto::statement::{Draft, Head, Kind};
use adit_proto::testing::{Log, Person, TestKey, random};
use adit_proto::wire::enrol::{
    EnrolChallenge, EnrolDone, EnrolProof, EnrolStart, EnrolStatement, EnrolTouch, EnrolTouched,
    Frame,
};
use adit_proto::wire::identity::DeviceFacts;
use adit_proto::wire::roster as wire;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::ceremony::Ceremonies;
use crate::ceremony::tests::browser::{assertion_json, asserts, registers};
use crate::ceremony::tests::{ORIGIN, RP_ID};
use crate::enrol::*;

/// A device key on a connection.
pub(super) fn somebody(log: &Log) -> Peer {
    let person = Person::new(log.admin.user, "eve", RP_ID, log.now);
    Peer {
        key: person.device.public().clone(),
        source: "192.0.2.7:4711".parse().unwrap(),
        bind: random(),
        evidence: random(),
    }
}

/// Where a client vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    AfterStart,
    AfterProof,
    AfterPage,
    AfterTurn,
    Never,
}

pub(super) struct Client {
    pub(super) person: Person,
    pub(super) bind: [u8; 32],
    pub(super) evidence: [u8; 32],
    pub(super) enrols_other_device: bool,
    pub(super) chain: Mutex<Vec<wire::Statement>>,
    peer: Peer,
    invitation: Invitation,
    genesis: Option<wire::Genesis>,
    entry: Option<wire::Enrolment>,
    body: wire::Body,
    stop: Stop,
}

impl Client {
    /// Somebody with the first invitation.
    pub(super) fn founder(invitation: &Invitation, log: &Log) -> Self {
        let person = Person::new(UserId::from_parts(log.now, random()), "ann", RP_ID, log.now);
        let genesis = Log::genesis_of(&person, RP_ID, &[ORIGIN.into()], log.gateways.public());
        let next = log.roster.gateways().next.spki().to_vec();
        let genesis = wire::Genesis {
            gateways_next_key: next,
            ..genesis
        };
        let client = Self::new(person, invitation, log);
        Self {
            genesis: Some(genesis),
            ..client
        }
    }

    /// Somebody with an invitation of the roster, or of another.
    pub(super) fn invited(invitation: &Invitation, log: &Log) -> Self {
        let key = invitation.key().public().fingerprint();
        let found = log.roster.invitation_by_key(&key);
        let user = found.map_or(log.admin.user, |found| found.user);
        let person = Person::new(user, "bob", RP_ID, log.now);
        let entry = wire::Enrolment {
            invitation_id: found.map(|found| found.id.to_string()).unwrap_or_default(),
            device: Some(person.wire_device()),
            passkey: Some(person.wire_passkey()),
        };
        let client = Self::new(person, invitation, log);
        Self {
            entry: Some(entry),
            ..client
        }
    }

    pub(super) fn stopping(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    pub(super) fn new(person: Person, invitation: &Invitation, log: &Log) -> Self {
        let (bind, evidence) = (random(), random());
        let peer = Peer {
            key: person.device.public().clone(),
            source: "192.0.2.7:4711".parse().unwrap(),
            bind,
            evidence,
        };
        let body = wire::Body {
            salt: random::<16>().to_vec(),
            id: random::<16>().to_vec(),
            time_ms: log.now.0,
            ..wire::Body::default()
        };
        Self {
            person,
            bind,
            evidence,
            enrols_other_device: false,
            chain: Mutex::default(),
            peer,
            invitation: invitation.clone(),
            genesis: None,
            entry: None,
            body,
            stop: Stop::Never,
        }
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer.clone()
    }

    /// Goes through the enrolment. An empty reason means that the client stopped or the stream ended.
    pub(super) async fn run(
        &self,
        stream: DuplexStream,
        ceremonies: &Ceremonies,
    ) -> Result<EnrolDone, (String, String)> {
        let mut line = Line {
            stream,
            buffer: BytesMut::new(),
        };
        let start = line.write(Message::Start(self.start())).await;
        self.stops(Stop::AfterStart)?;
        let (challenge, frame) = line.read().await?;
        let Message::Challenge(challenge) = challenge else {
            panic!("{challenge:?}")
        };
        let digest = evidence_digest(&start, &frame, &self.evidence);
        let attestation = adit_attest::packed::statement(&self.person.device.sign(&digest));
        let user_name = self.person.name.clone();
        let proof = EnrolProof {
            attestation,
            user_name,
            ..EnrolProof::default()
        };
        line.write(Message::Proof(proof)).await;
        self.stops(Stop::AfterProof)?;
        let tab = self.register(&mut line, ceremonies, &challenge).await?;
        if self.genesis.is_some() {
            return self.found(&mut line, ceremonies, tab).await;
        }
        let head = loop {
            match line.read().await?.0 {
                Message::Chain(chain) => self.chain.lock().extend(chain.statements),
                Message::Turn(turn) => break Head::try_from(&turn.head.unwrap()).unwrap(),
                other => panic!("{other:?}"),
            }
        };
        self.stops(Stop::AfterTurn)?;
        let entry = self.enrolment();
        let body = wire::Body {
            enrolments: vec![entry],
            ..self.body.clone()
        };
        let key = self.invitation.key();
        let print = key.public().fingerprint();
        let placed = Draft::new(head.genesis, Kind::Enrolment, print, &body).place(&head);
        let signature = key.sign(&placed.hash()).to_vec();
        line.ends_with(placed.seal(signature, None)).await
    }

    pub(super) fn start(&self) -> EnrolStart {
        let key = self.invitation.key();
        let facts = DeviceFacts {
            name: "laptop".into(),
            ..DeviceFacts::default()
        };
        EnrolStart {
            invitation_key: key.public().as_bytes().to_vec(),
            signature: key.sign(&start_digest(&self.bind)).to_vec(),
            facts: Some(facts),
            client_nonce: random::<32>().to_vec(),
        }
    }

    /// Registers the passkey as the page does, and returns the tab.
    async fn register(
        &self,
        line: &mut Line,
        ceremonies: &Ceremonies,
        challenge: &EnrolChallenge,
    ) -> Result<crate::ceremony::CeremonyId, (String, String)> {
        let Message::Page(page) = line.read().await?.0 else {
            panic!("a page")
        };
        self.stops(Stop::AfterPage)?;
        let id = page.url.rsplit('/').next().unwrap().parse().unwrap();
        let options = ceremonies.page(id).await.unwrap().options;
        let answer = registers(&self.person, &options);
        ceremonies.answer(id, &answer.json(), None).await.unwrap();
        let party = adit_proto::assertion::RelyingParty::new(&challenge.rp_id, &challenge.origins);
        let nonce = challenge.server_nonce.as_slice().try_into().unwrap();
        let invitation = self.invitation.key().public().fingerprint();
        let wanted = registration_challenge(&self.person.device.fingerprint(), &invitation, &nonce);
        let (object, data) = (&answer.attestation_object, &answer.client_data_json);
        registered(object, data, &party.unwrap(), &wanted).unwrap();
        Ok(id)
    }

    async fn found(
        &self,
        line: &mut Line,
        ceremonies: &Ceremonies,
        tab: crate::ceremony::CeremonyId,
    ) -> Result<EnrolDone, (String, String)> {
        let Message::Turn(turn) = line.read().await?.0 else {
            panic!("a turn")
        };
        assert!(Head::try_from(&turn.head.unwrap()).unwrap().is_none());
        let body = wire::Body {
            genesis: vec![self.genesis.clone().unwrap()],
            ..self.body.clone()
        };
        let print = self.person.device.fingerprint();
        let draft = Draft::new([0; 32], Kind::Genesis, print, &body);
        let body_hash = draft.body_hash().to_vec();
        line.write(Message::Touch(EnrolTouch { body_hash })).await;
        let Message::Page(page) = line.read().await?.0 else {
            panic!("a page")
        };
        let id: crate::ceremony::CeremonyId = page.url.rsplit('/').next().unwrap().parse().unwrap();
        let place = format!("/ceremony/{id}");
        assert_eq!(
            ceremonies.next(tab).await.unwrap(),
            crate::ceremony::Next::Go(place)
        );
        let options = ceremonies.page(id).await.unwrap().options;
        let answer = assertion_json(&asserts(&self.person, &options));
        ceremonies.answer(id, &answer, None).await.unwrap();
        let Message::Touched(EnrolTouched { assertion, .. }) = line.read().await?.0 else {
            panic!("a touch")
        };
        let placed = draft.place(&Head::none());
        let signature = self.person.device.sign(&placed.hash());
        line.ends_with(placed.seal(signature, assertion)).await
    }

    fn enrolment(&self) -> wire::Enrolment {
        let mut entry = self.entry.clone().unwrap();
        if self.enrols_other_device {
            let key = TestKey::generate().public().spki().to_vec();
            entry.device.as_mut().unwrap().key = key;
        }
        entry
    }

    fn stops(&self, here: Stop) -> Result<(), (String, String)> {
        if self.stop == here {
            Err((String::new(), String::new()))
        } else {
            Ok(())
        }
    }
}

/// The client's end of the stream.
struct Line {
    stream: DuplexStream,
    buffer: BytesMut,
}

impl Line {
    async fn write(&mut self, message: Message) -> Bytes {
        let mut bytes = BytesMut::new();
        let frame = Frame {
            critical: false,
            message: Some(message),
        };
        frame::put(&frame, Limit::STRANGER, &mut bytes).unwrap();
        // The gateway may have refused already.
        let _ = self.stream.write_all(&bytes).await;
        bytes.freeze()
    }

    async fn read(&mut self) -> Result<(Message, Bytes), (String, String)> {
        loop {
            let sent = self.buffer.clone();
            if let Some(frame) = frame::take::<Frame>(&mut self.buffer, Limit::PARTY).unwrap() {
                let length = sent.len() - self.buffer.len();
                let bytes = sent.freeze().slice(..length);
                return match frame.message.unwrap() {
                    Message::Refused(refused) => Err((refused.reason, refused.detail)),
                    message => Ok((message, bytes)),
                };
            }
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap_or(0);
            if read == 0 {
                return Err((String::new(), "the stream ended".into()));
            }
        }
    }

    async fn ends_with(
        &mut self,
        statement: wire::Statement,
    ) -> Result<EnrolDone, (String, String)> {
        let statement = Some(statement);
        self.write(Message::Statement(EnrolStatement { statement }))
            .await;
        match self.read().await?.0 {
            Message::Done(done) => Ok(done),
            other => panic!("{other:?}"),
        }
    }
}
