//! Removing the dead: by one node at a time, a few pages of the table at a time.

use std::time::Duration;

use doorward::Store;

use crate::cluster::{Fresh, connect};
use crate::story::{START, WEEK, count, open, register};

/// Sessions of user 1, every tenth of them expired a second after the start.
const FILL: &str = "
    INSERT INTO sessions (handle, id, user_id, created_at, current_hash, issued_at, expires_at)
    SELECT decode(md5(n::text), 'hex'), gen_random_uuid(), 1, 0, sha256(n::text::bytea), 0,
           1800000000000000 + CASE WHEN n % 10 = 0 THEN 1000000 ELSE 999000000 END
    FROM generate_series(1, 30000) AS n";

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
        let gone = store.purge(now, START, 500).await.unwrap();
        batches.push(gone);
        if gone < 500 {
            break;
        }
    }
    assert_eq!((batches.iter().sum::<u64>(), batches.len()), (3000, 7), "{batches:?}");
    assert_eq!(count(&observer, "SELECT count(*) FROM sessions").await, 27_001);
    assert_eq!(store.purge(now.plus(WEEK), START, 100_000).await.unwrap(), 27_001);
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
    assert_eq!(here.purge(START, START, 500).await.unwrap(), 0);
    assert_eq!(there.purge(now, START, 500).await.unwrap(), 0, "it is not its turn");
    assert_eq!(here.purge(now, START, 500).await.unwrap(), 1);
    register(&here, "bob").await;
    let gone = "UPDATE housekeeping SET held_until = now() - interval '1 second'";
    connect(database.url()).await.batch_execute(gone).await.unwrap();
    assert_eq!(there.purge(now, START, 500).await.unwrap(), 1);
    register(&here, "eve").await;
    assert_eq!(here.purge(now, START, 500).await.unwrap(), 0);
    assert_eq!(there.purge(now, START, 500).await.unwrap(), 1);
}
