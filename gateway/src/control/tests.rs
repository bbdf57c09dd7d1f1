//! What a control connection takes and what closes it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test waits for one message and passes over the others"
)]

use std::net::{IpAddr, Ipv4Addr};

use adit_proto::Reason;
use adit_proto::roster::Subject;
use adit_proto::testing::{Log, Person, TestCluster, TestKey};
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{
    AuditStored, AuditUpload, Frame, Goodbye, Lease, Metrics, Offer, OfferAnswer, Pair, PolicyText,
    Probe, Register, Registered, RosterFetch, RosterStatements, RouteMoved, SessionEnded,
};
use adit_proto::wire::roster::statement::Content;
use adit_transport::tls::Alpn;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;

use super::messages::{MESSAGES, declared};
use crate::caller::Role;
use crate::testing::{Agent, Connector, FakeParty, Rig, patiently};

/// Where the parties of a test are.
const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Scene {
    rig: Rig,
    person: Person,
    cluster: TestCluster,
}

impl Scene {
    async fn new() -> Self {
        let mut log = Log::new();
        let cluster = log.add_cluster("prod");
        let person = log.add_person("ada", &["dev"]);
        let rig = Rig::start(log).await;
        Self {
            rig,
            person,
            cluster,
        }
    }

    async fn dial(&self, role: Role) -> FakeParty {
        let (key, accepts) = match role {
            Role::Device => (&self.person.device, false),
            Role::Connector => (&self.cluster.key, true),
        };
        FakeParty::dial(&self.rig, key, Alpn::Control, accepts).await
    }

    async fn registered(&self, role: Role) -> FakeParty {
        match role {
            Role::Device => Agent::register(&self.rig, &self.person).await.party,
            Role::Connector => Connector::register(&self.rig, &self.cluster).await.party,
        }
    }
}

