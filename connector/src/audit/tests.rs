use std::fs;
use std::path::Path;
use std::time::Duration;

use adit_proto::time::UnixMillis;
use adit_proto::wire::audit::{Actor, Record};
use prost::Message;

use super::*;
use crate::clock::TestClock;

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        max_bytes: 64 << 20,
        writer: "prod".to_owned(),
        instance: [1; 16],
        survives_restart: true,
    }
}

fn open(dir: &Path) -> Result<Audit, OpenError> {
    Audit::open(&options(dir), TestClock::at(UnixMillis(1_000)))
}

fn refused(detail: &str) -> Event {
    event::refusal(
        Actor::default(),
        "test",
        adit_proto::Reason::PolicyDenied,
        detail,
    )
}

fn uploaded(audit: &Audit) -> Vec<Record> {
    let mut cursor = audit.cursor();
    let mut records = Vec::new();
    loop {
        let batch = cursor.read().unwrap();
        if batch.upload.records.is_empty() {
            return records;
        }
        records.extend(
            batch
                .upload
                .records
                .iter()
                .map(|bytes| Record::decode(&bytes[..]).unwrap()),
        );
        assert_eq!(records.last().unwrap().seq, batch.last);
    }
}

/// Checks what a reader elsewhere checks: numbers, hashes, one chain.
fn check_chain(audit: &Audit) -> u64 {
    let records = uploaded(audit);
    for pair in records.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq + 1);
        assert_eq!(pair[1].prev, segment::hash(&pair[0].encode_to_vec()));
        assert_eq!(pair[1].chain, pair[0].chain);
    }
    records.last().unwrap().seq
}

fn only_segment(dir: &Path) -> std::path::PathBuf {
    segment::path(dir, 1)
}

#[test]
fn the_chain_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=3_u64 {
        let audit = open(dir.path()).unwrap();
        audit.record(refused("x")).unwrap();
        audit.note(refused("y"));
        audit.flush().unwrap();
        assert_eq!(check_chain(&audit), 3 * round);
    }
}

#[test]
fn what_is_noted_is_written_with_what_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).unwrap();
    let before = fs::read(only_segment(dir.path())).unwrap();
    audit.note(refused("outcome"));
    assert_eq!(fs::read(only_segment(dir.path())).unwrap(), before);
    assert_eq!(audit.record(refused("intent")).unwrap(), 3);
    assert_eq!(check_chain(&audit), 3);
}

#[test]
fn g1_a_tail_torn_at_any_byte_is_cut_and_the_chain_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap();
    let one = fs::read(only_segment(dir.path())).unwrap();
    open(dir.path()).unwrap().record(refused("last")).unwrap();
    let whole = fs::read(only_segment(dir.path())).unwrap();
    for cut in one.len()..whole.len() {
        fs::write(only_segment(dir.path()), &whole[..cut]).unwrap();
        check_chain(&open(dir.path()).unwrap());
    }
    fs::write(only_segment(dir.path()), [&whole[..], &[0; 100]].concat()).unwrap();
    assert_eq!(check_chain(&open(dir.path()).unwrap()), 4);
}

#[test]
fn g1_an_altered_removed_or_doubled_record_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).unwrap();
    for text in ["one", "two", "three"] {
        audit.record(refused(text)).unwrap();
    }
    drop(audit);
    let whole = fs::read(only_segment(dir.path())).unwrap();
    let mut frames = Vec::new();
    let mut left = &whole[..];
    while let Some((record, rest)) = segment::next(left) {
        frames.push(&left[..segment::PREFIX + record.len()]);
        left = rest;
    }
    let altered = frames[1]
        .windows(3)
        .position(|bytes| bytes == b"one")
        .unwrap();
    let mut edited = frames[1].to_vec();
    edited[altered] = b'O';
    for broken in [
        [frames[0], &edited, frames[2]].concat(),
        [frames[0], frames[2], frames[3]].concat(),
        [frames[0], frames[1], frames[1]].concat(),
        [frames[0], frames[2], frames[1]].concat(),
        [frames[0], &[0xff; 64], frames[2]].concat(),
    ] {
        fs::write(only_segment(dir.path()), broken).unwrap();
        assert!(matches!(open(dir.path()), Err(OpenError::Broken { .. })));
    }
}

#[test]
fn g2_a_log_older_than_what_a_gateway_stored_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).unwrap();
    let old = fs::read(only_segment(dir.path())).unwrap();
    let seq = audit.record(refused("x")).unwrap();
    let chain = uploaded(&audit)[0].chain.clone();
    audit.stored(&chain, seq);
    drop(audit);
    fs::write(only_segment(dir.path()), old).unwrap();
    assert!(matches!(
        open(dir.path()),
        Err(OpenError::Lost {
            held: 1,
            stored: 2,
            ..
        })
    ));
}

