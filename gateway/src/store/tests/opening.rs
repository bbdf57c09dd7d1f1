//! Opening: migrations of another version, and files that are not to be used.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::Bench;
use crate::store::{Database, SqliteFileError, Store, StoreError, writing};

async fn newer_is_refused(bench: Bench) {
    const SQL: &str = "UPDATE _sqlx_migrations SET version = 9999 WHERE version = \
        (SELECT MAX(version) FROM _sqlx_migrations)";
    let store = bench.open().await;
    let done: Result<u64, sqlx::Error> = writing!(store, pool => sqlx::query(SQL)
        .execute(pool).await.map(|done| done.rows_affected()));
    assert_eq!(done.unwrap(), 1);
    for opened in [
        Store::open(&bench.database).await,
        Store::open_and_migrate(&bench.database).await,
    ] {
        let error = opened.err().unwrap();
        assert!(
            matches!(error, StoreError::Newer { version: 9999 }),
            "{error}"
        );
    }
    bench.finish(store).await;
}

#[tokio::test]
async fn d2_a_schema_newer_than_the_program_is_refused_on_sqlite() {
    newer_is_refused(Bench::sqlite()).await;
}

#[tokio::test]
async fn d2_a_schema_newer_than_the_program_is_refused_on_postgres() {
    if let Some(bench) = Bench::postgres().await {
        newer_is_refused(bench).await;
    }
}

#[tokio::test]
async fn a_database_without_migrations_says_what_to_run() {
    let bench = Bench::sqlite();
    bench.database.prepare().unwrap();
    let error = Store::open(&bench.database).await.err().unwrap();
    assert!(
        error.to_string().contains("adit-gateway migrate"),
        "{error}"
    );
}

#[tokio::test]
async fn d4_a_symlink_an_open_mode_and_a_corrupt_file_are_refused() {
    let bench = Bench::sqlite();
    bench.open().await.close().await;
    let Database::Sqlite(path) = &bench.database else {
        unreachable!("this is SQLite");
    };
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(path), 0o600);

    let link = bench.dir().join("link.db");
    symlink(path, &link).unwrap();
    let error = Store::open_and_migrate(&Database::Sqlite(link))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, StoreError::File(SqliteFileError::NotAFile { .. })),
        "{error}"
    );

    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    let error = Store::open(&bench.database).await.err().unwrap();
    assert!(
        matches!(
            error,
            StoreError::File(SqliteFileError::TooOpen { mode: 0o644, .. })
        ),
        "{error}"
    );

    let bad = bench.dir().join("bad.db");
    std::fs::write(&bad, vec![b'x'; 8192]).unwrap();
    std::fs::set_permissions(&bad, PermissionsExt::from_mode(0o600)).unwrap();
    let error = Store::open(&Database::Sqlite(bad)).await.err().unwrap();
    assert!(matches!(error, StoreError::Database(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f24_a_file_locked_by_another_process_is_read_and_denies_writes_in_time() {
    let bench = Bench::sqlite();
    let (store, other) = (bench.open().await, bench.open().await);
    let crate::store::Backend::Sqlite { write, .. } = &*other.backend else {
        unreachable!("this is SQLite");
    };
    let lock = write.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let new = || store.set_deployment(crate::store::deployment::Entry::FirstInvitation, &[1; 16]);
    assert_eq!(store.newest().await.unwrap().statement, 0);
    let denied = new().await;
    assert!(
        matches!(denied, Err(StoreError::Unavailable(_))),
        "{denied:?}"
    );
    lock.rollback().await.unwrap();
    new().await.unwrap();
}
