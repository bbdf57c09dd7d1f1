//! The numbered logs: statements, suspensions, audit chains.

use adit_proto::id::{DeviceId, UserId};
use adit_proto::time::UnixMillis;
use tokio::task::JoinSet;

use super::bench::on_both;
use crate::store::audit::{ChainHead, ChainRecord, Continuation};
use crate::store::statements::StoredStatement;
use crate::store::suspensions::{NewSuspension, Subject};
use crate::store::{BLOB_MAX, POLICY_MAX, Store, StoreError, TEXT_MAX};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

on_both! {
    a_statement_follows_its_predecessor_only => follows;
    j1_of_many_who_append_one_number_one_succeeds => one_succeeds;
    the_newest_suspension_of_a_subject_counts => suspended;
    g1_an_audit_chain_takes_no_gap_no_repetition_and_no_other_writer => chain;
    positions_count_up_over_all_chains => positions;
    d1_texts_that_are_too_long_or_hold_a_nul_are_refused_first => capped;
    d1_quotes_and_other_alphabets_come_back_as_they_were => quoted;
}

fn statement(number: u64, fill: u8) -> StoredStatement {
    StoredStatement {
        number,
        hash: [fill; 32],
        kind: 3,
        statement: vec![fill; 40],
    }
}

async fn follows(store: Store) {
    assert!(matches!(
        store.append_statement(&statement(2, 2), NOW).await,
        Err(StoreError::Conflict { .. })
    ));
    store.append_statement(&statement(1, 1), NOW).await.unwrap();
    store.append_statement(&statement(2, 2), NOW).await.unwrap();
    let again = store.append_statement(&statement(2, 3), NOW).await;
    assert!(
        matches!(again, Err(StoreError::Conflict { .. })),
        "{again:?}"
    );
    let held = store.statements_from(2, 10).await.unwrap();
    assert_eq!(held, [statement(2, 2)]);
    assert_eq!(store.newest().await.unwrap().statement, 2);
}

async fn one_succeeds(store: Store) {
    let mut tasks = JoinSet::new();
    for fill in 0..100 {
        let store = store.clone();
        tasks.spawn(async move { store.append_statement(&statement(1, fill), NOW).await });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|one| one.is_ok()).count(), 1);
    for refused in done.into_iter().filter_map(Result::err) {
        assert!(
            matches!(refused, StoreError::Conflict { .. }),
            "{refused:?}"
        );
    }
}

async fn suspended(store: Store) {
    let actor = UserId::from_parts(NOW, [1; 10]);
    let device = Subject::Device(DeviceId::from_parts(NOW, [2; 10]));
    let user = Subject::User(UserId::from_parts(NOW, [3; 10]));
    let add = async |subject, suspended| {
        let reason = "lost";
        let new = NewSuspension {
            subject,
            suspended,
            reason,
            actor,
        };
        store.add_suspension(new, NOW).await.unwrap()
    };
    assert_eq!(add(device, true).await, 1);
    assert_eq!(add(user, true).await, 2);
    assert_eq!(add(device, false).await, 3);
    let held = store.suspensions().await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].subject, held[0].reason.as_str()), (user, "lost"));
    assert_eq!(store.newest().await.unwrap().suspension, 3);
}

fn record(seq: u64, fill: u8) -> ChainRecord {
    ChainRecord {
        seq,
        hash: [fill; 32],
        record: vec![fill; 9],
        time: NOW,
    }
}

fn continuation(after: ChainHead, records: &[ChainRecord]) -> Continuation<'_> {
    Continuation {
        chain: [9; 16],
        owner: "clu_a",
        after,
        records,
    }
}

async fn chain(store: Store) {
    let first = [record(1, 1), record(2, 2)];
    let head = store.chain_head([9; 16], "clu_a").await.unwrap();
    assert_eq!(head, ChainHead::NONE);
    store
        .continue_chain(continuation(head, &first), NOW)
        .await
        .unwrap();
    let repeated = store.continue_chain(continuation(head, &first), NOW).await;
    assert!(
        matches!(repeated, Err(StoreError::Conflict { .. })),
        "{repeated:?}"
    );
    let head = store.chain_head([9; 16], "clu_a").await.unwrap();
    assert_eq!(
        head,
        ChainHead {
            seq: 2,
            hash: [2; 32]
        }
    );
    let wrong = ChainHead {
        seq: 2,
        hash: [7; 32],
    };
    let forked = store
        .continue_chain(continuation(wrong, &[record(3, 3)]), NOW)
        .await;
    assert!(
        matches!(forked, Err(StoreError::Conflict { .. })),
        "{forked:?}"
    );
    let other = store.chain_head([9; 16], "clu_b").await;
    assert!(
        matches!(other, Err(StoreError::Conflict { .. })),
        "{other:?}"
    );
    let next = [record(3, 3)];
    let stolen = Continuation {
        owner: "clu_b",
        ..continuation(head, &next)
    };
    assert!(store.continue_chain(stolen, NOW).await.is_err());
    assert_eq!(store.audit_after(0, 10).await.unwrap().len(), 2);
}

async fn positions(store: Store) {
    let mut tasks = JoinSet::new();
    for fill in 1..=10 {
        let store = store.clone();
        tasks.spawn(async move {
            let records = [record(1, fill), record(2, fill)];
            let chain = [fill; 16];
            let new = Continuation {
                chain,
                ..continuation(ChainHead::NONE, &records)
            };
            store.continue_chain(new, NOW).await.unwrap();
        });
    }
    tasks.join_all().await;
    let held = store.audit_after(0, 100).await.unwrap();
    let places: Vec<u64> = held.iter().map(|record| record.position).collect();
    assert_eq!(places, (1..=20).collect::<Vec<_>>());
    assert_eq!(store.audit_after(18, 100).await.unwrap().len(), 2);
    assert_eq!(store.audit_after(0, 5).await.unwrap().len(), 5);
}

async fn capped(store: Store) {
    let actor = UserId::from_parts(NOW, [1; 10]);
    let long = "x".repeat(POLICY_MAX + 1);
    for policy in [long.as_str(), "a\0b"] {
        let refused = store.keep_policy(&[1; 32], policy, actor, NOW).await;
        assert!(
            matches!(refused, Err(StoreError::Value { .. })),
            "{refused:?}"
        );
    }
    let subject = Subject::User(actor);
    let reason = "r".repeat(TEXT_MAX + 1);
    let new = NewSuspension {
        subject,
        suspended: true,
        reason: &reason,
        actor,
    };
    assert!(matches!(
        store.add_suspension(new, NOW).await,
        Err(StoreError::Value {
            column: "reason",
            ..
        })
    ));
    let huge = StoredStatement {
        statement: vec![0; BLOB_MAX + 1],
        ..statement(1, 1)
    };
    assert!(matches!(
        store.append_statement(&huge, NOW).await,
        Err(StoreError::Value { .. })
    ));
    assert_eq!(
        store.newest().await.unwrap(),
        crate::store::statements::Newest::default()
    );
}

async fn quoted(store: Store) {
    let actor = UserId::from_parts(NOW, [1; 10]);
    let policy = "permit'; DROP TABLE policies; -- \" \\ $1 ? %s \u{202e} 💥";
    store
        .keep_policy(&[1; 32], policy, actor, NOW)
        .await
        .unwrap();
    store
        .keep_policy(&[1; 32], policy, actor, NOW)
        .await
        .unwrap();
    assert_eq!(
        store.policy(&[1; 32]).await.unwrap().as_deref(),
        Some(policy)
    );
    assert_eq!(store.policy(&[2; 32]).await.unwrap(), None);
}
