//! Audit records of all chains in the order of their arrival, and the chains' heads apart from them.

use adit_proto::label::Hash;
use adit_proto::time::UnixMillis;

use super::{
    BLOB_MAX, Store, StoreError, TEXT_MAX, Table, blob, millis, number, one, reading, text,
    transaction,
};

const TABLE: Table = Table("audit_records");

/// Where a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// Sequence number of its newest record; zero before the first.
    pub seq: u64,
    /// Hash of that record; zero before the first.
    pub hash: Hash,
}

impl ChainHead {
    /// The head of a chain that has no record yet.
    pub const NONE: Self = Self {
        seq: 0,
        hash: [0; 32],
    };
}

/// A record, as its writer hashed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRecord {
    /// Its sequence number.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// `adit.audit.v1.Record`, encoded.
    pub record: Vec<u8>,
    /// Its writer's time.
    pub time: UnixMillis,
}

/// A record with its place among all chains' records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Counts up in the order of storing, over all chains: the cursor of whoever reads on.
    pub position: u64,
    /// Its chain.
    pub chain: [u8; 16],
    /// The record.
    pub record: ChainRecord,
}

/// Records that continue one chain.
#[derive(Clone, Copy, Debug)]
pub struct Continuation<'a> {
    /// The chain.
    pub chain: [u8; 16],
    /// Who writes it, as TLS proved: `gateway` or a cluster's id. A chain never changes its owner.
    pub owner: &'a str,
    /// The head that they were checked against.
    pub after: ChainHead,
    /// In order and without a gap; not empty.
    pub records: &'a [ChainRecord],
}

impl Store {
    /// Where a chain stands, if it is this owner's or new.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the chain is somebody else's; as every call of the store.
    pub async fn chain_head(&self, chain: [u8; 16], owner: &str) -> Result<ChainHead, StoreError> {
        const SQL: &str = "SELECT owner, seq, hash FROM audit_chains WHERE chain = $1";
        let row: Option<(String, i64, Vec<u8>)> = reading!(self, pool => sqlx::query_as(SQL)
            .bind(&chain[..]).fetch_optional(pool).await)
        .map_err(StoreError::of("audit chain"))?;
        let Some((held_by, seq, hash)) = row else {
            return Ok(ChainHead::NONE);
        };
        if held_by != owner {
            let what = "audit chain of another writer";
            return Err(StoreError::Conflict { what });
        }
        let table = Table("audit_chains");
        Ok(ChainHead {
            seq: table.number("seq", seq)?,
            hash: table.array("hash", &hash)?,
        })
    }

    /// Stores records and moves the chain's head, or does neither.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the head moved since it was read; as every call of the store.
    pub async fn continue_chain(
        &self,
        new: Continuation<'_>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        const BEGIN: &str = "INSERT INTO audit_chains (chain, owner, seq, hash, updated_ms) \
            VALUES ($1, $2, 0, $3, $4) ON CONFLICT (chain) DO NOTHING";
        const MOVE: &str = "UPDATE audit_chains SET seq = $1, hash = $2, updated_ms = $3 \
            WHERE chain = $4 AND owner = $5 AND seq = $6 AND hash = $7";
        const PLACE: &str = "UPDATE counters SET value = value + $1 \
            WHERE name = 'audit_position' RETURNING value";
        const ADD: &str = "INSERT INTO audit_records \
            (position, chain, seq, hash, record, time_ms) VALUES ($1, $2, $3, $4, $5, $6)";
        let what = "audit record";
        let Some(last) = new.records.last() else {
            return Ok(());
        };
        let (owner, count) = (text("owner", new.owner, TEXT_MAX)?, new.records.len());
        let count = i64::try_from(count).map_err(|_| TABLE.corrupt("position"))?;
        let (to, from) = (number("seq", last.seq)?, number("seq", new.after.seq)?);
        let chain = &new.chain[..];
        transaction!(self, tx => {
            if new.after == ChainHead::NONE {
                sqlx::query(BEGIN).bind(chain).bind(owner).bind(&[0_u8; 32][..]).bind(millis(now))
                    .execute(&mut *tx).await.map_err(StoreError::of(what))?;
            }
            let moved = sqlx::query(MOVE)
                .bind(to).bind(&last.hash[..]).bind(millis(now))
                .bind(chain).bind(owner).bind(from).bind(&new.after.hash[..])
                .execute(&mut *tx).await.map_err(StoreError::of(what))?;
            one(what, moved.rows_affected()).map_err(|_| StoreError::Conflict { what })?;
            let (end,): (i64,) = sqlx::query_as(PLACE).bind(count)
                .fetch_one(&mut *tx).await.map_err(StoreError::of(what))?;
            for (position, record) in (end - count + 1..).zip(new.records) {
                let done = sqlx::query(ADD)
                    .bind(position).bind(chain).bind(number("seq", record.seq)?)
                    .bind(&record.hash[..]).bind(blob("record", &record.record)?)
                    .bind(millis(record.time))
                    .execute(&mut *tx).await.map_err(StoreError::of(what))?;
                one(what, done.rows_affected())?;
            }
        });
        Ok(())
    }

    /// Records after a position, in order, at most `limit` and not more than a frame's worth of bytes beyond the first.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn audit_after(
        &self,
        position: u64,
        limit: u32,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        const SQL: &str = "SELECT position, chain, seq, hash, record, time_ms FROM audit_records \
            WHERE position > $1 ORDER BY position LIMIT $2";
        let position = number("position", position)?;
        let rows: Vec<RecordRow> = reading!(self, pool => sqlx::query_as(SQL)
            .bind(position).bind(i64::from(limit)).fetch_all(pool).await)
        .map_err(StoreError::of("audit record"))?;
        let mut bytes = 0;
        rows.into_iter()
            .take_while(|row| {
                let first = bytes == 0;
                bytes += row.record.len().max(1);
                first || bytes <= BLOB_MAX
            })
            .map(StoredRecord::try_from)
            .collect()
    }
}

#[derive(sqlx::FromRow)]
struct RecordRow {
    position: i64,
    chain: Vec<u8>,
    seq: i64,
    hash: Vec<u8>,
    record: Vec<u8>,
    time_ms: i64,
}

impl TryFrom<RecordRow> for StoredRecord {
    type Error = StoreError;

    fn try_from(row: RecordRow) -> Result<Self, StoreError> {
        Ok(Self {
            position: TABLE.number("position", row.position)?,
            chain: TABLE.array("chain", &row.chain)?,
            record: ChainRecord {
                seq: TABLE.number("seq", row.seq)?,
                hash: TABLE.array("hash", &row.hash)?,
                record: row.record,
                time: TABLE.time("time_ms", row.time_ms)?,
            },
        })
    }
}
