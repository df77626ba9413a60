//! What nodes that share a database owe each other about limits.

use std::sync::Arc;
use std::time::Duration;

use doorward::limits::{LIMIT_KEY_BYTES, LimitKey, Rule};
use doorward::store::limits::{Admittance, Applies, Charge, ChargedAttempt, LimitStore, Settlement};
use doorward::{Store, Timestamp};
use tokio::task::JoinSet;

use crate::cluster::{Fresh, connect};
use crate::story::{START, count, open};

const BURST: u32 = 20;

fn key(number: u8) -> LimitKey {
    LimitKey::from_bytes([number; LIMIT_KEY_BYTES])
}

fn charge(number: u8, burst: u32) -> Charge {
    let rule = Rule::steady(burst, Duration::from_secs(3600));
    Charge { key: key(number), rule, applies: Applies::Always }
}

fn is_admitted(admittance: &Admittance) -> bool {
    matches!(admittance, Admittance::Admitted { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_over_two_nodes_get_exactly_the_burst() {
    let database = Fresh::create().await;
    let nodes = [Arc::new(open(&database).await), Arc::new(open(&database).await)];
    let mut attempts = JoinSet::new();
    for index in 0_u8..200 {
        let node = Arc::clone(&nodes[usize::from(index % 2)]);
        // Keys in all orders, some of them everybody's, some of few: whoever locks out of turn waits for ever.
        let mut charges = vec![charge(100, BURST), charge(index % 7, 1000), charge(200 - index % 5, 1000)];
        charges.rotate_left(usize::from(index % 3));
        attempts.spawn(async move {
            let attempt = ChargedAttempt { familiar: None, charges };
            node.take_limits(&attempt, START).await.unwrap()
        });
    }
    let admitted = attempts.join_all().await.iter().filter(|admittance| is_admitted(admittance)).count();
    assert_eq!(admitted, BURST as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_settling_and_purging_at_once_lose_no_charge() {
    let database = Fresh::create().await;
    let nodes = [Arc::new(open(&database).await), Arc::new(open(&database).await)];
    let mut attempts = JoinSet::new();
    for index in 0_u8..200 {
        let node = Arc::clone(&nodes[usize::from(index % 2)]);
        attempts.spawn(async move {
            let attempt = ChargedAttempt { familiar: None, charges: vec![charge(9, BURST), charge(1, 1000)] };
            node.purge_limits(START, 100).await.unwrap();
            let is_admitted = is_admitted(&node.take_limits(&attempt, START).await.unwrap());
            if is_admitted && index % 2 == 0 {
                let give_back = attempt.charges.iter().map(|charge| (charge.key, charge.rule)).collect();
                node.settle_limits(&Settlement { give_back, familiar: None }, START).await.unwrap();
                return 0;
            }
            usize::from(is_admitted)
        });
    }
    let mut kept: usize = attempts.join_all().await.into_iter().sum();
    let rest = ChargedAttempt { familiar: None, charges: vec![charge(9, BURST)] };
    while is_admitted(&nodes[0].take_limits(&rest, START).await.unwrap()) {
        kept += 1;
    }
    assert_eq!(kept, BURST as usize);
}

#[tokio::test]
async fn a_flood_of_the_refused_writes_nothing() {
    let database = Fresh::create().await;
    let store = open(&database).await;
    let stranger = |number| ChargedAttempt { familiar: None, charges: vec![charge(100, 1), charge(number, 10)] };
    store.take_limits(&stranger(0), START).await.unwrap();
    let observer = connect(database.url()).await;
    let version = "SELECT xmin::text::bigint + xmax::text::bigint FROM rate_limits ORDER BY key LIMIT 1";
    let before = count(&observer, version).await;
    for number in 1..50 {
        assert!(!is_admitted(&store.take_limits(&stranger(number), START).await.unwrap()));
    }
    assert_eq!(count(&observer, "SELECT count(*) FROM rate_limits").await, 2);
    assert_eq!(count(&observer, version).await, before, "not even a lock was taken");
}

#[tokio::test]
async fn a_store_that_cannot_count_admits_nobody() {
    let database = Fresh::create().await;
    let store = open(&database).await;
    let attempt = ChargedAttempt { familiar: None, charges: vec![charge(1, 1)] };
    connect(database.url()).await.batch_execute("DROP TABLE rate_limits").await.unwrap();
    assert!(store.take_limits(&attempt, START).await.is_err());
    store.close().await;
    assert!(store.take_limits(&attempt, Timestamp::from_seconds(0)).await.is_err());
}
