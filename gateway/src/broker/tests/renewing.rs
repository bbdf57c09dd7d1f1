use std::time::Duration;

use super::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_sign_in_carries_a_running_session_on() {
    let mut scene = Scene::new().await;
    let opened = scene.open("cluster/prod").await;
    let now = scene.rig.clock.now().after(Duration::from_hours(1));
    scene.rig.clock.set(now);
    let sign_in = scene.rig.sign_in(&scene.person).await;
    let broker = &scene.rig.services.broker;
    let renewing = broker.renew(&scene.agent.caller, &sign_in);
    let ((), offer) = tokio::join!(renewing, scene.connector.accept());
    assert_eq!(offer.session_id, opened.session.id.to_string());
    assert_eq!(offer.evidence.as_ref(), Some(sign_in.evidence.sent()));
    let until = now.after(Duration::from_hours(8));
    assert!(opened.session.expires < until);
    let store = &scene.rig.services.store;
    for running in [broker.live(), store.live_sessions(now).await.unwrap()] {
        assert_eq!(running.len(), 1);
        assert_eq!(running[0].id, opened.session.id);
        assert_eq!(
            (running[0].sign_in, running[0].expires),
            (sign_in.id, until)
        );
    }
    scene.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_ends_sooner_and_one_that_no_connector_takes_leave_a_session_as_it_was() {
    let mut scene = Scene::new().await;
    let opened = scene.open("cluster/prod").await;
    let now = scene.rig.clock.now().after(Duration::from_hours(1));
    scene.rig.clock.set(now);
    let unanswered = scene.rig.sign_in(&scene.person).await;
    let mut sooner = unanswered.clone();
    sooner.expires = opened.session.expires;
    let broker = &scene.rig.services.broker;
    for sign_in in [&sooner, &unanswered] {
        broker.renew(&scene.agent.caller, sign_in).await;
        assert_eq!(broker.live(), std::slice::from_ref(&opened.session));
    }
    scene.rig.stop().await;
}