#[test]
fn stored_segments_are_removed_and_upload_goes_on_behind_them() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).unwrap();
    let long = "x".repeat(1024);
    let mut last = 0;
    while fs::read_dir(dir.path()).unwrap().count() < 3 {
        for _ in 0..1000 {
            audit.note(refused(&long));
        }
        last = audit.record(refused(&long)).unwrap();
    }
    assert_eq!(check_chain(&audit), last);
    let records = uploaded(&audit);
    audit.stored(&records[0].chain, last - 1);
    assert!(!only_segment(dir.path()).exists());
    assert_eq!(uploaded(&audit).len(), 1);
    drop(audit);
    assert_eq!(uploaded(&open(dir.path()).unwrap()).len(), 2);
}

#[test]
fn a_gateway_cannot_claim_to_store_what_it_was_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).unwrap();
    let chain = uploaded(&audit)[0].chain.clone();
    audit.stored(&chain, 99);
    audit.stored(&[7; 16], 1);
    assert_eq!(uploaded(&audit).len(), 1);
}

#[test]
fn g7_sessions_are_refused_at_the_mark_and_everything_when_full() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: 100_000,
        ..options(dir.path())
    };
    let audit = Audit::open(&options, TestClock::at(UnixMillis(1))).unwrap();
    let long = "x".repeat(1000);
    assert!(audit.admits_sessions());
    let mut served = 0;
    while audit.admits_sessions() {
        audit.record(refused(&long)).unwrap();
        served += 1;
    }
    audit.record(refused(&long)).unwrap();
    let full = loop {
        match audit.record(refused(&long)) {
            Ok(_) => served += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, AuditError::Full));
    assert!(served > 70);
    // Room again: the chain has no gap where events were refused.
    let chain = uploaded(&audit)[0].chain.clone();
    check_chain(&audit);
    audit.stored(&chain, 1);
}

#[tokio::test]
async fn synced_records_are_there_when_the_wait_ends() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).unwrap();
    let all = (0..32).map(|index| {
        let audit = audit.clone();
        async move { audit.record_synced(refused(&index.to_string())).await }
    });
    for synced in futures_util::future::join_all(all).await {
        synced.unwrap();
    }
    assert_eq!(check_chain(&audit), 33);
}

#[tokio::test]
async fn an_upload_waits_for_what_is_not_there_yet() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).unwrap();
    let mut cursor = audit.cursor();
    assert!(cursor.ready().await);
    assert_eq!(cursor.read().unwrap().last, 1);
    let waiting = tokio::time::timeout(Duration::ZERO, cursor.ready()).await;
    assert!(waiting.is_err());
    audit.record(refused("x")).unwrap();
    assert!(cursor.ready().await);
    assert_eq!(cursor.read().unwrap().last, 2);
}

#[test]
fn a_sync_that_failed_stops_the_log_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).unwrap();
    let spool = &audit.shared.spool;
    // This file takes everything and cannot be synced; a full segment is synced before the next one begins.
    let broken = fs::OpenOptions::new().append(true).open("/dev/null");
    let well = std::mem::replace(&mut spool.lock().file, Arc::new(broken.unwrap()));
    spool.lock().segments.back_mut().unwrap().bytes = 8 << 20;
    assert!(audit.record(refused("x")).is_err());
    spool.lock().file = well;
    assert!(matches!(
        audit.record(refused("x")),
        Err(AuditError::Unsynced)
    ));
    assert!(!audit.admits_sessions());
}

#[test]
fn each_request_is_counted_once_whether_it_was_forwarded_refused_left_out_or_not_recorded() {
    use adit_proto::wire::audit::RequestIntent;
    let intent = |reason: &str| {
        Event::RequestIntent(RequestIntent {
            reason: reason.to_owned(),
            ..RequestIntent::default()
        })
    };
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).unwrap();
    audit.record(intent("")).unwrap();
    let device = adit_proto::key::Fingerprint([1; 32]);
    // Beyond the 128 that are recorded one by one.
    for _ in 0..200 {
        audit.note_refusal(device, &Actor::default(), intent("policy_denied"));
    }
    audit.note(refused("an offer"));
    let counted = Counted {
        requests_forwarded: 1,
        requests_refused: 200,
        refusals: 1,
        ..Counted::default()
    };
    assert_eq!(audit.counted(), counted);
    audit.shared.spool.lock().failed = true;
    audit.record(intent("")).unwrap_err();
    assert_eq!(audit.counted().requests_forwarded, 1);
    assert_eq!(audit.counted().requests_refused, 201);
}

#[test]
fn what_waits_for_a_gateway_is_what_none_has_stored() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path()).unwrap();
    let before = audit.filling();
    let seq = audit.record(refused("one")).unwrap();
    let after = audit.filling();
    assert_eq!(after.waiting, before.waiting + 1);
    assert!(after.bytes > before.bytes && after.max_bytes == 64 << 20);
    let chain = uploaded(&audit).pop().unwrap().chain;
    audit.stored(&chain, seq);
    assert_eq!(audit.filling().waiting, 0);
}
