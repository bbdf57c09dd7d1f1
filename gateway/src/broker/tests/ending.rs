#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test waits for one message and passes over the others"
)]

use std::time::Duration;

use adit_proto::Reason;
use adit_proto::roster::Subject;
use adit_proto::wire::control::SessionEnded;
use adit_proto::wire::control::frame::Message;
use futures_util::FutureExt;

use super::Scene;
use crate::store::suspensions;
use crate::testing::patiently;

/// Both ends learn the reason, and nothing is forwarded any more.
async fn ends_with(scene: &mut Scene, reason: &[Reason]) {
    let (id, told) = scene.connector.party.session_ended().await;
    assert!(
        reason.iter().any(|reason| reason.as_str() == told),
        "{told}"
    );
    assert!(!scene.live().iter().any(|live| live.to_string() == id));
    let now = scene.rig.clock.now();
    // The ends are told first, since every moment counts; the row follows.
    patiently(async {
        loop {
            let stored = scene.rig.services.store.live_sessions(now).await.unwrap();
            if !stored.iter().any(|session| session.id.to_string() == id) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_the_device_ends_its_sessions_and_its_connection() {
    let mut scene = Scene::new().await;
    scene.open("cluster/prod").await;
    let device = Subject::Device(scene.person.device_id);
    scene.rig.says(|log| log.revoke(device)).await;
    ends_with(&mut scene, &[Reason::DeviceRevoked]).await;
    assert_eq!(scene.agent.party.closed().await, Reason::DeviceRevoked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_the_user_ends_the_sessions() {
    let mut scene = Scene::new().await;
    scene.open("cluster/prod").await;
    let user = Subject::User(scene.person.user);
    scene.rig.says(|log| log.revoke(user)).await;
    ends_with(&mut scene, &[Reason::DeviceRevoked]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h15_revoking_the_passkey_ends_the_sessions_that_rest_on_it() {
    let mut scene = Scene::new().await;
    scene.open("cluster/prod").await;
    let person = scene.person.clone();
    let spare = |log: &mut adit_proto::testing::Log| {
        log.set_self_service(person.user, true);
        log.add_passkey(&person);
    };
    scene.rig.says(spare).await;
    let passkey = Subject::Passkey(scene.person.passkey_id);
    scene.rig.says(|log| log.revoke(passkey)).await;
    ends_with(&mut scene, &[Reason::SignInRequired]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_the_cluster_ends_the_sessions_and_closes_its_connectors() {
    let mut scene = Scene::new().await;
    let opened = scene.open("cluster/prod").await;
    let cluster = Subject::Cluster(scene.cluster.id);
    scene.rig.says(|log| log.revoke(cluster)).await;
    let (id, reason) = scene.agent.party.session_ended().await;
    assert_eq!(id, opened.session.id.to_string());
    assert_eq!(reason, Reason::UnknownOrForbidden.as_str());
    assert_eq!(scene.connector.party.closed().await, Reason::DeviceRevoked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_allows_less_ends_what_it_no_longer_allows() {
    let mut scene = Scene::new().await;
    scene.open("cluster/prod").await;
    let kept = scene.open("service/prod/db").await;
    let services_only = r#"
permit (principal in Group::"dev", action == Action::"connect", resource is Service);
"#;
    scene.rig.apply(services_only).await;
    ends_with(
        &mut scene,
        &[Reason::UnknownOrForbidden, Reason::PolicyDenied],
    )
    .await;
    assert_eq!(scene.live(), [kept.session.id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_the_only_policy_ends_everything() {
    let mut scene = Scene::new().await;
    scene.open("cluster/prod").await;
    scene.rig.says(|log| log.revoke(Subject::Policy(1))).await;
    ends_with(&mut scene, &[Reason::UnknownOrForbidden]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspension_ends_sessions_and_can_be_taken_back() {
    let mut scene = Scene::new().await;
    scene.open("cluster/prod").await;
    let subject = suspensions::Subject::Device(scene.person.device_id);
    let admin = scene.rig.log.admin.user;
    let suspensions = &scene.rig.services.suspensions;
    suspensions.set(subject, true, "lost", admin).await.unwrap();
    assert_eq!(scene.agent.party.closed().await, Reason::DeviceSuspended);
    ends_with(&mut scene, &[Reason::DeviceSuspended]).await;
    assert_eq!(
        scene.denied("cluster/prod").await.reason,
        Reason::DeviceSuspended
    );
    let suspensions = &scene.rig.services.suspensions;
    suspensions
        .set(subject, false, "found", admin)
        .await
        .unwrap();
    scene.open("cluster/prod").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h15_signing_out_ends_every_sign_in_and_what_rests_on_them() {
    let mut scene = Scene::new().await;
    scene.open("cluster/prod").await;
    // A second sign-in stands in front of the first.
    scene.rig.sign_in(&scene.person).await;
    scene
        .rig
        .services
        .broker
        .sign_out(scene.person.device_id)
        .await
        .unwrap();
    ends_with(&mut scene, &[Reason::SignInRequired]).await;
    assert_eq!(
        scene.denied("cluster/prod").await.reason,
        Reason::SignInRequired
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_its_time() {
    let mut scene = Scene::new().await;
    let opened = scene.open("cluster/prod").await;
    scene.rig.clock.set(opened.session.expires);
    ends_with(&mut scene, &[Reason::SessionExpired]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_a_connector_reports_reaches_the_device() {
    let mut scene = Scene::new().await;
    let opened = scene.open("cluster/prod").await;
    let ended = SessionEnded {
        session_id: opened.session.id.to_string(),
        reason: Reason::SessionIdle.to_string(),
        detail: String::new(),
    };
    scene
        .connector
        .party
        .send(Message::SessionEnded(ended.clone()))
        .await;
    let told = scene.agent.party.session_ended().await;
    assert_eq!(told, (ended.session_id, ended.reason));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_whose_caller_goes_away_is_stored() {
    let mut scene = Scene::new().await;
    let opened = scene.open("cluster/prod").await;
    let broker = scene.rig.services.broker.clone();
    let ending = broker.end(opened.session.id, Reason::SessionRevoked, "by the test");
    // Begun, and dropped.
    let _ = ending.now_or_never();
    ends_with(&mut scene, &[Reason::SessionRevoked]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c5_a_party_cannot_end_somebody_elses_session() {
    let mut scene = Scene::new().await;
    let opened = scene.open("cluster/prod").await;
    let other = scene.rig.says(|log| log.add_person("bob", &["dev"])).await;
    let mut other = crate::testing::Agent::register(&scene.rig, &other).await;
    let session_id = opened.session.id.to_string();
    let reason = Reason::SessionExpired.to_string();
    let ended = SessionEnded {
        session_id,
        reason,
        detail: String::new(),
    };
    other.party.send(Message::SessionEnded(ended)).await;
    // Answered in order: what came before it was taken.
    other
        .party
        .send(Message::RosterFetch(
            adit_proto::wire::control::RosterFetch { from_number: 1 },
        ))
        .await;
    other
        .party
        .until(|message| match message {
            Message::RosterStatements(sent) if sent.statements[0].number == 1 => Some(()),
            _ => None,
        })
        .await;
    assert_eq!(scene.live(), [opened.session.id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unconfirmed_end_cuts_the_pair_within_half_a_second() {
    let mut scene = Scene::new().await;
    let one = scene.open("cluster/prod").await;
    let other = scene.open("service/prod/db").await;
    let broker = &scene.rig.services.broker;
    let begun = tokio::time::Instant::now();
    assert!(
        broker
            .end(one.session.id, Reason::SessionRevoked, "by the test")
            .await
    );
    let withdrawn = scene
        .agent
        .party
        .until(|message| match message {
            Message::Pair(pair) if pair.withdrawn => Some(pair.route),
            _ => None,
        })
        .await;
    assert_eq!(withdrawn, other.route.bits());
    assert!(begun.elapsed() >= Duration::from_millis(500));
    let (id, reason) = scene.agent.party.session_ended().await;
    assert_eq!(
        (id, reason.as_str()),
        (other.session.id.to_string(), "target_offline")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c5_a_device_cannot_confirm_in_the_connectors_place() {
    let mut scene = Scene::new().await;
    let one = scene.open("cluster/prod").await;
    let other = scene.open("service/prod/db").await;
    let broker = &scene.rig.services.broker;
    broker
        .end(one.session.id, Reason::SessionRevoked, "by the test")
        .await;
    let ended = SessionEnded {
        session_id: one.session.id.to_string(),
        reason: Reason::SessionRevoked.to_string(),
        detail: String::new(),
    };
    scene.agent.party.send(Message::SessionEnded(ended)).await;
    let withdrawn = scene
        .agent
        .party
        .until(|message| match message {
            Message::Pair(pair) if pair.withdrawn => Some(pair.route),
            _ => None,
        })
        .await;
    assert_eq!(withdrawn, other.route.bits());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmed_end_leaves_the_pair_to_the_other_session() {
    let mut scene = Scene::new().await;
    let one = scene.open("cluster/prod").await;
    let other = scene.open("service/prod/db").await;
    let broker = scene.rig.services.broker.clone();
    assert!(
        broker
            .end(one.session.id, Reason::SessionRevoked, "by the test")
            .await
    );
    let (session_id, reason) = scene.connector.party.session_ended().await;
    let ended = SessionEnded {
        session_id,
        reason,
        detail: String::new(),
    };
    scene
        .connector
        .party
        .send(Message::SessionEnded(ended))
        .await;
    let broker = &scene.rig.services.broker;
    patiently(async {
        while !broker.unconfirmed.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(scene.live(), [other.session.id]);
}
