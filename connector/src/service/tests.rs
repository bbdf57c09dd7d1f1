use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpListener;

use super::*;
use crate::testing::World;

async fn rig() -> (World, TcpListener, Services, Arc<Session>) {
    of_kind(ServiceKind::Tcp).await
}

async fn of_kind(kind: ServiceKind) -> (World, TcpListener, Services, Arc<Session>) {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = Service {
        name: "db".parse().unwrap(),
        address: listener.local_addr().unwrap().to_string().parse().unwrap(),
        kind,
        labels: std::collections::BTreeMap::new(),
    };
    let services = Services::new(&[service], world.audit.clone(), world.clock.clone());
    let offer = world.offer(&world.anna, "service/prod/db");
    let session = world.table.offer(offer).await.unwrap();
    (world, listener, services, session)
}

#[tokio::test]
async fn each_direction_is_half_closed_by_itself() {
    let (world, listener, services, session) = rig().await;
    let standing = world.table.standing(&session).await.unwrap();
    let (mut client, mut near) = duplex(64);
    let carried = async {
        let mut dialled = services.dial(&session, standing.permit()).await.unwrap();
        dialled.copy(&mut near, b"early ").await.unwrap();
        drop((dialled, near));
    };
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = String::new();
        // Ends although the other direction is open.
        stream.read_to_string(&mut all).await.unwrap();
        stream
            .write_all(format!("got {all}").as_bytes())
            .await
            .unwrap();
    };
    let ask = async {
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let ((), (), answer) = tokio::join!(carried, server, ask);
    assert_eq!(answer, "got early question");
    let Some(Event::StreamOutcome(outcome)) = world.audited().pop() else {
        panic!("no outcome");
    };
    assert_eq!((outcome.received_bytes, outcome.sent_bytes), (14, 18));
}

#[tokio::test]
async fn the_server_may_close_first_and_still_read() {
    let (world, listener, services, session) = rig().await;
    let standing = world.table.standing(&session).await.unwrap();
    let (mut client, mut near) = duplex(64);
    let carried = async {
        let mut dialled = services.dial(&session, standing.permit()).await.unwrap();
        dialled.copy(&mut near, b"").await.unwrap();
        drop(near);
    };
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"banner").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        all
    };
    let ask = async {
        let mut banner = String::new();
        client.read_to_string(&mut banner).await.unwrap();
        client.write_all(b"after").await.unwrap();
        client.shutdown().await.unwrap();
        banner
    };
    let ((), all, banner) = tokio::join!(carried, server, ask);
    assert_eq!((all.as_str(), banner.as_str()), ("after", "banner"));
}

#[tokio::test]
async fn intent_is_recorded_before_the_dial_and_a_dead_service_is_offline() {
    let (world, listener, services, session) = rig().await;
    drop(listener);
    let standing = world.table.standing(&session).await.unwrap();
    let error = services
        .dial(&session, standing.permit())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::TargetOffline);
    let events = world.audited();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::StreamIntent(intent) if intent.service == "db"))
    );
    assert!(events.iter().any(
        |event| matches!(event, Event::StreamOutcome(outcome) if outcome.reason == "target_offline")
    ));
}

#[tokio::test]
async fn a_permit_for_the_api_server_dials_no_service() {
    let (world, _listener, services, _) = rig().await;
    let session = world.table.offer(world.annas_offer()).await.unwrap();
    let standing = world.table.standing(&session).await.unwrap();
    let error = services
        .dial(&session, standing.permit())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::UnknownOrForbidden);
}

#[tokio::test]
async fn raw_bytes_never_reach_a_web_application_nor_requests_another_service() {
    let origin = "http://db.default.svc".parse().unwrap();
    let (world, _listener, services, session) = of_kind(ServiceKind::Http { origin }).await;
    let standing = world.table.standing(&session).await.unwrap();
    assert!(services.application(standing.permit()).is_ok());
    let error = services
        .dial(&session, standing.permit())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::RequestUnsupported);
    let (world, _listener, services, session) = rig().await;
    let standing = world.table.standing(&session).await.unwrap();
    let error = services.application(standing.permit()).unwrap_err();
    assert_eq!(error.reason(), Reason::RequestUnsupported);
}

#[test]
fn u14_link_local_addresses_are_not_dialled() {
    for ip in ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254"] {
        assert!(may_be_service(ip.parse().unwrap()).is_err(), "{ip}");
    }
}
