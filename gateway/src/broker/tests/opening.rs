use adit_proto::Reason;
use adit_proto::testing::Log;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::control::Accepted;
use adit_proto::wire::control::offer_answer::Answer;
use adit_transport::tls::ServerPin;
use std::time::Duration;

use super::Scene;
use crate::testing::{Agent, Connector, Rig, patiently};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_session_joins_the_two_routes_and_no_others() {
    let mut scene = Scene::new().await;
    let opened = scene.open("cluster/prod").await;
    assert_eq!(opened.route, scene.connector.party.route());
    assert_eq!(&opened.cluster_key, scene.cluster.key.public());
    let (device, connector) = (scene.agent.party.route().bits(), opened.route.bits());
    assert_eq!(scene.agent.party.pair().await, (connector, false));
    assert_eq!(scene.connector.party.pair().await, (device, false));
    let pin = ServerPin::Key(scene.cluster.key.fingerprint());
    let patience = Duration::from_secs(10);
    let connecting = scene
        .agent
        .party
        .party
        .connect_link(opened.route, pin, patience);
    let accepting = async {
        let arrival = scene.connector.party.party.accept_link().await.unwrap();
        arrival.handshake().await.unwrap()
    };
    let (link, accepted) = patiently(async { tokio::join!(connecting, accepting) }).await;
    drop(link.unwrap());
    assert_eq!(
        adit_transport::tls::peer_key(&accepted).as_ref(),
        Some(scene.person.device.public())
    );
    scene.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_carries_the_evidence_as_sent_and_what_the_decision_rests_on() {
    let mut scene = Scene::new().await;
    let later = scene.rig.clock.now().after(Duration::from_secs(1));
    scene.rig.clock.set(later);
    let sign_in = scene.rig.sign_in(&scene.person).await;
    let target = "cluster/prod".parse().unwrap();
    let broker = &scene.rig.services.broker;
    let (opened, offer) = tokio::join!(
        broker.open(&scene.agent.caller, &target),
        scene.connector.accept()
    );
    let opened = opened.unwrap();
    assert_eq!(offer.session_id, opened.session.id.to_string());
    assert_eq!(offer.evidence.as_ref(), Some(sign_in.evidence.sent()));
    assert_eq!(offer.device_key, scene.person.device.public().spki());
    assert_eq!(offer.groups, ["dev"]);
    assert_eq!(offer.kube_groups, ["view"]);
    assert_eq!(offer.policy_number, 1);
    let head = scene.rig.services.roster.head();
    assert_eq!(
        (offer.roster_number, &offer.roster_hash[..]),
        (head.number, &head.hash[..])
    );
    assert_eq!(offer.device_route, scene.agent.party.route().bits());
    let audited = scene.rig.audited().await;
    assert!(audited.iter().any(|record| matches!(
        &record.event,
        Some(Event::SessionDecided(decided))
            if decided.reason.is_empty() && decided.target == "cluster/prod"
    )));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_forbidden_and_offline_look_the_same_without_permission() {
    let mut log = Log::new();
    log.add_cluster("away");
    let here = log.add_cluster("here");
    let person = log.add_person("eve", &["other"]);
    let rig = Rig::start(log).await;
    rig.sign_in(&person).await;
    let _connector = Connector::register(&rig, &here).await;
    let agent = Agent::register(&rig, &person).await;
    let mut shown = Vec::new();
    for name in ["here", "away", "none"] {
        let target = format!("cluster/{name}").parse().unwrap();
        let denied = rig
            .services
            .broker
            .open(&agent.caller, &target)
            .await
            .unwrap_err();
        shown.push((denied.reason, denied.detail.replace(name, "NAME")));
    }
    assert_eq!(shown[0].0, Reason::UnknownOrForbidden);
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[0], shown[2]);
    let audited = rig.audited().await;
    let denials = audited.iter().filter(|record| {
        matches!(&record.event, Some(Event::SessionDecided(decided)) if !decided.reason.is_empty())
    });
    assert_eq!(denials.count(), 3, "one audit event each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_reach_a_target_is_told_that_it_is_offline() {
    let scene = Scene::new().await;
    scene.connector.party.connection.close(0_u32.into(), b"");
    let registry = &scene.rig.services.registry;
    patiently(async {
        while registry.by_route(scene.connector.party.route()).is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(
        scene.denied("cluster/prod").await.reason,
        Reason::TargetOffline
    );
    assert_eq!(
        scene.denied("service/prod/db").await.reason,
        Reason::TargetOffline
    );
    assert_eq!(
        scene.denied("cluster/none").await.reason,
        Reason::UnknownOrForbidden
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connectors_refusal_reaches_the_caller_and_leaves_no_session() {
    let mut scene = Scene::new().await;
    let target = "cluster/prod".parse().unwrap();
    let broker = &scene.rig.services.broker;
    let (denied, ()) = tokio::join!(
        broker.open(&scene.agent.caller, &target),
        scene.connector.refuse(Reason::RosterStale)
    );
    let denied = denied.unwrap_err();
    assert_eq!(
        (denied.reason, denied.detail.as_str()),
        (Reason::RosterStale, "says the test")
    );
    assert!(scene.live().is_empty());
    let now = scene.rig.clock.now();
    assert!(
        scene
            .rig
            .services
            .store
            .live_sessions(now)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_that_does_not_answer_is_offline_and_learns_the_end() {
    let mut scene = Scene::new().await;
    assert_eq!(
        scene.denied("cluster/prod").await.reason,
        Reason::TargetOffline
    );
    let offer = scene.connector.accept().await;
    assert_eq!(
        scene.connector.party.session_ended().await.0,
        offer.session_id
    );
    assert!(scene.live().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c5_an_answer_of_another_connector_opens_nothing() {
    let mut scene = Scene::new().await;
    let other = scene.rig.says(|log| log.add_cluster("other")).await;
    let mut other = Connector::register(&scene.rig, &other).await;
    let target = "cluster/prod".parse().unwrap();
    let broker = &scene.rig.services.broker;
    let stealing = async {
        let offer = scene.connector.offered().await;
        let (instance, route) = (other.party.instance.to_vec(), other.party.route().bits());
        other
            .answer(&offer, Answer::Accepted(Accepted { instance, route }))
            .await;
        other.party.session_ended().await
    };
    let (denied, _) = tokio::join!(broker.open(&scene.agent.caller, &target), stealing);
    assert_eq!(denied.unwrap_err().reason, Reason::TargetOffline);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_cannot_accept_for_another_route() {
    let mut scene = Scene::new().await;
    let target = "cluster/prod".parse().unwrap();
    let victim = scene.agent.party.route().bits();
    let broker = &scene.rig.services.broker;
    let lying = async {
        let offer = scene.connector.offered().await;
        let instance = scene.connector.party.instance.to_vec();
        let accepted = Accepted {
            instance,
            route: victim,
        };
        scene
            .connector
            .answer(&offer, Answer::Accepted(accepted))
            .await;
    };
    let (denied, ()) = tokio::join!(broker.open(&scene.agent.caller, &target), lying);
    assert_eq!(denied.unwrap_err().reason, Reason::TargetOffline);
    assert!(scene.live().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_and_a_user_have_so_many_sessions_and_one_that_ends_makes_room() {
    let mut scene = Scene::new().await;
    let first = scene.open("cluster/prod").await.session.id;
    for _ in 1..16 {
        scene.open("service/prod/db").await;
    }
    let denied = scene.denied("cluster/prod").await;
    assert_eq!(denied.reason, Reason::LimitReached);
    assert!(denied.detail.starts_with("this device has 16 sessions"));

    let user = scene.person.user;
    let second_device = |log: &mut Log| {
        let invited = log.invite(user);
        log.enrol(&invited)
    };
    let other = scene.rig.says(second_device).await;
    scene.rig.sign_in(&other).await;
    scene.agent = Agent::register(&scene.rig, &other).await;
    for _ in 0..8 {
        scene.open("service/prod/db").await;
    }
    let denied = scene.denied("cluster/prod").await;
    assert_eq!(denied.reason, Reason::LimitReached);
    assert!(denied.detail.starts_with("you have 24 sessions"));

    let broker = &scene.rig.services.broker;
    assert!(broker.end(first, Reason::SessionRevoked, "").await);
    scene.open("cluster/prod").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_sign_in_of_this_device_nothing_opens() {
    let mut log = Log::new();
    log.add_cluster("prod");
    let person = log.add_person("ada", &["dev"]);
    let other = log.add_person("bob", &["dev"]);
    let rig = Rig::start(log).await;
    let agent = Agent::register(&rig, &person).await;
    let target = "cluster/prod".parse().unwrap();
    let open = async || rig.services.broker.open(&agent.caller, &target).await;
    assert_eq!(open().await.unwrap_err().reason, Reason::SignInRequired);
    // Somebody else's evidence under this device's row: the database is not believed.
    let mut foreign = rig.sign_in(&other).await;
    foreign.id = adit_proto::id::SignInId::from_parts(rig.clock.now(), [9; 10]);
    foreign.user = person.user;
    foreign.device = person.device_id;
    rig.services.store.add_sign_in(&foreign).await.unwrap();
    let denied = open().await.unwrap_err();
    assert_eq!(denied.reason, Reason::EvidenceInvalid, "{}", denied.detail);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_a_gateway_whose_clock_is_set_denies_with_the_reason_and_goes_on_when_it_is_right() {
    let mut scene = Scene::new().await;
    let now = scene.rig.clock.now();
    let (minute, day) = (Duration::from_mins(1), Duration::from_hours(24));
    for set in [now.after(minute), now.before(minute)] {
        scene.rig.clock.set(set);
        scene.open("cluster/prod").await;
    }
    for (set, reason) in [
        (now.after(day), Reason::SignInExpired),
        (now.before(day), Reason::ClockSkew),
    ] {
        scene.rig.clock.set(set);
        let denied = scene.denied("cluster/prod").await;
        assert_eq!(denied.reason, reason, "{}", denied.detail);
    }
    scene.rig.clock.set(now);
    scene.open("cluster/prod").await;
}
