//! The roster's log as it lies in the database. What a statement says and whether it holds is not known here.

use adit_proto::label::Hash;
use adit_proto::time::UnixMillis;

use super::{Store, StoreError, Table, blob, millis, number, one, reading, writing};

const TABLE: Table = Table("statements");

/// A statement of the log, as its signer sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredStatement {
    /// Its number; genesis is 1.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its kind's number.
    pub kind: u16,
    /// `adit.roster.v1.Statement`, encoded.
    pub statement: Vec<u8>,
}

/// The newest entries of the two numbered logs, read in one statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// Number of the newest statement; zero if there is none.
    pub statement: u64,
    /// Number of the newest suspension; zero if there is none.
    pub suspension: u64,
}

impl Store {
    /// Appends a statement that has been verified on top of number - 1.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another gateway took the number meanwhile, or the predecessor is not there.
    pub async fn append_statement(
        &self,
        new: &StoredStatement,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO statements (number, hash, kind, statement, stored_ms) \
            SELECT $1, $2, $3, $4, $5 \
            WHERE (SELECT COALESCE(MAX(number), 0) FROM statements) = $6";
        let (at, before) = (number("number", new.number)?, new.number.saturating_sub(1));
        let before = number("number", before)?;
        let (hash, kind) = (&new.hash[..], i64::from(new.kind));
        let content = blob("statement", &new.statement)?;
        let affected = writing!(self, pool => sqlx::query(SQL)
            .bind(at).bind(hash).bind(kind).bind(content).bind(millis(now)).bind(before)
            .execute(pool).await.map(|done| done.rows_affected()))
        .map_err(StoreError::of("statement"))?;
        one("statement", affected).map_err(|_| StoreError::Conflict { what: "statement" })
    }

    /// Statements from number `from` on, in order, at most `limit`.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn statements_from(
        &self,
        from: u64,
        limit: u32,
    ) -> Result<Vec<StoredStatement>, StoreError> {
        const SQL: &str = "SELECT number, hash, kind, statement FROM statements \
            WHERE number >= $1 ORDER BY number LIMIT $2";
        let from = number("number", from)?;
        let rows: Vec<StatementRow> = reading!(self, pool => sqlx::query_as(SQL)
            .bind(from).bind(i64::from(limit)).fetch_all(pool).await)
        .map_err(StoreError::of("statement"))?;
        rows.into_iter().map(StoredStatement::try_from).collect()
    }

    /// The newest numbers, in one reading: what a lease may rest on.
    ///
    /// # Errors
    /// As every call of the store.
    pub async fn newest(&self) -> Result<Newest, StoreError> {
        const SQL: &str = "SELECT (SELECT COALESCE(MAX(number), 0) FROM statements), \
            (SELECT COALESCE(MAX(number), 0) FROM suspensions)";
        let (statement, suspension): (i64, i64) =
            reading!(self, pool => sqlx::query_as(SQL).fetch_one(pool).await)
                .map_err(StoreError::of("reading"))?;
        Ok(Newest {
            statement: TABLE.number("number", statement)?,
            suspension: Table("suspensions").number("number", suspension)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct StatementRow {
    number: i64,
    hash: Vec<u8>,
    kind: i64,
    statement: Vec<u8>,
}

impl TryFrom<StatementRow> for StoredStatement {
    type Error = StoreError;

    fn try_from(row: StatementRow) -> Result<Self, StoreError> {
        Ok(Self {
            number: TABLE.number("number", row.number)?,
            hash: TABLE.array("hash", &row.hash)?,
            kind: u16::try_from(row.kind).map_err(|_| TABLE.corrupt("kind"))?,
            statement: row.statement,
        })
    }
}
