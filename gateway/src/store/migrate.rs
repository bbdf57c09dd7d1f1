//! Migrations: compiled in, run in order, each in a transaction of its own.

use std::borrow::Cow;
use std::collections::BTreeSet;

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::{Store, StoreError, reading, writing};

/// Every migration of this program: number, name and text of `/migrations`.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "roster, sessions, audit",
        include_str!("../../../migrations/0001_roster_sessions_audit.sql"),
    ),
    (
        2,
        "ceremonies",
        include_str!("../../../migrations/0002_ceremonies.sql"),
    ),
    (
        3,
        "passkey counters",
        include_str!("../../../migrations/0003_passkey_counters.sql"),
    ),
];

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is not exhaustive; the rest is one failure"
)]
fn refused(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) => StoreError::Newer { version },
        MigrateError::Execute(error) => StoreError::of("migration")(error),
        other => StoreError::Migration(other),
    }
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|(version, name, sql)| {
            let kind = MigrationType::Simple;
            Migration::new(
                *version,
                Cow::Borrowed(*name),
                kind,
                sql.into_sql_str(),
                false,
            )
        })
        .collect();
    Migrator {
        migrations: Cow::Owned(migrations),
        ..Migrator::DEFAULT
    }
}

impl Store {
    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        let migrator = migrator();
        writing!(self, pool => migrator.run(pool).await).map_err(refused)
    }

    /// Compares what was run with what this program knows, without writing.
    pub(super) async fn check_migrations(&self) -> Result<(), StoreError> {
        const SQL: &str = "SELECT version FROM _sqlx_migrations ORDER BY version";
        let run: Result<Vec<(i64,)>, sqlx::Error> =
            reading!(self, pool => sqlx::query_as(SQL).fetch_all(pool).await);
        let run: BTreeSet<i64> = match run {
            Ok(rows) => rows.into_iter().map(|(version,)| version).collect(),
            // No table yet: nothing was ever run.
            Err(sqlx::Error::Database(_)) => BTreeSet::new(),
            Err(error) => return Err(StoreError::of("migration")(error)),
        };
        let known: BTreeSet<i64> = MIGRATIONS.iter().map(|(version, ..)| *version).collect();
        if let Some(version) = run.difference(&known).next() {
            return Err(StoreError::Newer { version: *version });
        }
        match known.difference(&run).next() {
            Some(version) => Err(StoreError::Older { version: *version }),
            None => Ok(()),
        }
    }
}
