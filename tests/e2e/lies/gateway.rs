//! A gateway that has the database, the gateways' key and the route secret, and says what the test wants.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use adit_gateway::relay::{Admission, Moved, Place, Registration, Relay};
use adit_proto::Reason;
use adit_proto::frame::Limit;
use adit_proto::key::PublicKey;
use adit_proto::statement::Head;
use adit_proto::testing::{TestKey, random};
use adit_proto::wire::audit::Record;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::offer_answer::Answer;
use adit_proto::wire::control::{
    AuditStored, AuditUpload, Frame, Lease, Offer, PolicyText, Register, Registered,
    RosterStatements,
};
use adit_proto::wire::roster::Statement;
use adit_transport::cid::{RouteId, RouteSecret};
use adit_transport::door::{Door, Strangers};
use adit_transport::endpoint;
use adit_transport::frame::{FrameReader, FrameWriter};
use adit_transport::key::{DeviceSigner, SignError};
use adit_transport::rebind::BindKey;
use adit_transport::tls::{self, Alpn, ClientGate};
use prost::Message as _;
use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use ring::rand::SystemRandom;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a party may take to say what it must say.
const PATIENCE: Duration = Duration::from_secs(20);
/// A lease that no test outlives.
const LEASE_MS: u64 = 600_000;

/// Proves a test's key in TLS.
#[derive(Debug)]
pub(super) struct Signer(pub(super) TestKey);

impl DeviceSigner for Signer {
    fn public_key(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.0.sign(message))
    }
}

/// The gateway. Its functions block.
pub(super) struct LyingGateway {
    pub(super) address: SocketAddr,
    door: Door,
    relay: Arc<Relay>,
    secret: RouteSecret,
    _moves: mpsc::Receiver<Moved>,
    // Last, so that what lives in it is gone before.
    runtime: Runtime,
}

/// The control connection of a party.
pub(super) struct Line {
    /// What the party said first.
    pub(super) register: Register,
    /// Its route.
    pub(super) route: RouteId,
    handle: Handle,
    connection: Connection,
    reader: FrameReader<RecvStream>,
    writer: FrameWriter<SendStream>,
    records: Vec<Record>,
    _registration: Registration,
    _admission: Admission,
}

impl LyingGateway {
    /// Listens on loopback with the gateways' key.
    pub(super) fn start(key: &TestKey) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let inside = runtime.enter();
        let rng = SystemRandom::new();
        let secret = RouteSecret::from_bytes(random());
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let (relay, socket, moves) = Relay::bind(listen, &secret).unwrap();
        let signer = Arc::new(Signer(key.clone()));
        let tls = tls::server(signer, &[Alpn::Control], ClientGate::AnyKey).unwrap();
        let ids = secret.control_ids(&rng).unwrap();
        let server = Some(endpoint::control_server(tls));
        let endpoint = endpoint::endpoint(socket, ids, secret.reset_key(), server).unwrap();
        let address = relay.local_addr().unwrap();
        drop(inside);
        Self {
            address,
            door: Door::new(endpoint, Strangers::Direct),
            relay,
            secret,
            _moves: moves,
            runtime,
        }
    }

    /// Takes the next party and gives it its route.
    pub(super) fn accept(&self, head: &Head) -> Line {
        self.wait("a party", async {
            let arrival = self.door.next().await.unwrap();
            let connection = arrival.handshake().await.unwrap();
            let admission = self.relay.admit(connection.remote_address());
            let (send, recv) = connection.accept_bi().await.unwrap();
            let mut reader = FrameReader::new(recv, Limit::PARTY);
            let first: Frame = reader.read().await.unwrap().unwrap();
            let register = first.message.and_then(registration).unwrap();
            let instance = register.instance[..].try_into().unwrap();
            let key = tls::peer_key(&connection).unwrap();
            let route = self.secret.route_of(&key, &instance);
            let bind = BindKey::export(&connection).unwrap();
            let registration = self.relay.register(route, Place::of(&connection), bind);
            let mut line = Line {
                register,
                route,
                handle: self.runtime.handle().clone(),
                connection,
                reader,
                writer: FrameWriter::new(send, Limit::PARTY),
                records: Vec::new(),
                _registration: registration,
                _admission: admission,
            };
            let registered = Registered {
                route: route.bits(),
                head: Some(head.to_wire()),
                lease_ms: LEASE_MS,
                lost_sessions: Vec::new(),
            };
            line.write(Message::Registered(registered)).await;
            line
        })
    }

    fn wait<T>(&self, what: &str, happens: impl Future<Output = T>) -> T {
        self.runtime
            .block_on(async { timeout(PATIENCE, happens).await })
            .unwrap_or_else(|_| unreachable!("{what} did not come"))
    }
}

