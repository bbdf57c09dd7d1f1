mod clocks;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use adit_proto::roster::Subject;
use adit_proto::testing::{Person, signatures_verified};
use adit_proto::wire::audit::Record;
use adit_proto::wire::control::Offer;
use prost::Message;

use super::*;
use crate::session::offer::Claim;
use crate::testing::World;

/// Everything in the audit log, the newest last.
fn audited(world: &World) -> Vec<adit_proto::wire::audit::record::Event> {
    world.audit.flush().unwrap();
    let mut cursor = world.audit.cursor();
    let batch = cursor.read().unwrap();
    batch
        .upload
        .records
        .iter()
        .map(|bytes| Record::decode(bytes.as_slice()).unwrap().event.unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_accepted_offer_is_recorded_and_a_refused_one_too() {
    use adit_proto::wire::audit::record::Event;
    let world = World::new();
    world.table.offer(world.annas_offer()).await.unwrap();
    let mut bad = world.annas_offer();
    bad.kube_groups.push("system:masters".to_owned());
    world.table.offer(bad).await.unwrap_err();
    let mut decisions = Vec::new();
    for event in audited(&world) {
        if let Event::SessionDecided(decided) = event {
            decisions.push((decided.reason, decided.kube_groups));
        }
    }
    assert_eq!(
        decisions,
        [
            (String::new(), vec!["view".to_owned()]),
            ("group_above_ceiling".to_owned(), vec![])
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn c14_a_roster_that_the_gateway_holds_back_makes_offers_stale_after_two_seconds() {
    let mut world = World::new();
    world.log.add_user("new@example.com", &[]);
    let begun = tokio::time::Instant::now();
    let refusal = world.table.offer(world.annas_offer()).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::RosterStale);
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn an_offer_waits_for_a_statement_that_comes_in_time() {
    let mut world = World::new();
    world.log.add_user("new@example.com", &[]);
    let (accepted, ()) = tokio::join!(world.table.offer(world.annas_offer()), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.deliver();
    });
    accepted.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s3_an_offer_that_rests_on_another_history_is_a_fork() {
    let world = World::new();
    let mut offer = world.annas_offer();
    offer.roster_hash[0] ^= 1;
    let refusal = world.table.offer(offer).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::RosterFork);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_ends_the_session_at_once_and_tells_its_streams_why() {
    let mut world = World::new();
    let session = world.table.offer(world.annas_offer()).await.unwrap();
    let mut ends = world.table.ends();
    world.log.revoke(Subject::Device(world.anna.device_id));
    let follow = world.table.follow_roster();
    let revoke = async {
        tokio::task::yield_now().await;
        world.deliver();
        session.over().await
    };
    tokio::select! {
        () = follow => unreachable!(),
        reason = revoke => assert_eq!(reason, Reason::DeviceRevoked),
    }
    let told = ends.recv().await.unwrap();
    assert_eq!(
        told,
        Ended {
            session: session.id(),
            reason: Reason::DeviceRevoked
        }
    );
    assert!(world.table.get(session.id()).is_none());
}

#[tokio::test(start_paused = true)]
async fn sessions_are_decided_anew_without_verifying_a_signature_again() {
    let mut world = World::new();
    let mut sessions = Vec::new();
    for _ in 0..world.table.parts().limit {
        sessions.push(world.table.offer(world.annas_offer()).await.unwrap());
    }
    let decided = world.book.known().unwrap().epoch();
    world.log.add_user("new@example.com", &[]);
    let verified = signatures_verified();
    let anew = async {
        tokio::task::yield_now().await;
        world.deliver();
        let old = |it: &Arc<Session>| it.standing.load().epoch == decided;
        while sessions.iter().any(old) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = world.table.follow_roster() => unreachable!(),
        () = anew => {}
    }
    // The touch of the statement that came.
    assert_eq!(signatures_verified() - verified, 1);
    assert!(sessions.iter().all(|it| it.ended().is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_denies_ends_sessions_and_one_that_does_not_come_too() {
    for (send, reason) in [(true, Reason::SessionRevoked), (false, Reason::RosterStale)] {
        let mut world = World::new();
        let session = world.table.offer(world.annas_offer()).await.unwrap();
        let text =
            "permit(principal, action == Action::\"connect\", resource == Cluster::\"else\");";
        world.log.set_policy(text);
        let change = async {
            tokio::task::yield_now().await;
            world.deliver();
            if send {
                world.book.policy_text(2, text.to_owned());
            }
            session.over().await
        };
        tokio::select! {
            () = world.table.follow_roster() => unreachable!(),
            ended = change => assert_eq!(ended, reason),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_statement_about_somebody_else_ends_nothing() {
    let mut world = World::new();
    let session = world.table.offer(world.annas_offer()).await.unwrap();
    world.log.add_person("bert@example.com", &["devs"]);
    world.deliver();
    assert!(world.table.standing(&session).await.is_ok());
    assert_eq!(session.ended(), None);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_idle_or_with_its_sign_in_or_with_the_lease() {
    let world = World::new();
    let busy = world.table.offer(world.annas_offer()).await.unwrap();
    let idle = world.table.offer(world.annas_offer()).await.unwrap();
    let device = world.anna.device.fingerprint();
    let stream = world.table.open_stream(busy.id(), device).unwrap();
    world.advance(Duration::from_mins(59));
    world.table.sweep();
    assert_eq!((busy.ended(), idle.ended()), (None, None));
    world.advance(Duration::from_mins(1));
    world.table.sweep();
    assert_eq!(
        (busy.ended(), idle.ended()),
        (None, Some(Reason::SessionIdle))
    );
    world.advance(Duration::from_hours(7));
    world.table.sweep();
    assert_eq!(busy.ended(), Some(Reason::SessionExpired));
    drop(stream);
    let third = world.table.offer(world.annas_offer()).await.unwrap();
    world.clock.advance(Duration::from_secs(59));
    world.table.sweep();
    assert_eq!(third.ended(), None);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(
        world.table.open_stream(third.id(), device).unwrap_err(),
        Reason::LeaseExpired
    );
    world.table.sweep();
    assert_eq!(third.ended(), Some(Reason::LeaseExpired));
}

#[tokio::test(start_paused = true)]
async fn a_session_serves_the_device_that_it_was_offered_for_only() {
    let mut world = World::new();
    let bert = world.log.add_person("bert@example.com", &["devs"]);
    world.deliver();
    let session = world.table.offer(world.annas_offer()).await.unwrap();
    let foreign = world
        .table
        .open_stream(session.id(), bert.device.fingerprint());
    assert_eq!(foreign.unwrap_err(), Reason::UnknownOrForbidden);
    let unknown = "ses_00000000000000000000000000".parse().unwrap();
    assert_eq!(
        world
            .table
            .open_stream(unknown, bert.device.fingerprint())
            .unwrap_err(),
        Reason::SessionExpired
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_has_so_many_streams_over_all_sessions_and_others_have_theirs() {
    let mut world = World::new();
    let bert = world.log.add_person("bert@example.com", &["devs"]);
    world.deliver();
    let table = &world.table;
    let open = async |person: &Person| {
        let session = table.offer(world.offer(person, "service/prod/db")).await;
        let (id, device) = (session.unwrap().id(), person.device.fingerprint());
        move || table.open_stream(id, device)
    };
    let (first, second) = (open(&world.anna).await, open(&world.anna).await);
    let mut streams: Vec<_> = (0..4).map(|_| first().unwrap()).collect();
    streams.extend((0..4).map(|_| second().unwrap()));
    assert_eq!(first().unwrap_err(), Reason::LimitReached);
    assert_eq!(second().unwrap_err(), Reason::LimitReached);
    assert!((open(&bert).await)().is_ok());
    streams.pop();
    assert!(first().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_new_sign_in_carries_a_session_on_and_another_user_does_not() {
    let mut world = World::new();
    let bert = world.log.add_person("bert@example.com", &["devs"]);
    world.deliver();
    let first = world.annas_offer();
    let session = world.table.offer(first.clone()).await.unwrap();
    let _stream = world
        .table
        .open_stream(session.id(), world.anna.device.fingerprint())
        .unwrap();
    world.advance(Duration::from_hours(7));
    let again = Offer {
        session_id: first.session_id.clone(),
        ..world.annas_offer()
    };
    assert!(Arc::ptr_eq(
        &world.table.offer(again).await.unwrap(),
        &session
    ));
    world.advance(Duration::from_hours(7));
    world.table.sweep();
    assert_eq!(session.ended(), None);
    let stolen = Offer {
        session_id: first.session_id,
        ..world.offer(&bert, "cluster/prod")
    };
    let refusal = world.table.offer(stolen).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::EvidenceInvalid);
}

#[tokio::test(start_paused = true)]
async fn a_moved_route_is_decided_anew() {
    let text = r#"
permit(principal, action == Action::"connect", resource in Cluster::"prod")
when { context.source_address.isInRange(ip("192.0.2.0/24")) };
permit(principal, action == Action::"assume", resource == KubeGroup::"view");
"#;
    let world = World::with_policy(text);
    let offer = world.annas_offer();
    let session = world.table.offer(offer.clone()).await.unwrap();
    world
        .table
        .route_moved(offer.device_route, "192.0.2.99".parse().unwrap());
    assert_eq!(session.ended(), None);
    world
        .table
        .route_moved(offer.device_route, "198.51.100.1".parse().unwrap());
    assert!(session.ended().is_some());
}

#[tokio::test]
async fn a_route_that_moves_while_an_offer_comes_does_not_undo_the_offer() {
    let world = World::new();
    let offer = world.annas_offer();
    let session = world.table.offer(offer.clone()).await.unwrap();
    let (moving, offering) = (AtomicBool::new(true), Claim::clone(&session.claim.load()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while moving.load(Ordering::Acquire) {
                session.moved(offer.device_route, "192.0.2.99".parse().unwrap());
            }
        });
        let kept = (0..10_000_u64).all(|number| {
            let mut claim = offering.clone();
            claim.policy_number = number;
            session.claim.store(Arc::new(claim));
            std::thread::yield_now();
            session.claim.load().policy_number == number
        });
        moving.store(false, Ordering::Release);
        assert!(kept);
    });
}

#[tokio::test(start_paused = true)]
async fn g7_a_nearly_full_audit_log_admits_no_session() {
    let world = World::new();
    let options = crate::audit::Options {
        dir: world.dir.path().join("small"),
        max_bytes: 300,
        ..crate::testing::options(&world.dir)
    };
    let audit = Audit::open(&options, world.clock.clone()).unwrap();
    while audit.admits_sessions() {
        audit.note(event::refusal(
            adit_proto::wire::audit::Actor::default(),
            "x",
            Reason::PolicyDenied,
            "",
        ));
    }
    let table = Table::new(Parts {
        audit,
        ..world.table.parts().clone()
    });
    let refusal = table.offer(world.annas_offer()).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::AuditUnavailable);
}
