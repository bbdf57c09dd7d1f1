//! Parties that do what the test says.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test waits for one message and passes over the others"
)]

use std::sync::Arc;

use adit_proto::Reason;
use adit_proto::frame::Limit;
use adit_proto::key::PublicKey;
use adit_proto::testing::{Person, TestCluster, TestKey, random};
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::offer_answer::Answer;
use adit_proto::wire::control::{
    Accepted, Frame, Offer, OfferAnswer, Refused, Register, Registered, Service,
};
use adit_transport::cid::RouteId;
use adit_transport::endpoint::Liveliness;
use adit_transport::frame::{FrameReader, FrameWriter};
use adit_transport::key::{DeviceSigner, SignError};
use adit_transport::party::{Dial, Party, PartyConfig};
use adit_transport::tls::{Alpn, ClientGate, ServerPin};
use adit_transport::way::Attachment;
use quinn::{Connection, RecvStream, SendStream};
use ring::rand::SystemRandom;

use super::{Rig, patiently};
use crate::caller::Caller;

#[derive(Debug)]
struct Signer(TestKey);

impl DeviceSigner for Signer {
    fn public_key(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.0.sign(message))
    }
}

/// A party on one control connection.
pub(crate) struct FakeParty {
    pub(crate) party: Party,
    pub(crate) connection: Connection,
    pub(crate) reader: FrameReader<RecvStream>,
    pub(crate) writer: FrameWriter<SendStream>,
    pub(crate) instance: [u8; 16],
    pin: ServerPin,
    route: Option<RouteId>,
}

impl FakeParty {
    /// Dials with a key that is not let in, and tells the reason.
    pub(crate) async fn refused(rig: &Rig, key: &TestKey, alpn: Alpn) -> Reason {
        let (_party, connection) = Self::connect(rig, key, alpn).await;
        closed(&connection).await
    }

    /// Dials with any key. The connection lives as long as its party.
    pub(crate) async fn connect(rig: &Rig, key: &TestKey, alpn: Alpn) -> (Party, Connection) {
        let (party, pin) = Self::party(rig, key, false);
        let connection = connect(&party, alpn, pin).await;
        (party, connection)
    }

    fn party(rig: &Rig, key: &TestKey, accepts: bool) -> (Party, ServerPin) {
        let pin = ServerPin::Key(rig.log.gateways.fingerprint());
        let config = PartyConfig {
            gateway: rig.gateway,
            attachment: if accepts {
                Attachment::Connected
            } else {
                Attachment::Free
            },
            signer: Arc::new(Signer(key.clone())),
            links_from: accepts.then_some(ClientGate::AnyKey),
        };
        (Party::new(config, &SystemRandom::new()).unwrap(), pin)
    }

    /// Dials with a key, and opens the stream.
    pub(crate) async fn dial(rig: &Rig, key: &TestKey, alpn: Alpn, accepts: bool) -> Self {
        let (party, pin) = Self::party(rig, key, accepts);
        let connection = connect(&party, alpn, pin).await;
        let (send, recv) = connection.open_bi().await.unwrap();
        Self {
            party,
            reader: FrameReader::new(recv, Limit::PARTY),
            writer: FrameWriter::new(send, Limit::PARTY),
            connection,
            instance: random(),
            pin,
            route: None,
        }
    }

    /// Dials again with the same process's instance.
    pub(crate) async fn dial_again(&mut self) {
        self.connection = connect(&self.party, Alpn::Control, self.pin).await;
        let (send, recv) = self.connection.open_bi().await.unwrap();
        self.reader = FrameReader::new(recv, Limit::PARTY);
        self.writer = FrameWriter::new(send, Limit::PARTY);
    }

    pub(crate) async fn send(&mut self, message: Message) {
        let (critical, message) = (false, Some(message));
        // A closed connection shows in what the test waits for next.
        let _ = self.writer.write(&Frame { critical, message }).await;
    }

