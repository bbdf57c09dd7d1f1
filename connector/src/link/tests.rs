//! Links over real QUIC, without a relay between the ends.

mod cut_off;
mod versions;

use std::net::SocketAddr;

use adit_proto::frame::Limit;
use adit_proto::roster::Subject;
use adit_proto::statement::Head;
use adit_proto::testing::{Person, TestKey, random};
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{Record, Refusal};
use adit_proto::wire::link::stream_header::Kind;
use adit_proto::wire::link::{Heads, HeadsAnswer, Ping, StreamHeader, Tcp};
use adit_transport::door::{Door, Strangers};
use adit_transport::endpoint;
use adit_transport::frame::{FrameReader, FrameWriter};
use adit_transport::key::{DeviceSigner, PrivateKey};
use adit_transport::secret_file;
use adit_transport::tls::{Alpn, SERVER_NAME, ServerPin};
use prost::Message;
use quinn::{ConnectionError, ConnectionId, Endpoint, ReadError, RecvStream, SendStream};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::config::Service;
use crate::testing::World;

struct Rig {
    world: World,
    links: Arc<Links>,
    address: SocketAddr,
    cluster: Arc<dyn DeviceSigner>,
    service: TcpListener,
    _accepting: JoinSet<()>,
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A test's key as the transport takes it: through a file, as a device has it.
fn signer(world: &World, key: &TestKey) -> Arc<dyn DeviceSigner> {
    let path = world
        .dir
        .path()
        .join(key.fingerprint().to_string().replace('/', "_"));
    if !path.exists() {
        secret_file::create(&path, key.pkcs8()).unwrap();
    }
    let readers = adit_transport::secret_file::Readers::Owner;
    PrivateKey::load(&path, readers).unwrap().into_signer()
}

impl Rig {
    async fn new() -> Self {
        let world = World::new();
        let service = TcpListener::bind(loopback()).await.unwrap();
        let configured = Service {
            name: "db".parse().unwrap(),
            address: service.local_addr().unwrap().to_string().parse().unwrap(),
            kind: crate::config::ServiceKind::Tcp,
            labels: std::collections::BTreeMap::new(),
        };
        let services = Services::new(&[configured], world.audit.clone(), world.clock.clone());
        let cluster = signer(&world, &TestKey::generate());
        let links = Arc::new(Links {
            web: world.web(cluster.clone()),
            book: world.book.clone(),
            sessions: world.table.clone(),
            kube: None,
            services,
            audit: world.audit.clone(),
            held: Held::default(),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
        });
        let tls = tls::server(cluster.clone(), &[Alpn::Link], gate(world.book.clone())).unwrap();
        let listening = Endpoint::server(endpoint::link_server(tls), loopback()).unwrap();
        let address = listening.local_addr().unwrap();
        let door = Door::new(listening, Strangers::Relayed);
        let mut accepting = JoinSet::new();
        let serving = links.clone();
        accepting.spawn(async move {
            while let Some(arrival) = door.next().await {
                serving.tasks.spawn(serving.clone().complete(arrival));
            }
        });
        Self {
            world,
            links,
            address,
            cluster,
            service,
            _accepting: accepting,
        }
    }

    fn client(&self, key: &TestKey) -> quinn::ClientConfig {
        let pin = ServerPin::Key(self.cluster.public_key().fingerprint());
        let tls = tls::client(signer(&self.world, key), Alpn::Link, pin).unwrap();
        let first_id = Arc::new(|| {
            let mut id: [u8; 16] = random();
            id[0] |= 0x80;
            ConnectionId::new(&id)
        });
        endpoint::link_client(tls, first_id)
    }

    async fn connect(&self, key: &TestKey) -> Result<Connection, ConnectionError> {
        self.connect_with(self.client(key)).await
    }

    async fn connect_with(
        &self,
        config: quinn::ClientConfig,
    ) -> Result<Connection, ConnectionError> {
        let client = Endpoint::client(loopback()).unwrap();
        client
            .connect_with(config, self.address, SERVER_NAME)
            .unwrap()
            .await
    }

    /// A link of Anna's on which heads were exchanged.
    async fn annas_link(&self) -> Connection {
        let link = self.connect(&self.world.anna.device).await.unwrap();
        heads(&link, &self.world.log.roster.head()).await.unwrap();
        link
    }

