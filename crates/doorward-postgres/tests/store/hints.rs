//! Hints between nodes: heard at once, missed without harm.

use std::time::Duration;

use doorward::revocation::EndingPosition;
use doorward::session::EndReason;
use doorward::testing::amending::{no_record, set_active, set_role};
use doorward::{Role, Store};
use doorward_postgres::{PostgresOptions, PostgresStore};
use tokio::time::{sleep, timeout};

use crate::cluster::{Fresh, connect};
use crate::pooled::pooled;
use crate::story::{START, count, open, open_with, present, register};

/// Only against hanging for ever; no test is about it.
const PATIENCE: Duration = Duration::from_secs(60);

const LISTENING: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE '%doorward_endings'";

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test]
async fn each_kind_of_ending_is_told_to_the_other_node_and_not_to_oneself() {
    let database = Fresh::create().await;
    let (here, there) = (open(&database).await, open(&database).await);
    let observer = connect(database.url()).await;
    until(async || count(&observer, LISTENING).await == 2).await;
    until(async || here.ending_hints() == 1 && there.ending_hints() == 1).await;
    let (ada, first) = register(&here, "ada").await;
    let (_, hers) = register(&here, "eve").await;
    present(&here, &first, Duration::ZERO).await;
    assert_eq!(there.ending_hints(), 1, "what ends nothing says nothing");
    let mut heard = 1;
    let mut is_heard = async || {
        until(async || there.ending_hints() > heard).await;
        heard = there.ending_hints();
    };
    present(&here, &first, Duration::ZERO).await;
    is_heard().await;
    here.end_session(hers.handle(), EndReason::Logout, no_record(), START).await.unwrap().unwrap();
    is_heard().await;
    set_active(&here, ada.id, false, START).await.unwrap();
    is_heard().await;
    set_role(&here, ada.id, Role::Admin, START).await.unwrap();
    is_heard().await;
    assert_eq!(here.ending_hints(), 1);
    assert_eq!(there.endings_after(EndingPosition::default()).await.unwrap().0.len(), 4);
}

#[tokio::test]
async fn a_cut_listener_comes_back_and_counts_as_news() {
    let database = Fresh::create().await;
    let (here, there) = (open(&database).await, open(&database).await);
    let (ada, _) = register(&here, "ada").await;
    let (bob, _) = register(&here, "bob").await;
    let observer = connect(database.url()).await;
    until(async || count(&observer, LISTENING).await == 2).await;
    until(async || there.ending_hints() == 1).await;
    let cut = LISTENING.replace("count(*)", "count(pg_terminate_backend(pid))");
    assert_eq!(count(&observer, &cut).await, 2);
    // Unheard: the endings are there all the same.
    set_role(&here, ada.id, Role::Admin, START).await.unwrap();
    assert_eq!(there.endings_after(EndingPosition::default()).await.unwrap().0.len(), 1);
    until(async || there.ending_hints() > 1).await;
    until(async || count(&observer, LISTENING).await == 2).await;
    let heard = there.ending_hints();
    set_role(&here, bob.id, Role::Admin, START).await.unwrap();
    until(async || there.ending_hints() > heard).await;
}

#[tokio::test]
async fn a_closed_store_listens_no_more_and_one_that_need_not_never_does() {
    let database = Fresh::create().await;
    let store = open(&database).await;
    let observer = connect(database.url()).await;
    until(async || count(&observer, LISTENING).await == 1).await;
    store.close().await;
    until(async || count(&observer, LISTENING).await == 0).await;
    let quiet = open_with(&database, PostgresOptions { listen: false, ..PostgresOptions::default() }).await;
    let (ada, _) = register(&quiet, "ada").await;
    set_role(&quiet, ada.id, Role::Admin, START).await.unwrap();
    assert_eq!((count(&observer, LISTENING).await, quiet.ending_hints()), (0, 0));
}

#[tokio::test]
async fn behind_a_pooler_nobody_listens() {
    let database = Fresh::create().await;
    let pooled = PostgresStore::open(&pooled(&database), PostgresOptions::default()).await.unwrap();
    let direct = open(&database).await;
    let (ada, _) = register(&pooled, "ada").await;
    let (bob, _) = register(&pooled, "bob").await;
    let observer = connect(database.url()).await;
    until(async || count(&observer, LISTENING).await == 1).await;
    let others = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'doorward/2'";
    // Its looking for a pooler comes to an end: a client that listens holds on to the pooler.
    set_role(&pooled, ada.id, Role::Admin, START).await.unwrap();
    set_role(&direct, bob.id, Role::Admin, START).await.unwrap();
    assert!(count(&observer, others).await > 0);
    assert_eq!((pooled.ending_hints(), count(&observer, LISTENING).await), (0, 1));
}