/// One of each message.
fn each() -> Vec<Message> {
    vec![
        Message::Register(Register::default()),
        Message::Probe(Probe::default()),
        Message::OfferAnswer(OfferAnswer::default()),
        Message::AuditUpload(AuditUpload::default()),
        Message::RosterFetch(RosterFetch::default()),
        Message::Metrics(Metrics::default()),
        Message::Registered(Registered::default()),
        Message::RosterStatements(RosterStatements::default()),
        Message::Lease(Lease::default()),
        Message::PolicyText(PolicyText::default()),
        Message::Offer(Offer::default()),
        Message::Pair(Pair::default()),
        Message::RouteMoved(RouteMoved::default()),
        Message::AuditStored(AuditStored::default()),
        Message::Goodbye(Goodbye::default()),
        Message::SessionEnded(SessionEnded::default()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_any_message_before_register_closes() {
    assert_eq!(each().len(), MESSAGES.len(), "one of each message is tried");
    let scene = Scene::new().await;
    for role in [Role::Device, Role::Connector] {
        for message in each() {
            if declared(&message).first {
                continue;
            }
            let mut party = scene.dial(role).await;
            party.send(message).await;
            assert_eq!(party.closed().await, Reason::RequestMalformed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ipv4_address_is_one_on_a_socket_of_both_families() {
    let mut scene = Scene::new().await;
    scene.rig = scene.rig.dual_stack().await;
    let party = scene.registered(Role::Device).await;
    let live = scene.rig.services.registry.by_route(party.route()).unwrap();
    assert!(live.connection().remote_address().is_ipv6());
    assert_eq!(super::caller(&live).unwrap().source.ip(), IPV4);
    let row = live.party().row();
    let seen = patiently(async {
        loop {
            if let Some(seen) = scene.rig.services.store.seen(row).await.unwrap() {
                break seen;
            }
        }
    })
    .await;
    assert_eq!(seen.source_address, IPV4.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_a_message_of_another_role_closes() {
    let scene = Scene::new().await;
    for role in [Role::Device, Role::Connector] {
        for message in each() {
            let known = declared(&message);
            if known.allows(role) && !known.first {
                continue;
            }
            let mut party = scene.registered(role).await;
            party.send(message).await;
            assert_eq!(
                party.closed().await,
                Reason::RequestMalformed,
                "{role:?} {}",
                known.name
            );
        }
    }
    let refusals = scene.rig.audited().await.into_iter().filter(|record| {
        matches!(
            record.event,
            Some(adit_proto::wire::audit::record::Event::Refusal(_))
        )
    });
    assert!(refusals.count() >= 20, "one audit event each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_an_unknown_message_is_ignored_unless_it_is_critical() {
    let scene = Scene::new().await;
    let mut party = scene.registered(Role::Device).await;
    party
        .writer
        .write(&Frame {
            critical: false,
            message: None,
        })
        .await
        .unwrap_err();
    // An empty frame cannot be written; a field of a later version can.
    let unknown = |critical: bool| {
        let mut bytes = vec![0xfa, 0x3e, 0x01, 0x2a];
        if critical {
            bytes.extend([0x08, 0x01]);
        }
        bytes
    };
    raw(&mut party, &unknown(false)).await;
    party
        .send(Message::RosterFetch(RosterFetch { from_number: 1 }))
        .await;
    party
        .until(|message| match message {
            Message::RosterStatements(sent) if sent.statements[0].number == 1 => Some(()),
            _ => None,
        })
        .await;
    raw(&mut party, &unknown(true)).await;
    assert_eq!(party.closed().await, Reason::VersionUnsupported);
}

/// Sends bytes as one frame.
async fn raw(party: &mut FakeParty, bytes: &[u8]) {
    let instead = party.connection.open_bi().await.unwrap();
    let writer = std::mem::replace(
        &mut party.writer,
        adit_transport::frame::FrameWriter::new(instead.0, adit_proto::frame::Limit::PARTY),
    );
    let mut stream = writer.into_inner();
    let length = u32::try_from(bytes.len()).unwrap();
    stream.write_all(&length.to_be_bytes()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    party.writer = adit_transport::frame::FrameWriter::new(stream, adit_proto::frame::Limit::PARTY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_a_frame_longer_than_the_limit_closes() {
    let scene = Scene::new().await;
    let mut party = scene.registered(Role::Device).await;
    let mut stream = {
        let instead = party.connection.open_bi().await.unwrap();
        let limit = adit_proto::frame::Limit::PARTY;
        let writer = adit_transport::frame::FrameWriter::new(instead.0, limit);
        std::mem::replace(&mut party.writer, writer).into_inner()
    };
    stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    assert_eq!(party.closed().await, Reason::RequestMalformed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_revoked_and_suspended_keys_are_closed_with_their_reason() {
    let mut scene = Scene::new().await;
    let refused = async |scene: &Scene, key: &TestKey| {
        FakeParty::refused(&scene.rig, key, Alpn::Control).await
    };
    let unknown = TestKey::generate();
    assert_eq!(refused(&scene, &unknown).await, Reason::DeviceUnknown);
    let admin = scene.rig.log.admin.user;
    let subject = crate::store::suspensions::Subject::User(scene.person.user);
    let suspensions = &scene.rig.services.suspensions;
    suspensions
        .set(subject, true, "on leave", admin)
        .await
        .unwrap();
    assert_eq!(
        refused(&scene, &scene.person.device).await,
        Reason::DeviceSuspended
    );
    let (device, cluster) = (scene.person.device_id, scene.cluster.id);
    scene
        .rig
        .says(|log| log.revoke(Subject::Device(device)))
        .await;
    scene
        .rig
        .says(|log| log.revoke(Subject::Cluster(cluster)))
        .await;
    assert_eq!(
        refused(&scene, &scene.person.device).await,
        Reason::DeviceRevoked
    );
    assert_eq!(
        refused(&scene, &scene.cluster.key).await,
        Reason::DeviceRevoked
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_enrols_is_handed_to_its_handler() {
    let scene = Scene::new().await;
    let closed = FakeParty::refused(&scene.rig, &TestKey::generate(), Alpn::Enrol).await;
    assert_eq!(closed.code(), 7, "the handler's own code");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_gets_every_statement_the_policy_and_a_lease() {
    let mut scene = Scene::new().await;
    let mut party = scene.registered(Role::Connector).await;
    let (mut statements, mut policy, mut lease) = (Vec::new(), None, None);
    let expected = scene.rig.log.statements.len();
    while statements.len() < expected || policy.is_none() || lease.is_none() {
        match party.next().await.unwrap() {
            Message::RosterStatements(sent) => statements.extend(sent.statements),
            Message::PolicyText(text) => policy = Some(text),
            Message::Lease(sent) => lease = Some(sent),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(statements, scene.rig.log.statements);
    assert_eq!(policy.unwrap().number, 1);
    let lease = lease.unwrap();
    assert_eq!(lease.lease_ms, 4_000);
    assert!(lease.reading_age_ms < 4_000 && lease.roster_number > 0);
    // A new statement and a new policy come by themselves.
    scene
        .rig
        .apply("permit(principal, action, resource);")
        .await;
    let number = party
        .until(|message| match message {
            Message::PolicyText(text) => Some(text.number),
            _ => None,
        })
        .await;
    assert_eq!(number, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_gets_the_clients_view_and_no_policy() {
    let mut scene = Scene::new().await;
    let mut party = scene.registered(Role::Device).await;
    let mut statements = Vec::new();
    while statements.len() < scene.rig.log.statements.len() {
        match party.next().await.unwrap() {
            Message::RosterStatements(sent) => statements.extend(sent.statements),
            Message::Lease(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(statements, scene.rig.log.client_view());
    let hidden = |content: &Option<Content>| matches!(content, Some(Content::BodyHash(_)));
    assert!(
        statements
            .iter()
            .any(|statement| hidden(&statement.content))
    );
    let admin = scene.rig.log.admin.user;
    scene.rig.says(|log| log.add_user("grace", &[])).await;
    assert!(scene.rig.log.roster.is_admin(admin));
    let next = party
        .until(|message| match message {
            Message::RosterStatements(sent) => Some(sent.statements),
            _ => None,
        })
        .await;
    assert_eq!(next, scene.rig.log.client_view()[statements.len()..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c11_a_device_with_too_many_connections_loses_its_oldest_and_a_cluster_does_not() {
    let scene = Scene::new().await;
    let connector = scene.registered(Role::Connector).await;
    let oldest = scene.registered(Role::Device).await;
    let mut others = Vec::new();
    for _ in 0..8 {
        others.push(scene.registered(Role::Device).await);
        others.push(scene.registered(Role::Connector).await);
    }
    assert_eq!(oldest.closed().await, Reason::LimitReached);
    others.push(connector);
    let open = |party: &FakeParty| party.connection.close_reason().is_none();
    assert!(others.iter().all(open));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c11_a_party_that_does_not_read_is_closed_and_gets_everything_anew() {
    let scene = Scene::new().await;
    let party = scene.registered(Role::Connector).await;
    let live = scene.rig.services.registry.by_route(party.route()).unwrap();
    let text = "x".repeat(500 << 10);
    for number in 0..1_000 {
        let text = text.clone();
        live.send(Message::PolicyText(PolicyText { number, text }));
        if live.connection().close_reason().is_some() {
            break;
        }
    }
    assert_eq!(party.closed().await, Reason::LimitReached);
    let mut again = scene.registered(Role::Connector).await;
    let policy = again
        .until(|message| match message {
            Message::PolicyText(text) => Some(text.number),
            _ => None,
        })
        .await;
    assert_eq!(policy, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_further_stream_of_a_device_is_one_call_of_the_api() {
    let scene = Scene::new().await;
    let party = scene.registered(Role::Device).await;
    for _ in 0..40 {
        let (send, recv) = patiently(party.connection.open_bi()).await.unwrap();
        let stream = TokioIo::new(tokio::io::join(recv, send));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let request = http::Request::get("/v1/whoami").header("host", "adit");
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        let call = async {
            let response = sender.send_request(request).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        };
        let (body, _) = patiently(async { tokio::join!(call, connection) }).await;
        assert_eq!(body, scene.person.device_id.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_has_one_stream() {
    let scene = Scene::new().await;
    let party = scene.registered(Role::Connector).await;
    let (mut send, _recv) = party.connection.open_bi().await.unwrap();
    send.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(party.closed().await, Reason::RequestMalformed);
}
