//! The two databases, and the macros that run one SQL text on either.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use super::StoreError;

/// How long a call waits for a lock or for a connection before it is denied. Longer than a checkpoint, shorter than
/// what a person waits for; a database locked by another process must not queue writes without end.
const WAIT: Duration = Duration::from_secs(5);
/// Connections that read a SQLite file. It has one writer by nature.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL of one gateway.
const POSTGRES_CONNECTIONS: u32 = 16;

/// Where the store is.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file of this machine, for one gateway.
    Sqlite(PathBuf),
    /// A server, for several gateways.
    Postgres(Box<PgConnectOptions>),
}

impl Database {
    /// Makes the file of a SQLite database with mode 0600 if there is none.
    ///
    /// # Errors
    /// [`StoreError::File`] if it cannot be made, or is not a file of this user that nobody else can read.
    pub fn prepare(&self) -> Result<(), StoreError> {
        let Self::Sqlite(path) = self else {
            return Ok(());
        };
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|file| file.sync_all())
        {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(check_file(path)?),
            Err(source) => {
                let (operation, path) = ("make", path.clone());
                Err(SqliteFileError::Io {
                    operation,
                    path,
                    source,
                }
                .into())
            }
        }
    }
}

/// Why a SQLite file is not used.
#[derive(Debug, thiserror::Error)]
pub enum SqliteFileError {
    /// A symbolic link, directory or device: whoever can place one decides what is opened.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Others can read or write it.
    #[error("{} has mode {mode:04o}: others can read it; run chmod 0600 on it", path.display())]
    TooOpen {
        /// The path.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

fn check_file(path: &Path) -> Result<(), SqliteFileError> {
    let failed = |operation| {
        let path = path.to_owned();
        move |source| SqliteFileError::Io {
            operation,
            path,
            source,
        }
    };
    let metadata = std::fs::symlink_metadata(path).map_err(failed("examine"))?;
    let path = path.to_owned();
    if !metadata.is_file() {
        return Err(SqliteFileError::NotAFile { path });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SqliteFileError::TooOpen { path, mode });
    }
    // A file or directory that cannot be written fails here with the system's word, not at the first statement.
    File::options()
        .write(true)
        .open(&path)
        .map(drop)
        .map_err(failed("open for writing"))
}

/// Open connections.
#[derive(Debug)]
pub(crate) enum Backend {
    /// Readers and the one writer apart, so that writers that wait for a lock do not take the readers' connections.
    Sqlite {
        read: SqlitePool,
        write: SqlitePool,
    },
    Postgres(PgPool),
}

impl Backend {
    pub(crate) async fn connect(database: &Database) -> Result<Self, StoreError> {
        match database {
            Database::Sqlite(path) => {
                check_file(path)?;
                sqlite(path).await
            }
            Database::Postgres(options) => PgPoolOptions::new()
                .max_connections(POSTGRES_CONNECTIONS)
                .acquire_timeout(WAIT)
                .connect_with(options.as_ref().clone().disable_statement_logging())
                .await
                .map(Self::Postgres)
                .map_err(StoreError::Unavailable),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

async fn sqlite(path: &Path) -> Result<Backend, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(WAIT)
        .disable_statement_logging();
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(WAIT)
            // When the disk is full SQLite rolls back by itself, and sqlx waits for the end of that transaction for
            // ever: such a connection begins no other.
            .before_acquire(|connection, _| {
                let well = !connection.is_in_transaction();
                Box::pin(async move { Ok(well) })
            })
            .connect_with(options.clone())
    };
    let failed = StoreError::of("database");
    let write = pool(1).await.map_err(failed)?;
    let read = pool(SQLITE_READERS)
        .await
        .map_err(StoreError::of("database"))?;
    Ok(Backend::Sqlite { read, write })
}

/// Runs a body that reads with `$pool` bound to the pool of whichever database it is.
macro_rules! reading {
    ($store:expr, $pool:ident => $body:expr) => {
        match &*$store.backend {
            $crate::store::Backend::Sqlite { read: $pool, .. } => $body,
            $crate::store::Backend::Postgres($pool) => $body,
        }
    };
}

/// Runs a body of one writing statement.
macro_rules! writing {
    ($store:expr, $pool:ident => $body:expr) => {
        match &*$store.backend {
            $crate::store::Backend::Sqlite { write: $pool, .. } => $body,
            $crate::store::Backend::Postgres($pool) => $body,
        }
    };
}

/// Runs a body in a transaction, which is committed at its end and rolled back when the body returns with `?`.
///
/// SQLite's begins as a writer: one that reads first and then fails to become a writer could not be repeated.
macro_rules! transaction {
    ($store:expr, $tx:ident => $body:block) => {{
        let failed = |error| $crate::store::StoreError::of("transaction")(error);
        match &*$store.backend {
            $crate::store::Backend::Sqlite { write, .. } => {
                let mut $tx = write.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
                let done = $body;
                $tx.commit().await.map_err(failed)?;
                done
            }
            $crate::store::Backend::Postgres(pool) => {
                let mut $tx = pool.begin().await.map_err(failed)?;
                let done = $body;
                $tx.commit().await.map_err(failed)?;
                done
            }
        }
    }};
}

pub(crate) use {reading, transaction, writing};
