//! The same contract through `PgBouncer` in transaction mode, which gives each transaction another server.

use std::sync::Arc;

use doorward::testing::amending::{set_active, set_role};
use doorward::{Role, Store};
use doorward_postgres::{PostgresOptions, PostgresStore};
use tokio::task::JoinSet;

use crate::cluster::{Fresh, connect};
use crate::story::{START, count, register};

fn in_a_runtime(case: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(case);
}

async fn open_fresh() -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(&pooled(&Fresh::create().await), PostgresOptions::default()).await.unwrap())
}

/// The URL of the same database through the pooler.
#[expect(clippy::disallowed_methods, reason = "where the pooler is, only the script that started it knows")]
pub(crate) fn pooled(database: &Fresh) -> String {
    let pooler = std::env::var("DOORWARD_TEST_PGBOUNCER").expect("this test needs PgBouncer: run `scripts/postgres`");
    let (_, name) = database.url().rsplit_once('/').unwrap();
    format!("{pooler}/{name}")
}

doorward::store_contract!(open_fresh, in_a_runtime);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shares_servers_meets_nothing_of_another() {
    let database = Fresh::create().await;
    let url = pooled(&database);
    let store = Arc::new(PostgresStore::open(&url, PostgresOptions::default()).await.unwrap());
    let (root, _) = register(&store, "root").await;
    set_role(&*store, root.id, Role::Admin, START).await.unwrap();
    let mut everybody = JoinSet::new();
    for index in 0..32 {
        let store = Arc::clone(&store);
        everybody.spawn(async move {
            let (user, _) = register(&store, &format!("u{index}")).await;
            for turn in 0..8 {
                let role = if turn % 2 == 0 { Role::Admin } else { Role::User };
                assert_eq!(set_role(&*store, user.id, role, START).await.unwrap().role, role);
                assert_eq!(store.find_user(user.id).await.unwrap().unwrap().role, role);
            }
            set_active(&*store, user.id, false, START).await.unwrap();
        });
    }
    everybody.join_all().await;
    let direct = connect(database.url()).await;
    let prepared = "SELECT count(*) FROM pg_prepared_statements";
    let pooled = connect(&url).await;
    for _ in 0..8 {
        let said = pooled.simple_query(prepared).await.unwrap();
        let row = said.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        assert_eq!(row, Some("0"), "nothing is left on a server");
    }
    assert_eq!(count(&direct, "SELECT count(*) FROM users WHERE NOT is_active").await, 32);
}
