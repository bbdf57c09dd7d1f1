use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::statement::StatementError;
use adit_proto::testing::Log;
use adit_proto::wire::audit::record::Event;
use tokio::task::JoinSet;

use super::*;
use crate::store::tests::Bench;

struct Scene {
    bench: Bench,
    log: Log,
    clock: Clock,
}

impl Scene {
    fn new() -> Self {
        let log = Log::new();
        let clock = Clock::standing_at(log.now);
        Self {
            bench: Bench::sqlite(),
            log,
            clock,
        }
    }

    async fn open(&self) -> Result<RosterLog, RosterLogError> {
        let store = self.bench.open().await;
        let gateways = self.log.roster.gateways();
        let entropy = Entropy::default();
        let chain = entropy.bytes();
        let audit = Audit::open(store.clone(), self.clock.clone(), entropy.clone(), chain).await;
        RosterLog::open(Parts {
            store,
            clock: self.clock.clone(),
            entropy,
            audit: audit.unwrap(),
            founding: Founding {
                gateways_key: gateways.current.clone(),
                gateways_next_key: gateways.next.clone(),
                rp_id: "localhost".to_owned(),
                origins: vec!["http://localhost:8443".to_owned()],
            },
            turn: Duration::from_millis(300),
            tasks: TaskTracker::new(),
        })
        .await
    }
}

