//! Many at once: what two nodes on one database owe each other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use doorward::revocation::{EndingKind, EndingPosition};
use doorward::session::EndReason;
use doorward::store::{Rotation, UserCreation, VerifiedLogin};
use doorward::testing::amending::{no_record, set_active, set_role};
use doorward::token::refresh::RefreshToken;
use doorward::user::CredentialVersion;
use doorward::{Role, Store};
use doorward_postgres::PostgresStore;
use tokio::task::JoinSet;

use crate::cluster::{Fresh, connect};
use crate::story::{START, count, new_session, new_user, open, present, register, until_waiting};

#[tokio::test(flavor = "multi_thread")]
async fn one_token_used_by_many_at_once_has_no_two_live_successors() {
    let database = Fresh::create().await;
    // Whatever isolation the database's owner prefers.
    let owner = connect(database.url()).await;
    owner
        .batch_execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$")
        .await
        .unwrap();
    let nodes = [Arc::new(open(&database).await), Arc::new(open(&database).await)];
    for round in 0..5 {
        let (_, token) = register(&nodes[0], &format!("ada{round}")).await;
        let outcomes = use_at_once(&nodes, &token, Duration::ZERO).await;
        let tally = |wanted: fn(&Rotation) -> bool| outcomes.iter().filter(|(rotation, _)| wanted(rotation)).count();
        assert_eq!(tally(|rotation| matches!(rotation, Rotation::Rotated { .. })), 1);
        assert_eq!(tally(|rotation| matches!(rotation, Rotation::Reused { .. })), 1);
        assert_eq!(tally(|rotation| matches!(rotation, Rotation::Invalid)), 58);
        for (_, successor) in &outcomes {
            assert!(matches!(present(&nodes[1], successor, Duration::ZERO).await.0, Rotation::Invalid));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn within_the_grace_window_many_at_once_get_one_successor() {
    let database = Fresh::create().await;
    let nodes = [Arc::new(open(&database).await), Arc::new(open(&database).await)];
    let (_, token) = register(&nodes[0], "ada").await;
    let (mut minted, mut repeated) = (Vec::new(), HashSet::new());
    for (rotation, successor) in use_at_once(&nodes, &token, Duration::from_secs(10)).await {
        match rotation {
            Rotation::Rotated { .. } => minted.push(successor),
            Rotation::Repeated { sealed_successor, .. } => {
                repeated.insert(*token.unseal(&sealed_successor).hash().as_bytes());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(minted.len(), 1);
    assert_eq!(repeated, HashSet::from([*minted[0].hash().as_bytes()]));
    assert!(matches!(present(&nodes[1], &minted[0], Duration::ZERO).await.0, Rotation::Rotated { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_registered_by_many_at_once_is_one_account() {
    let database = Fresh::create().await;
    let nodes = [Arc::new(open(&database).await), Arc::new(open(&database).await)];
    let mut registrations = JoinSet::new();
    for index in 0..40 {
        let node = Arc::clone(&nodes[index % 2]);
        let create =
            async move { node.create_user(new_user("ada"), Some(new_session().0), no_record()).await.unwrap() };
        registrations.spawn(create);
    }
    let outcomes = registrations.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, UserCreation::Created(_))).count(), 1);
    let observer = connect(database.url()).await;
    assert_eq!(count(&observer, "SELECT count(*) FROM users").await, 1);
    assert_eq!(count(&observer, "SELECT count(*) FROM sessions").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ending_that_commits_late_is_not_passed_by() {
    const HELD: &str = "
        CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON endings DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (NEW.role = 'admin') EXECUTE FUNCTION hold();";
    let database = Fresh::create().await;
    let nodes = [Arc::new(open(&database).await), Arc::new(open(&database).await)];
    let (ada, _) = register(&nodes[0], "ada").await;
    let (bob, bobs_token) = register(&nodes[0], "bob").await;
    let holder = connect(database.url()).await;
    holder.batch_execute(HELD).await.unwrap();
    holder.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();

    // Ada's ending has its place in the list; its commit is held up.
    let node = Arc::clone(&nodes[0]);
    let late = tokio::spawn(async move { set_role(&*node, ada.id, Role::Admin, START).await });
    until_waiting(&holder, 1).await;
    let node = Arc::clone(&nodes[1]);
    let early = tokio::spawn(async move {
        node.end_session(bobs_token.handle(), EndReason::Logout, no_record(), START).await.unwrap()
    });
    while !early.is_finished() && count(&holder, "SELECT count(*) FROM pg_locks WHERE NOT granted").await < 2 {
        tokio::task::yield_now().await;
    }

    let (mut seen, position) = nodes[1].endings_after(EndingPosition::default()).await.unwrap();
    holder.batch_execute("SELECT pg_advisory_unlock(1)").await.unwrap();
    let (admin, ended) = (late.await.unwrap().unwrap(), early.await.unwrap().unwrap().0);
    seen.extend(nodes[1].endings_after(position).await.unwrap().0);
    let seen: Vec<_> = seen.iter().map(|ending| ending.what).collect();
    assert!(seen.contains(&EndingKind::RoleChanged(admin.id, Role::Admin)), "{seen:?}");
    assert!(seen.contains(&EndingKind::Session(ended)), "{seen:?}");
    assert_ne!(admin.id, bob.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivation_ends_the_session_that_was_being_opened() {
    let database = Fresh::create().await;
    let store = Arc::new(open(&database).await);
    let (ada, _) = register(&store, "ada").await;
    let login = connect(database.url()).await;
    login
        .batch_execute(
            "BEGIN; SELECT id FROM users FOR NO KEY UPDATE;
             INSERT INTO sessions (handle, id, user_id, created_at, current_hash, issued_at, expires_at)
             SELECT decode(repeat('ab', 16), 'hex'), gen_random_uuid(), id, 0, decode(repeat('cd', 32), 'hex'), 0, 1
             FROM users",
        )
        .await
        .unwrap();
    let node = Arc::clone(&store);
    let deactivation = tokio::spawn(async move { set_active(&*node, ada.id, false, START).await });
    let observer = connect(database.url()).await;
    until_waiting(&observer, 1).await;
    login.batch_execute("COMMIT").await.unwrap();
    assert!(!deactivation.await.unwrap().unwrap().is_active);
    assert_eq!(count(&observer, "SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 0);
    assert_eq!(count(&observer, "SELECT count(*) FROM endings WHERE kind = 'session'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivation_that_waits_for_a_session_holds_up_nobody_elses_ending() {
    let database = Fresh::create().await;
    let store = Arc::new(open(&database).await);
    let (ada, _) = register(&store, "ada").await;
    let (_, bobs_token) = register(&store, "bob").await;
    let (session, held) = new_session();
    let login = VerifiedLogin { user_id: ada.id, version: CredentialVersion(1), upgraded_hash: None };
    store.open_session(login, session, no_record()).await.unwrap();
    let holder = connect(database.url()).await;
    let hold = "BEGIN; SELECT id FROM sessions WHERE handle = decode('HANDLE', 'hex') FOR UPDATE";
    let handle: String = held.handle().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    holder.batch_execute(&hold.replace("HANDLE", &handle)).await.unwrap();
    let node = Arc::clone(&store);
    let deactivation = tokio::spawn(async move { set_active(&*node, ada.id, false, START).await });
    until_waiting(&connect(database.url()).await, 1).await;
    assert!(store.end_session(bobs_token.handle(), EndReason::Logout, no_record(), START).await.unwrap().is_some());
    holder.batch_execute("COMMIT").await.unwrap();
    assert!(!deactivation.await.unwrap().unwrap().is_active);
}

async fn use_at_once(
    nodes: &[Arc<PostgresStore>; 2],
    token: &RefreshToken,
    grace: Duration,
) -> Vec<(Rotation, RefreshToken)> {
    let mut uses = JoinSet::new();
    for index in 0..60 {
        let (node, token) = (Arc::clone(&nodes[index % 2]), token.clone());
        uses.spawn(async move { present(&node, &token, grace).await });
    }
    uses.join_all().await
}

/// Dumped and loaded again, under nodes that go on.
#[tokio::test]
async fn a_restored_database_tells_another_history_to_all_nodes() {
    let database = Fresh::create().await;
    let nodes = [open(&database).await, open(&database).await];
    let epoch = nodes[0].epoch().await.unwrap();
    register(&nodes[0], "ada").await;
    assert_eq!((nodes[0].epoch().await.unwrap(), nodes[1].epoch().await.unwrap()), (epoch, epoch));
    connect(database.url()).await.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap();
    doorward_postgres::migrate(database.url()).await.unwrap();
    let restored = nodes[0].epoch().await.unwrap();
    assert_ne!(restored, epoch);
    assert_eq!(nodes[1].epoch().await.unwrap(), restored);
}
