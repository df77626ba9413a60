//! Servers that stumble, and coming back after it.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use doorward::account::Amendment;
use doorward::store::Rotation;
use doorward::testing::amending::{set_active, set_role};
use doorward::{Account, Role, Store, StoreError, User};
use doorward_postgres::{PostgresOptions, PostgresStore};

use crate::cluster::{Fresh, connect};
use crate::story::{START, count, is_unavailable, open, open_with, present, register, until_waiting};

#[tokio::test]
async fn terminated_connections_are_replaced() {
    let database = Fresh::create().await;
    let store = open(&database).await;
    let (ada, _) = register(&store, "ada").await;
    let somebody = connect(database.url()).await;
    for _ in 0..10 {
        tokio::join!(store.check(), store.find_user(ada.id)).0.unwrap();
        let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(count(&somebody, terminate).await > 0);
        let first = store.find_user(ada.id).await;
        assert!(first.is_ok() || is_unavailable(&first), "{first:?}");
        assert_eq!(store.find_user(ada.id).await.unwrap().as_ref(), Some(&ada));
    }
}

#[tokio::test]
async fn a_statement_has_its_time() {
    let database = Fresh::create().await;
    let statement_timeout = Duration::from_millis(500);
    let store = open_with(&database, PostgresOptions { statement_timeout, ..PostgresOptions::default() }).await;
    let (ada, _) = register(&store, "ada").await;
    let somebody = connect(database.url()).await;
    somebody.batch_execute("BEGIN; SELECT id FROM users FOR UPDATE").await.unwrap();
    let before = store.find_account(ada.id).await.unwrap().unwrap();
    let after = Account { user: User { is_active: false, ..ada.clone() }, ..before.clone() };
    assert!(is_unavailable(&store.amend_account(Amendment::new(&before, after, START)).await));
    somebody.batch_execute("COMMIT").await.unwrap();
    assert_eq!(store.find_account(ada.id).await.unwrap(), Some(before));
    assert_eq!(set_role(&store, ada.id, Role::Admin, START).await.unwrap().role, Role::Admin);
}

#[tokio::test]
async fn more_than_there_are_connections_is_overload() {
    let database = Fresh::create().await;
    let acquire_timeout = Duration::from_millis(50);
    let options = PostgresOptions { max_connections: 1, acquire_timeout, ..PostgresOptions::default() };
    let store = Arc::new(open_with(&database, options).await);
    let (ada, _) = register(&store, "ada").await;
    let somebody = connect(database.url()).await;
    somebody.batch_execute("BEGIN; SELECT id FROM users FOR UPDATE").await.unwrap();
    let (node, id) = (Arc::clone(&store), ada.id);
    let waiting = tokio::spawn(async move { set_role(&*node, id, Role::Admin, START).await });
    until_waiting(&connect(database.url()).await, 1).await;
    assert!(matches!(store.find_user(ada.id).await, Err(StoreError::Overloaded)));
    somebody.batch_execute("COMMIT").await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().role, Role::Admin);
    assert!(store.find_user(ada.id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_caller_who_gives_up_leaves_nothing_half_done() {
    let database = Fresh::create().await;
    let store = open_with(&database, PostgresOptions { max_connections: 1, ..PostgresOptions::default() }).await;
    let (ada, _) = register(&store, "ada").await;
    let somebody = connect(database.url()).await;
    somebody.batch_execute("BEGIN; SELECT id FROM users FOR UPDATE").await.unwrap();
    let observer = connect(database.url()).await;
    tokio::select! {
        outcome = set_active(&store, ada.id, false, START) => panic!("{outcome:?}"),
        () = until_waiting(&observer, 1) => {}
    }
    somebody.batch_execute("COMMIT").await.unwrap();
    // On the same connection, after what was given up.
    assert!(!store.find_user(ada.id).await.unwrap().unwrap().is_active);
    assert_eq!(count(&observer, "SELECT count(*) FROM endings").await, 2);
    let open_transactions = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(count(&observer, open_transactions).await, 0);
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_not_ready() {
    let database = Fresh::create().await;
    let store = open(&database).await;
    store.check().await.unwrap();
    let read_only = |value: &str| {
        format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {value}', \
             current_database()); END $$"
        )
    };
    let owner = connect(database.url()).await;
    owner.batch_execute(&read_only("on")).await.unwrap();
    let late = open(&database).await;
    assert!(is_unavailable(&late.check().await));
    // As after a failover: the connection that met it is not kept.
    owner.batch_execute(&read_only("off")).await.unwrap();
    late.check().await.unwrap();
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://doorward:hunter2@{}/doorward", silent.local_addr().unwrap());
    let connect_timeout = Duration::from_millis(100);
    let options = PostgresOptions { connect_timeout, ..PostgresOptions::default() };
    let error = PostgresStore::open(&url, options).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot use the database doorward on 127.0.0.1:"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn a_rotation_moves_nothing_in_the_indexes() {
    let database = Fresh::create().await;
    // Nobody who connects meanwhile looks at what was.
    let store = open_with(&database, PostgresOptions { listen: false, ..PostgresOptions::default() }).await;
    let (_, mut token) = register(&store, "ada").await;
    // All versions of the row fit on its page: whoever holds up the cleaning of pages makes no difference.
    for _ in 0..20 {
        let (rotation, successor) = present(&store, &token, Duration::from_secs(10)).await;
        assert!(matches!(rotation, Rotation::Rotated { .. }), "{rotation:?}");
        token = successor;
    }
    // A connection hands its counts in when it ends.
    store.close().await;
    let observer = connect(database.url()).await;
    while count(&observer, "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'sessions'").await < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(count(&observer, "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'").await, 20);
}
