//! Every column of text, fed with what should not reach a statement.

use std::collections::BTreeSet;

use adit_proto::id::{DeviceId, UserId};
use adit_proto::time::UnixMillis;

use super::bench::on_both;
use crate::store::audit::{ChainHead, ChainRecord, Continuation};
use crate::store::ceremonies::NewCeremony;
use crate::store::parties::{PartyId, Sighting};
use crate::store::suspensions::{NewSuspension, Subject};
use crate::store::{Store, StoreError};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// Columns whose values are texts of others.
const FREE: &[&str] = &[
    "audit_chains.owner",
    "ceremonies.detail",
    "ceremonies.handle",
    "ceremonies.id",
    "ceremonies.next_page",
    "ceremonies.outcome",
    "parties_seen.facts",
    "parties_seen.source_address",
    "parties_seen.version",
    "policies.text",
    "suspensions.reason",
];

/// Columns whose values are made of ids, targets, reasons and names of this program: no text of others fits in.
const TYPED: &[&str] = &[
    "counters.name",
    "deployment.name",
    "parties_seen.party",
    "policies.actor",
    "sessions.cluster_id",
    "sessions.device_id",
    "sessions.end_reason",
    "sessions.id",
    "sessions.sign_in_id",
    "sessions.target",
    "sessions.user_id",
    "sign_ins.device_id",
    "sign_ins.id",
    "sign_ins.passkey_id",
    "sign_ins.user_id",
    "suspensions.actor",
    "suspensions.subject",
];

on_both! {
    d1_hostile_texts_are_bound_or_refused_by_their_length_in_every_column => hostile;
}

/// A migration that adds a column of text without a line here turns this red.
#[test]
fn d1_every_column_of_text_is_tried_or_typed() {
    let mut declared = BTreeSet::new();
    for sql in [
        include_str!("../../../../migrations/0001_roster_sessions_audit.sql"),
        include_str!("../../../../migrations/0002_ceremonies.sql"),
        include_str!("../../../../migrations/0003_passkey_counters.sql"),
    ] {
        let mut table = "";
        for line in sql.lines() {
            if let Some(name) = line.strip_prefix("CREATE TABLE ") {
                table = name.trim_end_matches(" (");
            } else if let Some((column, "TEXT")) = line
                .trim()
                .split_once(' ')
                .map(|(name, kind)| (name, kind.split([' ', ',']).next().unwrap_or_default()))
            {
                declared.insert(format!("{table}.{column}"));
            }
        }
    }
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations")).unwrap();
    assert_eq!(files.count(), 3, "every migration is read");
    let known = FREE.iter().chain(TYPED).map(|column| (*column).to_owned());
    assert_eq!(declared, known.collect());
}

/// Writes a text into a column and reads it back.
#[expect(clippy::too_many_lines, reason = "an arm for each column")]
async fn write(store: &Store, column: &str, text: &str) -> Result<String, StoreError> {
    let actor = UserId::from_parts(NOW, [1; 10]);
    let device = DeviceId::from_parts(NOW, [2; 10]);
    match column {
        "policies.text" => {
            let digest = adit_proto::roster::policy_digest(text);
            store.keep_policy(&digest, text, actor, NOW).await?;
            Ok(store.policy(&digest).await?.unwrap())
        }
        "suspensions.reason" => {
            let subject = Subject::Device(device);
            let suspended = true;
            let reason = text;
            let new = NewSuspension {
                subject,
                suspended,
                reason,
                actor,
            };
            store.add_suspension(new, NOW).await?;
            Ok(store.suspensions().await?.pop().unwrap().reason)
        }
        "audit_chains.owner" => {
            let record = ChainRecord {
                seq: 1,
                hash: [1; 32],
                record: vec![1],
                time: NOW,
            };
            let chain = adit_proto::testing::random();
            let new = Continuation {
                chain,
                owner: text,
                after: ChainHead::NONE,
                records: &[record],
            };
            store.continue_chain(new, NOW).await?;
            // Only its owner reads it.
            store.chain_head(chain, text).await.map(|_| text.to_owned())
        }
        party if party.starts_with("parties_seen") => {
            let mut here = Sighting {
                party: PartyId::Device(device),
                source_address: "",
                version: "",
                facts: Some("{}"),
            };
            match party {
                "parties_seen.facts" => here.facts = Some(text),
                "parties_seen.version" => here.version = text,
                _ => here.source_address = text,
            }
            store.see(here, NOW).await?;
            let seen = store.seen(PartyId::Device(device)).await?.unwrap();
            Ok(match party {
                "parties_seen.facts" => seen.facts,
                "parties_seen.version" => seen.version,
                _ => seen.source_address,
            })
        }
        ceremony => write_ceremony(store, ceremony, text).await,
    }
}

async fn write_ceremony(store: &Store, column: &str, text: &str) -> Result<String, StoreError> {
    let id: [u8; 16] = adit_proto::testing::random();
    let id = format!("{:032x}", u128::from_be_bytes(id));
    let mut new = NewCeremony {
        id: &id,
        handle: None,
        device: &[7; 32],
        detail: "{}",
        expires: UnixMillis(NOW.0 + 1000),
    };
    match column {
        "ceremonies.id" => new.id = text,
        "ceremonies.handle" => new.handle = Some(text),
        "ceremonies.detail" => new.detail = text,
        "ceremonies.next_page" | "ceremonies.outcome" => {}
        other => panic!("{other} is not tried"),
    }
    store.add_ceremony(&new, NOW).await?;
    let id = new.id;
    if column == "ceremonies.next_page" {
        store.lead_ceremony_on(id, &[7; 32], text).await?;
    }
    if matches!(column, "ceremonies.outcome" | "ceremonies.handle") {
        let outcome = if column == "ceremonies.outcome" {
            text
        } else {
            "{}"
        };
        store.take_ceremony(id, NOW).await?;
        store.settle_ceremony(id, outcome).await?;
    }
    if column == "ceremonies.handle" {
        store.redeem_ceremony(text, &[7; 32], NOW).await?;
        return Ok(text.to_owned());
    }
    let held = store.ceremony(id, NOW).await?;
    Ok(match column {
        "ceremonies.id" => held.id,
        "ceremonies.detail" => held.detail,
        "ceremonies.next_page" => held.next_page.unwrap(),
        _ => held.outcome.unwrap(),
    })
}

async fn hostile(store: Store) {
    let quotes = "'; DROP TABLE ceremonies; -- \" ` \\ $1 ? %s \u{202e} \u{1f4a5}";
    let long = "x".repeat((1 << 20) + 1);
    for column in FREE {
        let held = write(&store, column, quotes).await.unwrap();
        assert_eq!(held, quotes, "{column}");
        for bad in ["a\0b", long.as_str()] {
            let refused = write(&store, column, bad).await;
            assert!(
                matches!(refused, Err(StoreError::Value { .. })),
                "{column}: {refused:?}"
            );
        }
    }
}
