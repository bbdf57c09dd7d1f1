//! The store: one set of tables and one set of SQL texts for SQLite and PostgreSQL.
//!
//! Owns every SQL text of the program. It decides nothing and reads no clock: time, ids and random bytes come from the
//! caller. Rows are private; what comes out is checked ([`StoreError::Corrupt`] otherwise). Each method is one statement
//! or one transaction, and checks how many rows it touched.

pub mod audit;
mod backend;
pub mod ceremonies;
pub mod deployment;
mod migrate;
pub mod parties;
mod passkeys;
pub mod policies;
pub mod sessions;
pub mod sign_ins;
pub mod statements;
pub mod suspensions;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use adit_proto::time::UnixMillis;

pub(crate) use backend::{Backend, reading, transaction, writing};
pub use backend::{Database, SqliteFileError};

/// Longest text in a column of names, addresses and reasons, in bytes.
pub const TEXT_MAX: usize = 4 << 10;
/// Longest policy text, in bytes. It travels in one frame of 1 MiB.
pub const POLICY_MAX: usize = 512 << 10;
/// Longest byte string in a column, in bytes: a frame's limit.
pub const BLOB_MAX: usize = 1 << 20;

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, is locked or its disk is full. Nothing was changed.
    #[error("the database does not answer")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused the call for a reason of its own.
    #[error("the database refused the call")]
    Database(#[source] sqlx::Error),
    /// Somebody else was faster, or the thing exists already.
    #[error("{what} exists already")]
    Conflict {
        /// What was to be added.
        what: &'static str,
    },
    /// There is no such row, or it is not in the state that the call needs.
    #[error("there is no such {what}")]
    Missing {
        /// What was looked for.
        what: &'static str,
    },
    /// A text or byte string is longer than its column takes, or holds a NUL.
    #[error("{column} is longer than {limit} bytes or holds a NUL")]
    Value {
        /// The column.
        column: &'static str,
        /// Its limit.
        limit: usize,
    },
    /// A row holds something that this program never writes.
    #[error("the table {table} holds a bad {column}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The SQLite file cannot be used.
    #[error(transparent)]
    File(#[from] SqliteFileError),
    /// The schema is newer than this program.
    #[error(
        "the database has migration {version}, which this version does not know; run the version that made it, or a newer one"
    )]
    Newer {
        /// The unknown migration.
        version: i64,
    },
    /// A migration failed.
    #[error("a migration of the database failed")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// Migrations wait and were not asked for.
    #[error("the database lacks migration {version}; run `adit-gateway migrate`")]
    Older {
        /// The first one that is missing.
        version: i64,
    },
}

impl StoreError {
    /// Sorts what sqlx says into what a caller can act on.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enum is not exhaustive; nobody can act on the rest"
    )]
    pub(crate) fn of(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                Self::Conflict { what }
            }
            sqlx::Error::RowNotFound => Self::Missing { what },
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(database) if is_busy(database.as_ref()) => {
                Self::Unavailable(error)
            }
            _ => Self::Database(error),
        }
    }
}

/// SQLITE_BUSY, SQLITE_LOCKED, SQLITE_FULL and SQLITE_IOERR with their extended codes; PostgreSQL's classes 53, 57, 58.
fn is_busy(error: &dyn sqlx::error::DatabaseError) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 10 | 13),
        _ => ["53", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class)),
    }
}

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) backend: Arc<Backend>,
}

impl Store {
    /// Opens the database and checks that it has exactly the migrations of this program.
    ///
    /// # Errors
    /// [`StoreError::Older`] and [`StoreError::Newer`] without having written anything; [`StoreError::File`];
    /// [`StoreError::Unavailable`].
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        let store = Self::connect(database).await?;
        store.check_migrations().await?;
        Ok(store)
    }

    /// Opens the database, made if it is a SQLite file that does not exist, and runs the migrations that it lacks.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::Migration`].
    pub async fn open_and_migrate(database: &Database) -> Result<Self, StoreError> {
        database.prepare()?;
        let store = Self::connect(database).await?;
        store.migrate().await?;
        Ok(store)
    }

    async fn connect(database: &Database) -> Result<Self, StoreError> {
        let backend = Arc::new(Backend::connect(database).await?);
        Ok(Self { backend })
    }

    /// Closes the connections; what runs ends first.
    pub async fn close(&self) {
        self.backend.close().await;
    }
}

/// Caps a text before it goes anywhere near a statement. PostgreSQL takes no NUL, so SQLite gets none either.
pub(crate) fn text<'a>(
    column: &'static str,
    value: &'a str,
    limit: usize,
) -> Result<&'a str, StoreError> {
    if value.len() > limit || value.contains('\0') {
        return Err(StoreError::Value { column, limit });
    }
    Ok(value)
}

/// Caps a byte string.
pub(crate) fn blob<'a>(column: &'static str, value: &'a [u8]) -> Result<&'a [u8], StoreError> {
    if value.len() > BLOB_MAX {
        let limit = BLOB_MAX;
        return Err(StoreError::Value { column, limit });
    }
    Ok(value)
}

/// A number as the tables hold it.
pub(crate) fn number(column: &'static str, value: u64) -> Result<i64, StoreError> {
    let limit = 8;
    i64::try_from(value).map_err(|_| StoreError::Value { column, limit })
}

/// A time as the tables hold it: the year 292 million is as good as any later one.
pub(crate) fn millis(time: UnixMillis) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// Makes checked values of the columns of one table.
#[derive(Clone, Copy)]
pub(crate) struct Table(pub(crate) &'static str);

impl Table {
    pub(crate) fn corrupt(self, column: &'static str) -> StoreError {
        let table = self.0;
        StoreError::Corrupt { table, column }
    }

    pub(crate) fn number(self, column: &'static str, value: i64) -> Result<u64, StoreError> {
        u64::try_from(value).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn time(self, column: &'static str, value: i64) -> Result<UnixMillis, StoreError> {
        self.number(column, value).map(UnixMillis)
    }

    pub(crate) fn parse<T: std::str::FromStr>(
        self,
        column: &'static str,
        value: &str,
    ) -> Result<T, StoreError> {
        value.parse().map_err(|_| self.corrupt(column))
    }

    pub(crate) fn array<const N: usize>(
        self,
        column: &'static str,
        value: &[u8],
    ) -> Result<[u8; N], StoreError> {
        value.try_into().map_err(|_| self.corrupt(column))
    }
}

/// Exactly one row must have been touched.
pub(crate) fn one(what: &'static str, affected: u64) -> Result<(), StoreError> {
    if affected == 1 {
        return Ok(());
    }
    Err(StoreError::Missing { what })
}