    /// The next message; `None` once the connection is closed.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        let frame: Frame = patiently(self.reader.read()).await.ok()??;
        frame.message
    }

    /// Reads until a message that the test waits for.
    pub(crate) async fn until<T>(&mut self, mut wanted: impl FnMut(Message) -> Option<T>) -> T {
        loop {
            let message = self.next().await.expect("the connection goes on");
            if let Some(found) = wanted(message) {
                return found;
            }
        }
    }

    pub(crate) async fn register(&mut self, register: Register) -> Registered {
        let instance = self.instance.to_vec();
        self.send(Message::Register(Register {
            instance,
            ..register
        }))
        .await;
        let registered = self
            .until(|message| match message {
                Message::Registered(registered) => Some(registered),
                _ => None,
            })
            .await;
        let route = RouteId::from_bits(registered.route).unwrap();
        self.party.registered(&self.connection, route).unwrap();
        self.route = Some(route);
        registered
    }

    /// Waits until it has the log and a lease. A connection that still has much to send may be closed without a word: quinn
    /// does not send the close while congestion control holds data back.
    pub(crate) async fn up_to_date(&mut self) {
        self.until(|message| matches!(message, Message::Lease(_)).then_some(()))
            .await;
    }

    pub(crate) fn route(&self) -> RouteId {
        self.route.expect("it is registered")
    }

    /// Waits for the end of the connection and tells its reason.
    pub(crate) async fn closed(&self) -> Reason {
        closed(&self.connection).await
    }

    /// The end of a session, as this party is told.
    pub(crate) async fn session_ended(&mut self) -> (String, String) {
        self.until(|message| match message {
            Message::SessionEnded(ended) => Some((ended.session_id, ended.reason)),
            _ => None,
        })
        .await
    }

    /// The next pair that is announced or withdrawn.
    pub(crate) async fn pair(&mut self) -> (u64, bool) {
        self.until(|message| match message {
            Message::Pair(pair) => Some((pair.route, pair.withdrawn)),
            _ => None,
        })
        .await
    }
}

/// Waits for the end of a connection and tells its reason.
pub(crate) async fn closed(connection: &Connection) -> Reason {
    match patiently(connection.closed()).await {
        quinn::ConnectionError::ApplicationClosed(closed) => {
            Reason::from_code(closed.error_code.into_inner()).expect("a reason")
        }
        other => panic!("closed by something else: {other}"),
    }
}

async fn connect(party: &Party, alpn: Alpn, pin: ServerPin) -> Connection {
    let dial = Dial {
        alpn,
        pin,
        liveliness: Liveliness::Prompt,
        patience: None,
    };
    patiently(party.dial(dial)).await.unwrap()
}

/// A device's agent.
pub(crate) struct Agent {
    pub(crate) party: FakeParty,
    pub(crate) caller: Caller,
}

impl Agent {
    /// Dials and registers.
    pub(crate) async fn register(rig: &Rig, person: &Person) -> Self {
        let mut party = FakeParty::dial(rig, &person.device, Alpn::Control, false).await;
        party.register(Register::default()).await;
        let live = rig
            .services
            .registry
            .by_route(party.route())
            .expect("it is registered");
        let caller = crate::control::caller(&live).expect("it is a device");
        Self { party, caller }
    }
}

/// A cluster's connector.
pub(crate) struct Connector {
    pub(crate) party: FakeParty,
}

impl Connector {
    /// Dials and registers as one that serves an API server and the service `db`.
    pub(crate) async fn register(rig: &Rig, cluster: &TestCluster) -> Self {
        let mut party = FakeParty::dial(rig, &cluster.key, Alpn::Control, true).await;
        party.register(Self::registration()).await;
        Self { party }
    }

    pub(crate) fn registration() -> Register {
        let service = Service {
            name: "db".to_owned(),
            kind: "tcp".to_owned(),
        };
        Register {
            version: "0.1.0".to_owned(),
            ceiling_groups: vec!["view".to_owned()],
            services: vec![service],
            kubernetes: true,
            ..Register::default()
        }
    }

    /// The next offer.
    pub(crate) async fn offered(&mut self) -> Offer {
        self.party
            .until(|message| match message {
                Message::Offer(offer) => Some(offer),
                _ => None,
            })
            .await
    }

    /// Accepts the next offer.
    pub(crate) async fn accept(&mut self) -> Offer {
        let offer = self.offered().await;
        let (instance, route) = (self.party.instance.to_vec(), self.party.route().bits());
        self.answer(&offer, Answer::Accepted(Accepted { instance, route }))
            .await;
        offer
    }

    /// Refuses the next offer.
    pub(crate) async fn refuse(&mut self, reason: Reason) {
        let offer = self.offered().await;
        let (reason, detail) = (reason.to_string(), "says the test".to_owned());
        self.answer(&offer, Answer::Refused(Refused { reason, detail }))
            .await;
    }

    pub(crate) async fn answer(&mut self, offer: &Offer, answer: Answer) {
        let session_id = offer.session_id.clone();
        let answer = Some(answer);
        self.party
            .send(Message::OfferAnswer(OfferAnswer { session_id, answer }))
            .await;
    }
}
