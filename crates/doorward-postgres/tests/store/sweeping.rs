//! Removing the dead: by one node at a time, a few pages of the table at a time.

use std::time::Duration;

use doorward::store::PurgeBounds;
use doorward::{Store, Timestamp};
use doorward_postgres::PostgresStore;

use crate::cluster::{Fresh, connect};
use crate::story::{START, WEEK, count, open, register};

async fn purge(store: &PostgresStore, sessions_before: Timestamp, limit: u32) -> u64 {
    let (endings_before, events_before, messages_before) = (START, None, START);
    let bounds = PurgeBounds { sessions_before, endings_before, events_before, messages_before, limit };
    store.purge(bounds).await.unwrap()
}

/// Sessions of user 1, every tenth of them expired a second after the start.
const FILL: &str = "
    INSERT INTO sessions (handle, id, user_id, created_at, current_hash, issued_at, expires_at)
    SELECT decode(md5(n::text), 'hex'), gen_random_uuid(), 1, 0, sha256(n::text::bytea), 0,
           1800000000000000 + CASE WHEN n % 10 = 0 THEN 1000000 ELSE 999000000 END
    FROM generate_series(1, 40000) AS n";

#[tokio::test]
async fn a_table_of_many_pages_is_swept_in_batches_until_nothing_dead_is_left() {
    let database = Fresh::create().await;
    let store = open(&database).await;
    register(&store, "ada").await;
    let observer = connect(database.url()).await;
    observer.batch_execute(FILL).await.unwrap();
    let pages = count(&observer, "SELECT pg_relation_size('sessions') / 8192").await;
    assert!(pages > 3 * 256, "{pages}");
    let now = START.plus(Duration::from_secs(10));
    let mut batches = Vec::new();
    loop {
        let gone = purge(&store, now, 500).await;
        batches.push(gone);
        if gone < 500 {
            break;
        }
    }
    assert_eq!((batches.iter().sum::<u64>(), batches.len()), (4000, 9), "{batches:?}");
    assert_eq!(count(&observer, "SELECT count(*) FROM sessions").await, 36_001);
    assert_eq!(purge(&store, now.plus(WEEK), 100_000).await, 36_001);
}

#[tokio::test]
async fn a_slice_is_read_by_its_pages() {
    let database = Fresh::create().await;
    open(&database).await;
    let observer = connect(database.url()).await;
    let explained = observer
        .query(
            "EXPLAIN SELECT handle FROM sessions
             WHERE ctid >= '(256,0)'::text::tid AND ctid < '(512,0)'::text::tid AND expires_at < 1 LIMIT 500",
            &[],
        )
        .await
        .unwrap();
    let plan: Vec<String> = explained.iter().map(|row| row.get(0)).collect();
    assert!(plan.iter().any(|line| line.contains("Tid Range Scan")), "{plan:#?}");
}

#[tokio::test]
async fn one_node_keeps_house_and_another_when_it_is_gone() {
    let database = Fresh::create().await;
    let (here, there) = (open(&database).await, open(&database).await);
    register(&here, "ada").await;
    let now = START.plus(2 * WEEK);
    assert_eq!(purge(&here, START, 500).await, 0);
    assert_eq!(purge(&there, now, 500).await, 0, "it is not its turn");
    assert_eq!(purge(&here, now, 500).await, 1);
    register(&here, "bob").await;
    let gone = "UPDATE housekeeping SET held_until = now() - interval '1 second'";
    connect(database.url()).await.batch_execute(gone).await.unwrap();
    assert_eq!(purge(&there, now, 500).await, 1);
    register(&here, "eve").await;
    assert_eq!(purge(&here, now, 500).await, 0);
    assert_eq!(purge(&there, now, 500).await, 1);
}
