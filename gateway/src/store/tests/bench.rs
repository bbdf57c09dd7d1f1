//! A database of its own for each test.

use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::str::FromStr;
use tempfile::TempDir;

use crate::store::{Database, Store};

/// A URL to a server on which tests may make and drop databases.
const SERVER: &str = "ADIT_TEST_POSTGRES";

/// Where a test keeps its database; what it made is removed at the end.
pub(crate) struct Bench {
    pub(crate) database: Database,
    name: Option<String>,
    dir: TempDir,
}

impl Bench {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(dir.path().join("adit.db"));
        Self {
            database,
            name: None,
            dir,
        }
    }

    /// `None`, said loudly, where there is no server; with `CI` set that is a failure.
    pub(crate) async fn postgres() -> Option<Self> {
        let Ok(url) = std::env::var(SERVER) else {
            assert!(
                std::env::var("CI").is_err(),
                "{SERVER} must name a server in CI"
            );
            eprintln!("SKIPPED on PostgreSQL: {SERVER} names no server");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let random: u64 = u64::from_le_bytes(crate::clock::Entropy::default().bytes());
        let name = format!("adit_test_{random:016x}");
        let options = PgConnectOptions::from_str(&url).unwrap();
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let database = Database::Postgres(Box::new(options.database(&name)));
        Some(Self {
            database,
            name: Some(name),
            dir,
        })
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open_and_migrate(&self.database).await.unwrap()
    }

    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Drops what [`Bench::postgres`] made.
    pub(crate) async fn finish(self, store: Store) {
        store.close().await;
        let Some(name) = self.name else {
            return;
        };
        let options = PgConnectOptions::from_str(&std::env::var(SERVER).unwrap()).unwrap();
        let pool = PgPool::connect_with(options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
    }
}

/// Makes a test on each database of a function that takes a store.
macro_rules! on_both {
    ($($(#[$doc:meta])* $name:ident => $body:ident;)*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let bench = $crate::store::tests::Bench::sqlite();
                let store = bench.open().await;
                super::$body(store.clone()).await;
                bench.finish(store).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let Some(bench) = $crate::store::tests::Bench::postgres().await else {
                    return;
                };
                let store = bench.open().await;
                super::$body(store.clone()).await;
                bench.finish(store).await;
            }
        }
    )*};
}

pub(crate) use on_both;