    async fn session(&self, person: &Person) -> Arc<crate::session::Session> {
        let offer = self.world.offer(person, "service/prod/db");
        self.world.table.offer(offer).await.unwrap()
    }
}

async fn open(link: &Connection, session: &str, kind: Kind) -> (SendStream, RecvStream) {
    let (send, recv) = link.open_bi().await.unwrap();
    let header = StreamHeader {
        session_id: session.to_owned(),
        kind: Some(kind),
    };
    let mut writer = FrameWriter::new(send, Limit::STRANGER);
    writer.write(&header).await.unwrap();
    (writer.into_inner(), recv)
}

/// Exchanges heads; `None` when the link is closed instead.
async fn heads(link: &Connection, head: &Head) -> Option<HeadsAnswer> {
    let head = Some(head.to_wire());
    let (_send, recv) = open(link, "", Kind::Heads(Heads { head })).await;
    FrameReader::new(recv, Limit::PARTY)
        .read()
        .await
        .ok()
        .flatten()
}

/// The reason that a stream was reset with.
async fn reset(recv: &mut RecvStream) -> Reason {
    match recv.read_to_end(1 << 20).await {
        Err(quinn::ReadToEndError::Read(ReadError::Reset(code))) => {
            Reason::from_code(code.into_inner()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// The reason that a link was closed with.
async fn closed(link: &Connection) -> Reason {
    let closed = link.closed().await;
    let ConnectionError::ApplicationClosed(close) = &closed else {
        panic!("{closed:?}");
    };
    Reason::from_code(close.error_code.into_inner()).unwrap()
}

#[tokio::test]
async fn bytes_go_both_ways_and_the_first_go_without_waiting() {
    let rig = Rig::new().await;
    let session = rig.session(&rig.world.anna).await;
    let link = rig.annas_link().await;
    let (mut send, mut recv) = open(&link, &session.id().to_string(), Kind::Tcp(Tcp {})).await;
    send.write_all(b"hello").await.unwrap();
    send.finish().unwrap();
    let (mut service, _) = rig.service.accept().await.unwrap();
    let mut got = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut service, &mut got)
        .await
        .unwrap();
    assert_eq!(got, "hello");
    tokio::io::AsyncWriteExt::write_all(&mut service, b"world")
        .await
        .unwrap();
    drop(service);
    assert_eq!(recv.read_to_end(100).await.unwrap(), b"world");
    let (mut send, mut recv) = open(&link, "", Kind::Ping(Ping {})).await;
    send.write_all(b"x").await.unwrap();
    send.finish().unwrap();
    assert_eq!(recv.read_to_end(10).await.unwrap(), b"x");
}

#[tokio::test]
async fn a_session_that_ends_resets_its_streams_with_the_reason() {
    let rig = Rig::new().await;
    let session = rig.session(&rig.world.anna).await;
    let link = rig.annas_link().await;
    let (mut send, mut recv) = open(&link, &session.id().to_string(), Kind::Tcp(Tcp {})).await;
    send.write_all(b"x").await.unwrap();
    let (_service, _) = rig.service.accept().await.unwrap();
    rig.world.table.end(session.id(), Reason::SessionRevoked);
    assert_eq!(reset(&mut recv).await, Reason::SessionRevoked);
    let (_send, mut recv) = open(&link, &session.id().to_string(), Kind::Tcp(Tcp {})).await;
    assert_eq!(reset(&mut recv).await, Reason::SessionExpired);
}

#[tokio::test]
async fn a_session_of_another_device_is_refused() {
    let mut rig = Rig::new().await;
    let bert = rig.world.log.add_person("bert@example.com", &["devs"]);
    rig.world.deliver();
    let berts = rig.session(&bert).await;
    let link = rig.annas_link().await;
    for (session, reason) in [
        (berts.id().to_string(), Reason::UnknownOrForbidden),
        (
            "ses_00000000000000000000000000".to_owned(),
            Reason::SessionExpired,
        ),
        ("nonsense".to_owned(), Reason::RequestMalformed),
    ] {
        let (_send, mut recv) = open(&link, &session, Kind::Tcp(Tcp {})).await;
        assert_eq!(reset(&mut recv).await, reason);
    }
    let refusals = refusals(&rig.world);
    assert_eq!(refusals.len(), 3);
    for refusal in refusals {
        let actor = refusal.actor.unwrap();
        assert_eq!(actor.device_id, rig.world.anna.device_id.to_string());
        assert_eq!(actor.user_id, rig.world.anna.user.to_string());
    }
}

#[tokio::test]
async fn c11_refusals_without_end_are_counted_and_do_not_fill_the_audit_log() {
    let rig = Rig::new().await;
    let link = rig.annas_link().await;
    for _ in 0..300 {
        let (_send, mut recv) = open(&link, "nonsense", Kind::Tcp(Tcp {})).await;
        reset(&mut recv).await;
    }
    let (counts, each): (Vec<_>, Vec<_>) = refusals(&rig.world)
        .into_iter()
        .partition(|refusal| refusal.reason == Reason::RateLimited.as_str());
    assert!(each.len() < 200, "{}", each.len());
    let counted = |refusal: &Refusal| {
        let actor = refusal.actor.as_ref().unwrap();
        assert_eq!(actor.device_id, rig.world.anna.device_id.to_string());
        let count = refusal.detail.split(' ').next().unwrap();
        count.parse::<usize>().unwrap()
    };
    let left_out: usize = counts.iter().map(counted).sum();
    assert_eq!(each.len() + left_out, 300);
}

/// What was refused on links, as the audit log has it.
fn refusals(world: &World) -> Vec<Refusal> {
    world.audit.flush().unwrap();
    let records = world.audit.cursor().read().unwrap().upload.records;
    let mut refusals = Vec::new();
    for record in records {
        if let Some(Event::Refusal(refusal)) = Record::decode(&record[..]).unwrap().event {
            refusals.push(refusal);
        }
    }
    refusals
}

#[tokio::test]
async fn c14_a_device_outside_the_roster_makes_no_link() {
    let rig = Rig::new().await;
    let refused = match rig.connect(&TestKey::generate()).await {
        Err(error) => error,
        // TLS 1.3: the client learns only after its handshake that its key was refused.
        Ok(link) => link.closed().await,
    };
    assert!(
        matches!(refused, ConnectionError::ConnectionClosed(_)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_revoked_device_loses_its_link_at_once() {
    let mut rig = Rig::new().await;
    let link = rig.annas_link().await;
    rig.world.log.revoke(Subject::User(rig.world.anna.user));
    rig.world.deliver();
    assert_eq!(closed(&link).await, Reason::DeviceRevoked);
}

#[tokio::test]
async fn a_device_revoked_before_its_link_is_served_loses_it_too() {
    let mut rig = Rig::new().await;
    let link = rig.connect(&rig.world.anna.device).await.unwrap();
    // TLS 1.3: the gate is asked after the client's half of the handshake.
    while link.stats().frame_rx.handshake_done == 0 {
        tokio::task::yield_now().await;
    }
    rig.world.log.revoke(Subject::User(rig.world.anna.user));
    rig.world.deliver();
    // The link may be closed before the answer has come.
    heads(&link, &rig.world.log.roster.head()).await;
    assert_eq!(closed(&link).await, Reason::DeviceRevoked);
}

#[tokio::test]
async fn c11_a_device_with_too_many_links_loses_its_oldest_and_no_other_device_does() {
    let mut rig = Rig::new().await;
    let bert = rig.world.log.add_person("bert@example.com", &["devs"]);
    rig.world.deliver();
    let berts = rig.connect(&bert.device).await.unwrap();
    heads(&berts, &rig.world.log.roster.head()).await.unwrap();
    let oldest = rig.annas_link().await;
    let mut links = Vec::new();
    for _ in 0..8 {
        links.push(rig.annas_link().await);
    }
    assert_eq!(closed(&oldest).await, Reason::LimitReached);
    links.push(berts);
    assert!(links.iter().all(|link| link.close_reason().is_none()));
}

#[tokio::test]
async fn nothing_is_served_before_heads_were_exchanged() {
    let rig = Rig::new().await;
    let session = rig.session(&rig.world.anna).await;
    let link = rig.connect(&rig.world.anna.device).await.unwrap();
    let (_send, _recv) = open(&link, &session.id().to_string(), Kind::Tcp(Tcp {})).await;
    assert_eq!(closed(&link).await, Reason::RequestMalformed);
}

#[tokio::test]
async fn a_client_that_is_behind_gets_what_it_lacks() {
    let rig = Rig::new().await;
    let link = rig.connect(&rig.world.anna.device).await.unwrap();
    let answer = heads(&link, &Head::none()).await.unwrap();
    assert_eq!(answer.statements, rig.world.log.client_view());
    assert_eq!(answer.head.unwrap(), rig.world.log.roster.head().to_wire());
}

#[tokio::test]
async fn c11_a_client_that_does_not_read_the_heads_loses_its_link() {
    let rig = Rig::new().await;
    let mut narrow = quinn::TransportConfig::default();
    narrow.stream_receive_window(64_u32.into());
    let mut config = rig.client(&rig.world.anna.device);
    config.transport_config(Arc::new(narrow));
    let link = rig.connect_with(config).await.unwrap();
    let head = Some(Head::none().to_wire());
    let _unread = open(&link, "", Kind::Heads(Heads { head })).await;
    tokio::time::pause();
    let closed = timeout(2 * HEADER, closed(&link)).await;
    assert_eq!(closed, Ok(Reason::RequestMalformed));
}

#[tokio::test]
async fn s3_a_client_with_another_history_is_told_of_the_fork() {
    let rig = Rig::new().await;
    let link = rig.connect(&rig.world.anna.device).await.unwrap();
    let mut other = rig.world.log.roster.head();
    other.hash[0] ^= 1;
    assert!(heads(&link, &other).await.is_none());
    assert_eq!(closed(&link).await, Reason::RosterFork);
}

#[tokio::test]
async fn c14_statements_that_a_gateway_holds_back_are_missed_through_the_client() {
    let mut rig = Rig::new().await;
    rig.world.log.add_user("new@example.com", &[]);
    let ahead = rig.world.log.roster.head();
    let link = rig.connect(&rig.world.anna.device).await.unwrap();
    heads(&link, &ahead).await.unwrap();
    assert_eq!(*rig.links.book.wanted().borrow(), ahead.number);
    assert_eq!(closed(&link).await, Reason::RosterStale);
    // One that comes in time is served by.
    let link = rig.connect(&rig.world.anna.device).await.unwrap();
    heads(&link, &ahead).await.unwrap();
    rig.world.deliver();
    assert!(heads(&link, &ahead).await.is_some());
}