async fn hand_in(log: &RosterLog, statement: &Statement) -> Result<u64, AppendError> {
    let holder = adit_proto::key::Fingerprint(statement.signer[..].try_into().unwrap());
    let turn = log.turn(holder).await.unwrap();
    let appended = log.append(turn.id, &holder, statement).await;
    appended.map(|appended| appended.number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_appended_in_order_and_read_back_after_a_restart() {
    let mut scene = Scene::new();
    let log = scene.open().await.unwrap();
    assert!(log.snapshot().is_none() && log.head().is_none());
    let mut follow = log.follow();
    scene.log.add_person("ada", &["dev"]);
    for (index, statement) in scene.log.statements.iter().enumerate() {
        assert_eq!(hand_in(&log, statement).await.unwrap(), index as u64 + 1);
    }
    assert!(follow.has_changed().unwrap());
    assert_eq!(
        follow.borrow_and_update().as_ref().unwrap().head(),
        scene.log.roster.head()
    );
    let again = scene.open().await.unwrap();
    assert_eq!(again.head(), scene.log.roster.head());
    assert_eq!(
        again.statements_from(1).await.unwrap(),
        scene.log.statements
    );
    assert_eq!(
        again.statements_from(3).await.unwrap(),
        scene.log.statements[2..]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_a_refused_statement_leaves_the_head_and_one_audit_event() {
    let mut scene = Scene::new();
    let log = scene.open().await.unwrap();
    hand_in(&log, &scene.log.statements[0]).await.unwrap();
    let head = log.head();
    scene.log.add_user("ada", &[]);
    let mut untouched = scene.log.statements[1].clone();
    untouched.touch = None;
    let refused = hand_in(&log, &untouched).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::TouchRequired, "{refused}");
    assert_eq!(log.head(), head);
    let audited = log.parts.store.audit_after(0, 100).await.unwrap();
    let refusals = audited.iter().filter(|stored| {
        let record = adit_proto::wire::audit::Record::decode(&stored.record.record[..]).unwrap();
        matches!(record.event, Some(Event::Refusal(refusal)) if refusal.reason == "touch_required")
    });
    assert_eq!(refusals.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_of_two_statements_on_one_head_the_first_counts() {
    let mut scene = Scene::new();
    let log = scene.open().await.unwrap();
    hand_in(&log, &scene.log.statements[0]).await.unwrap();
    let mut fork = scene.log.clone();
    scene.log.add_user("ada", &[]);
    fork.add_user("eve", &[]);
    hand_in(&log, &scene.log.statements[1]).await.unwrap();
    let refused = hand_in(&log, &fork.statements[1]).await.unwrap_err();
    assert!(
        matches!(refused, AppendError::Refused(StatementError::Fork { .. })),
        "{refused:?}"
    );
    assert_eq!(log.head(), scene.log.roster.head());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genesis_of_another_gateway_is_refused() {
    let scene = Scene::new();
    let log = scene.open().await.unwrap();
    let foreign = hand_in(&log, &Log::new().statements[0]).await.unwrap_err();
    assert!(
        matches!(foreign, AppendError::Foreign("gateways' key")),
        "{foreign:?}"
    );
    assert!(log.snapshot().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_of_another_time_is_refused() {
    let mut scene = Scene::new();
    let log = scene.open().await.unwrap();
    hand_in(&log, &scene.log.statements[0]).await.unwrap();
    scene.log.add_user("ada", &[]);
    scene
        .clock
        .set(scene.log.now.before(Duration::from_mins(6)));
    let refused = hand_in(&log, &scene.log.statements[1]).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::ClockSkew);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_without_its_text_is_refused() {
    let mut scene = Scene::new();
    let log = scene.open().await.unwrap();
    hand_in(&log, &scene.log.statements[0]).await.unwrap();
    scene.log.set_policy("permit(principal, action, resource);");
    let refused = hand_in(&log, &scene.log.statements[1]).await.unwrap_err();
    assert!(matches!(refused, AppendError::PolicyUnknown), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missed_turn_and_anothers_turn_append_nothing() {
    let scene = Scene::new();
    let log = scene.open().await.unwrap();
    let statement = &scene.log.statements[0];
    let (holder, other) = (
        scene.log.admin.device.fingerprint(),
        scene.log.gateways.fingerprint(),
    );
    let missed = log.turn(holder).await.unwrap();
    // The next one has its turn as soon as the first one's time is over.
    let next = log.turn(other).await.unwrap();
    let late = log.append(missed.id, &holder, statement).await;
    assert!(matches!(late, Err(AppendError::Late)), "{late:?}");
    let stolen = log.append(next.id, &holder, statement).await;
    assert!(matches!(stolen, Err(AppendError::Late)), "{stolen:?}");
    log.give_up(next.id);
    hand_in(&log, statement).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s5_of_many_concurrent_signers_none_is_lost_or_doubled() {
    const SIGNERS: usize = 40;
    let scene = Scene::new();
    let log = Arc::new(scene.open().await.unwrap());
    hand_in(&log, &scene.log.statements[0]).await.unwrap();
    let shared = Arc::new(parking_lot::Mutex::new(scene.log));
    let mut tasks = JoinSet::new();
    for index in 0..SIGNERS {
        let (log, shared, clock) = (Arc::clone(&log), Arc::clone(&shared), scene.clock.clone());
        tasks.spawn(async move {
            let holder = shared.lock().admin.device.fingerprint();
            let turn = log.turn(holder).await.unwrap();
            // Signed in the turn, on the head that the turn gave.
            let statement = {
                let mut shared = shared.lock();
                assert_eq!(shared.roster.head(), turn.head);
                shared.add_user(&format!("user-{index}"), &[]);
                clock.set(shared.now);
                shared.statements.last().unwrap().clone()
            };
            log.append(turn.id, &holder, &statement).await.unwrap();
        });
    }
    tasks.join_all().await;
    assert_eq!(log.head(), shared.lock().roster.head());
    assert_eq!(log.head().number, SIGNERS as u64 + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_with_one_store_see_each_others_statements() {
    let mut scene = Scene::new();
    let (one, other) = (scene.open().await.unwrap(), scene.open().await.unwrap());
    hand_in(&one, &scene.log.statements[0]).await.unwrap();
    scene.log.add_user("ada", &[]);
    // The turn reads the store first.
    hand_in(&other, &scene.log.statements[1]).await.unwrap();
    one.refresh().await.unwrap();
    assert_eq!(one.head(), scene.log.roster.head());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d7_a_statement_that_was_edited_in_the_database_stops_the_gateway() {
    let mut scene = Scene::new();
    let log = scene.open().await.unwrap();
    hand_in(&log, &scene.log.statements[0]).await.unwrap();
    scene.log.add_user("ada", &[]);
    let mut edited = scene.log.statements[1].clone();
    let last = edited.signature.len() - 1;
    edited.signature[last] ^= 1;
    let stored = crate::store::statements::StoredStatement {
        number: 2,
        hash: [2; 32],
        kind: 3,
        statement: edited.encode_to_vec(),
    };
    log.parts
        .store
        .append_statement(&stored, scene.log.now)
        .await
        .unwrap();
    let refused = scene.open().await.unwrap_err();
    assert!(
        matches!(refused, RosterLogError::Refused { number: 2, .. }),
        "{refused:?}"
    );
}
