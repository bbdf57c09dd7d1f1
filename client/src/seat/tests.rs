use adit_proto::label::Hash;
use adit_proto::testing::Log;
use adit_proto::wire::control::frame::Message;
use adit_proto::wire::control::{Goodbye, SessionEnded};
use adit_transport::key::PrivateKey;
use ring::rand::SystemRandom;

use super::*;
use crate::profile::tests::{paths, profile};
use fake_gateway::FakeGateway;

mod fake_gateway;

struct Stage {
    gateway: FakeGateway,
    seat: Seat,
    _scratch: tempfile::TempDir,
}

async fn seat_at(gateway: &FakeGateway, genesis: Hash) -> (Seat, tempfile::TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    let (paths, name) = (paths(scratch.path()), "one".parse().unwrap());
    let profile = Profile {
        gateway: gateway.address.to_string().parse().unwrap(),
        gateways_keys: gateway.keys,
        genesis,
        ..profile()
    };
    profile.save(&paths, &name).unwrap();
    let key = PrivateKey::generate(&SystemRandom::new()).unwrap();
    key.store(&crate::profile::key_file(&paths, &name)).unwrap();
    (Seat::new(&paths, &name, profile).await.unwrap(), scratch)
}

async fn stage() -> Stage {
    let mut log = Log::new();
    log.add_cluster("prod");
    let gateway = FakeGateway::start(log);
    let (seat, scratch) = seat_at(&gateway, gateway.log.genesis()).await;
    Stage {
        gateway,
        seat,
        _scratch: scratch,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_device_registers_follows_the_roster_and_calls_the_api() {
    let stage = stage().await;
    let mut line = stage.gateway.accept().await;
    assert_eq!(line.register.instance.len(), 16);
    assert_eq!(line.register.roster_number, 0);
    line.send_roster(&stage.gateway.log).await;
    let founded = stage.seat.founded().await.unwrap();
    assert_eq!(founded.genesis(), stage.gateway.log.genesis());
    let who: Value = api::ask(&stage.seat.api(), Method::GET, "/v1/whoami", None)
        .await
        .unwrap();
    assert_eq!(who["path"], "/v1/whoami");
    stage.seat.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_the_gateways_word_and_is_named_after_a_lost_line() {
    let stage = stage().await;
    let mut line = stage.gateway.accept().await;
    line.send_roster(&stage.gateway.log).await;
    let target: Target = "cluster/prod".parse().unwrap();
    let session = stage.seat.session(&target).await.unwrap();
    // The gateway is lost: the device comes back with what it holds.
    line.drop_connection();
    let mut line = stage.gateway.accept().await;
    assert_eq!(line.register.sessions, [session.id.to_string()]);
    let head = stage.seat.roster().head();
    assert_eq!(line.register.roster_number, head.number);
    assert!(!session.over.is_cancelled());
    line.say(Message::SessionEnded(SessionEnded {
        session_id: session.id.to_string(),
        reason: Reason::SessionRevoked.to_string(),
        detail: String::new(),
    }))
    .await;
    timeout(Duration::from_secs(10), session.over.cancelled())
        .await
        .unwrap();
    assert!(stage.seat.sessions().is_empty());
    stage.seat.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_revoked_is_told_so_at_once_by_every_call() {
    let stage = stage().await;
    let mut line = stage.gateway.accept().await;
    line.say(Message::Goodbye(Goodbye {
        reason: Reason::DeviceRevoked.to_string(),
        detail: "lost in a\u{1b}[2J train".to_owned(),
    }))
    .await;
    let gone = async {
        while stage
            .seat
            .control()
            .trouble()
            .is_none_or(|trouble| trouble.reason() != Some(Reason::DeviceRevoked))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.unwrap();
    let trouble = stage.seat.control().trouble().unwrap();
    assert!(trouble.message.contains("lost in a[2J train"), "{trouble}");
    stage.seat.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_another_key_or_another_log_is_not_believed() {
    let stage = stage().await;
    // Somebody else at the gateway's address.
    let mut impostor = FakeGateway::start(Log::new());
    impostor.keys = stage.gateway.keys;
    let (seat, _scratch) = seat_at(&impostor, stage.gateway.log.genesis()).await;
    let (refused, ()) = tokio::join!(seat.control().line(), impostor.knocked());
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::GatewayUnreachable));
    assert!(refused.message.contains("is not the gateway"), "{refused}");
    seat.close().await;
    // The right key with another log.
    let mut line = stage.gateway.accept().await;
    line.send_roster(&Log::new()).await;
    let who: Value = api::ask(&stage.seat.api(), Method::GET, "/v1/whoami", None)
        .await
        .unwrap();
    assert_eq!(who["path"], "/v1/whoami");
    assert!(stage.seat.roster().head().is_none());
    stage.seat.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_person_a_missing_sign_in_is_told_and_no_page_is_opened() {
    let stage = stage().await;
    let mut line = stage.gateway.accept().await;
    line.send_roster(&stage.gateway.log).await;
    stage.gateway.sign_out();
    let (caller, talk) = (Caller::default(), Talk::default());
    let cluster = "prod".parse().unwrap();
    let refused = stage
        .seat
        .credential(&cluster, &caller, &talk)
        .await
        .unwrap_err();
    assert_eq!(refused.exit, crate::exit::Exit::SignIn);
    assert!(refused.repair.unwrap().contains("adit login"));
    assert!(!stage.gateway.was_asked("/v1/sign-ins"));
    stage.gateway.sign_in();
    let credential = stage
        .seat
        .credential(&cluster, &caller, &talk)
        .await
        .unwrap();
    let key = stage.seat.endpoint().token_key().unwrap();
    let profile = "one".parse().unwrap();
    let entitled = key.check(&profile, &credential.token, crate::clock::now());
    assert_eq!(*entitled.unwrap().cluster(), cluster);
    stage.seat.close().await;
}
