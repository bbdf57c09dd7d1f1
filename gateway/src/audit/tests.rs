use adit_proto::id::ClusterId;
use adit_proto::time::UnixMillis;
use adit_proto::wire::audit::{AdminAction, Record};
use adit_proto::wire::control::AuditUpload;

use super::*;
use crate::store::tests::Bench;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

async fn audit(bench: &Bench) -> Arc<Audit> {
    let clock = Clock::standing_at(NOW);
    Audit::open(bench.open().await, clock, Entropy::default(), [1; 16])
        .await
        .unwrap()
}

fn action(text: &str) -> Event {
    Event::AdminAction(AdminAction {
        action: text.to_owned(),
        ..AdminAction::default()
    })
}

fn cluster(fill: u8) -> ClusterId {
    ClusterId::from_parts(NOW, [fill; 10])
}

/// Records `seqs` of a chain that is whole from 1 on.
fn records(chain: u8, seqs: std::ops::RangeInclusive<u64>) -> AuditUpload {
    let mut prev = vec![0; 32];
    let mut records = Vec::new();
    for seq in 1..=*seqs.end() {
        let (chain, event) = (vec![chain; 16], Some(action("x")));
        let record = Record {
            chain,
            seq,
            prev,
            event,
            time_ms: NOW.0,
            ..Record::default()
        };
        let bytes = record.encode_to_vec();
        prev = hash_of(&bytes).to_vec();
        if seqs.contains(&seq) {
            records.push(bytes);
        }
    }
    AuditUpload { records }
}

#[tokio::test]
async fn the_gateways_own_chain_goes_on_after_a_restart() {
    let bench = Bench::sqlite();
    for text in ["first", "second"] {
        audit(&bench).await.record(action(text)).await.unwrap();
    }
    let held = bench.open().await.audit_after(0, 10).await.unwrap();
    let mut prev = [0; 32];
    for (index, stored) in held.iter().enumerate() {
        let record = Record::decode(&stored.record.record[..]).unwrap();
        assert_eq!(
            (record.seq, &record.prev[..]),
            (index as u64 + 1, &prev[..])
        );
        prev = hash_of(&stored.record.record);
    }
    assert_eq!(held.len(), 4, "two starts and two actions");
}

#[tokio::test]
async fn f25_a_full_database_denies_what_would_be_recorded_and_goes_on_without_a_gap() {
    let bench = Bench::sqlite();
    let audit = audit(&bench).await;
    let crate::store::Backend::Sqlite { write, .. } = &*audit.store.backend else {
        unreachable!("this is SQLite");
    };
    let long = "x".repeat(4096);
    let mut recorded = 1;
    for _ in 0..2 {
        // Not below what it holds already, and for the connection in hand.
        let full = sqlx::query("PRAGMA max_page_count = 1").execute(write);
        full.await.unwrap();
        let denied = loop {
            match audit.record(action(&long)).await {
                Ok(()) if recorded < 1_000 => recorded += 1,
                ended => break ended.unwrap_err(),
            }
        };
        assert!(matches!(denied, StoreError::Unavailable(_)), "{denied:?}");
        let held = audit.store.audit_after(0, 1_000).await.unwrap();
        assert_eq!(held.len() as u64, recorded, "what was recorded can be read");
        // There is room again for who connects anew.
        audit.record(action("again")).await.unwrap();
        recorded += 1;
    }
    let held = audit.store.audit_after(0, 1_000).await.unwrap();
    let numbers: Vec<_> = held.iter().map(|stored| stored.record.seq).collect();
    let expected: Vec<_> = (1..=recorded).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn uploads_are_stored_in_order_and_repetitions_confirmed() {
    let bench = Bench::sqlite();
    let audit = audit(&bench).await;
    assert_eq!(
        audit
            .upload(cluster(1), records(7, 1..=3))
            .await
            .unwrap()
            .seq,
        3
    );
    assert_eq!(
        audit
            .upload(cluster(1), records(7, 2..=3))
            .await
            .unwrap()
            .seq,
        3
    );
    assert_eq!(
        audit
            .upload(cluster(1), records(7, 3..=5))
            .await
            .unwrap()
            .seq,
        5
    );
    let held = bench.open().await.audit_after(0, 100).await.unwrap();
    assert_eq!(
        held.iter().filter(|stored| stored.chain == [7; 16]).count(),
        5
    );
}

#[tokio::test]
async fn g1_a_gap_and_an_altered_record_are_refused() {
    let bench = Bench::sqlite();
    let audit = audit(&bench).await;
    audit.upload(cluster(1), records(7, 1..=2)).await.unwrap();
    let gap = audit.upload(cluster(1), records(7, 4..=4)).await;
    assert!(matches!(gap, Err(UploadError::Gap { seq: 4 })), "{gap:?}");
    let mut altered = records(7, 3..=4);
    let last = altered.records[0].len() - 1;
    altered.records[0][last] ^= 1;
    let refused = audit.upload(cluster(1), altered).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(
        audit
            .upload(cluster(1), records(7, 3..=3))
            .await
            .unwrap()
            .seq,
        3
    );
}

#[tokio::test]
async fn c5_a_connector_cannot_write_another_clusters_chain() {
    let bench = Bench::sqlite();
    let audit = audit(&bench).await;
    audit.upload(cluster(1), records(7, 1..=2)).await.unwrap();
    let other = audit.upload(cluster(2), records(7, 3..=3)).await;
    assert!(matches!(other, Err(UploadError::Foreign)), "{other:?}");
    let own = audit.upload(cluster(2), records(1, 1..=1)).await;
    assert!(
        matches!(own, Err(UploadError::Foreign)),
        "the gateway's chain: {own:?}"
    );
}

#[tokio::test]
async fn a_device_that_is_refused_again_and_again_leaves_bounded_records_and_a_count() {
    use adit_proto::id::DeviceId;
    use adit_proto::wire::audit::Actor;
    let bench = Bench::sqlite();
    let audit = audit(&bench).await;
    let (device, other) = ([3; 10], [4; 10]);
    let refuse = async |device, times| {
        let id = DeviceId::from_parts(NOW, device);
        let actor = Actor {
            device_id: id.to_string(),
            ..Actor::default()
        };
        for _ in 0..times {
            audit.note_refusal(id, &actor, action("refused")).await;
        }
    };
    refuse(device, 1_000).await;
    refuse(other, 1).await;
    audit.note_left_out().await;
    audit.note_left_out().await;
    let held = bench.open().await.audit_after(0, 2_000).await.unwrap();
    let events: Vec<_> = held
        .iter()
        .map(|stored| Record::decode(&stored.record.record[..]).unwrap().event)
        .collect();
    // The start, the other device's, and the count; the rest is the first device's.
    let recorded = events.len() - 3;
    assert!((128..1_000).contains(&recorded), "{recorded}");
    let Some(Some(Event::Refusal(last))) = events.last() else {
        panic!("{:?}", events.last());
    };
    let left_out = format!("{} more ", 1_000 - recorded);
    assert!(last.detail.starts_with(&left_out), "{}", last.detail);
}
