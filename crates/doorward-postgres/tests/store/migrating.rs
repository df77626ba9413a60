//! Old, new and foreign histories.

use doorward::Store;
use doorward_postgres::{OpenErrorReason, PostgresOptions, PostgresStore, migrate, pending_migrations};
use tokio::task::JoinSet;

use crate::cluster::{Fresh, connect};
use crate::story::{count, open};

#[tokio::test]
async fn pending_migrations_are_told_without_touching_anything() {
    let database = Fresh::create().await;
    let pending = pending_migrations(database.url()).await.unwrap();
    let names: Vec<_> = pending.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "0001_users_and_sessions",
            "0002_endings_by_subject",
            "0005_rate_limits",
            "0006_accounts_events_outbox",
            "0007_events_about_others",
            "0008_outbox_by_kind",
            "0009_no_wait_is_no_moment",
            "0010_data_keys",
        ]
    );
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(count(&connect(database.url()).await, tables).await, 0);
    assert_eq!(migrate(database.url()).await.unwrap(), pending);
    assert_eq!(pending_migrations(database.url()).await.unwrap(), []);
    assert_eq!(migrate(database.url()).await.unwrap(), []);
}

#[tokio::test]
async fn without_leave_to_migrate_only_a_current_database_is_opened() {
    let database = Fresh::create().await;
    let open = || PostgresStore::open(database.url(), PostgresOptions { migrate: false, ..PostgresOptions::default() });
    let error = open().await.unwrap_err();
    assert!(matches!(error.reason, OpenErrorReason::MigrationsPending { count: 8 }), "{error:?}");
    migrate(database.url()).await.unwrap();
    open().await.unwrap().check().await.unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let database = Fresh::create().await;
    migrate(database.url()).await.unwrap();
    let newer = "INSERT INTO schema_migrations VALUES (11, 'passkeys', decode(repeat('00', 32), 'hex'), 0)";
    connect(database.url()).await.batch_execute(newer).await.unwrap();
    let error = PostgresStore::open(database.url(), PostgresOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("it was made by a newer Doorward (migration 11)"), "{error}");
    assert!(pending_migrations(database.url()).await.is_err());
    assert!(migrate(database.url()).await.is_err());
}

#[tokio::test]
async fn a_migration_in_other_words_is_refused() {
    let database = Fresh::create().await;
    migrate(database.url()).await.unwrap();
    let other = "UPDATE schema_migrations SET checksum = decode(repeat('00', 32), 'hex')";
    connect(database.url()).await.batch_execute(other).await.unwrap();
    let error = PostgresStore::open(database.url(), PostgresOptions::default()).await.unwrap_err();
    assert!(matches!(error.reason, OpenErrorReason::Changed { version: 1 }), "{error:?}");
}

#[tokio::test]
async fn another_programs_database_is_refused() {
    for theirs in ["CREATE TABLE users (name TEXT)", "CREATE TABLE schema_migrations (version TEXT)"] {
        let database = Fresh::create().await;
        connect(database.url()).await.batch_execute(theirs).await.unwrap();
        let error = migrate(database.url()).await.unwrap_err();
        assert!(matches!(error.reason, OpenErrorReason::AnotherProgram), "{error:?}");
    }
}

#[tokio::test]
async fn a_failed_migration_leaves_nothing_behind() {
    let database = Fresh::create().await;
    // A thing in the way that is no table.
    connect(database.url()).await.batch_execute("CREATE SEQUENCE ending_positions").await.unwrap();
    assert!(migrate(database.url()).await.is_err());
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(count(&connect(database.url()).await, tables).await, 0);
}

#[tokio::test]
async fn a_database_in_a_schema_of_its_own_is_one_too() {
    let database = Fresh::create().await;
    connect(database.url())
        .await
        .batch_execute("CREATE SCHEMA doorward; CREATE TABLE users (name TEXT)")
        .await
        .unwrap();
    let url = format!("{}?options=-csearch_path%3Ddoorward", database.url());
    let store = PostgresStore::open(&url, PostgresOptions::default()).await.unwrap();
    crate::story::register(&store, "ada").await;
    assert_eq!(count(&connect(database.url()).await, "SELECT count(*) FROM doorward.users").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_openings_at_once_migrate_once() {
    let database = Fresh::create().await;
    let mut migrations = JoinSet::new();
    for _ in 0..8 {
        let url = database.url().to_owned();
        migrations.spawn(async move { migrate(&url).await.unwrap().len() });
    }
    assert_eq!(migrations.join_all().await.into_iter().sum::<usize>(), 8);
    open(&database).await.check().await.unwrap();
}