fn registration(message: Message) -> Option<Register> {
    if let Message::Register(register) = message {
        return Some(register);
    }
    None
}

impl Line {
    /// Says something.
    pub(super) fn say(&mut self, message: Message) {
        let handle = self.handle.clone();
        handle.block_on(self.write(message));
    }

    /// Sends statements.
    pub(super) fn statements(&mut self, statements: &[Statement]) {
        let statements = statements.to_vec();
        self.say(Message::RosterStatements(RosterStatements { statements }));
    }

    /// Sends a text as the one of a policy.
    pub(super) fn policy(&mut self, number: u64, text: &str) {
        let text = text.to_owned();
        self.say(Message::PolicyText(PolicyText { number, text }));
    }

    /// Grants a lease, and names the newest statement.
    pub(super) fn lease(&mut self, roster_number: u64) {
        self.say(Message::Lease(Lease {
            roster_number,
            suspension_number: 0,
            reading_age_ms: 0,
            lease_ms: LEASE_MS,
        }));
    }

    /// Offers a session and returns the answer.
    pub(super) fn offer(&mut self, offer: &Offer) -> Answer {
        self.say(Message::Offer(offer.clone()));
        self.until("an answer", |message| {
            if let Message::OfferAnswer(answer) = message
                && answer.session_id == offer.session_id
            {
                return answer.answer;
            }
            None
        })
    }

    /// The reason with which the party ends a session.
    pub(super) fn session_ended(&mut self, session: &str) -> String {
        self.until("the end of a session", |message| {
            if let Message::SessionEnded(ended) = message
                && ended.session_id == session
            {
                return Some(ended.reason);
            }
            None
        })
    }

    /// An audit event that the party uploaded, or uploads soon.
    pub(super) fn audited<T>(&mut self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let handle = self.handle.clone();
        let reading = async {
            loop {
                let mut events = self
                    .records
                    .iter()
                    .filter_map(|record| record.event.as_ref());
                if let Some(found) = events.find_map(&wanted) {
                    return found;
                }
                self.read().await.unwrap();
            }
        };
        handle
            .block_on(async { timeout(PATIENCE, reading).await })
            .unwrap_or_else(|_| unreachable!("{what} is not in the audit log"))
    }

    /// Waits until the party closes the connection, and tells why.
    pub(super) fn closed(&mut self) -> Reason {
        let handle = self.handle.clone();
        let closed = async {
            while self.read().await.is_some() {}
            self.connection.closed().await
        };
        let closed = handle.block_on(async { timeout(PATIENCE, closed).await });
        let closed = closed.unwrap();
        let ConnectionError::ApplicationClosed(closed) = closed else {
            unreachable!("closed by something else: {closed}");
        };
        Reason::from_code(closed.error_code.into_inner()).unwrap()
    }

    fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(Message) -> Option<T>) -> T {
        let handle = self.handle.clone();
        let reading = async {
            loop {
                let message = self.read().await.unwrap();
                if let Some(found) = wanted(message) {
                    return found;
                }
            }
        };
        handle
            .block_on(async { timeout(PATIENCE, reading).await })
            .unwrap_or_else(|_| unreachable!("{what} did not come"))
    }

    /// The next message; `None` once the connection is gone. What is uploaded is kept and confirmed.
    async fn read(&mut self) -> Option<Message> {
        let frame: Frame = self.reader.read().await.ok()??;
        let message = frame.message.unwrap();
        if let Message::AuditUpload(upload) = &message {
            self.store(upload).await;
        }
        Some(message)
    }

    async fn store(&mut self, upload: &AuditUpload) {
        let records = upload.records.iter();
        self.records
            .extend(records.map(|record| Record::decode(&record[..]).unwrap()));
        let last = self.records.last().unwrap();
        let (chain, seq) = (last.chain.clone(), last.seq);
        self.write(Message::AuditStored(AuditStored { chain, seq }))
            .await;
    }

    async fn write(&mut self, message: Message) {
        let frame = Frame {
            critical: false,
            message: Some(message),
        };
        // A party that has closed shows in what the test waits for next.
        let _ = self.writer.write(&frame).await;
    }
}
