//! Many at once who change accounts, and many who deliver messages, over two nodes.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use doorward::account::{Account, Amended, Amendment, Erasure, Record, SessionChange};
use doorward::audit::{EventKind, EventQuery, NewEvent};
use doorward::outbox::{Delivery, Message, MessageKind, NewMessage, Taking};
use doorward::session::EndReason;
use doorward::store::{OutboxStore, VerifiedLogin};
use doorward::testing::amending::{amend, no_record, set_role};
use doorward::user::CredentialVersion;
use doorward::{EmailAddress, Origin, Role, Store, Timestamp, User, UserId};
use doorward_postgres::{PostgresOptions, PostgresStore};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::cluster::{Fresh, connect};
use crate::story::{START, count, new_session, open, open_with, register, until_waiting};

async fn two_nodes(database: &Fresh) -> [Arc<PostgresStore>; 2] {
    [Arc::new(open(database).await), Arc::new(open(database).await)]
}

const ALL: EventQuery = EventQuery { user_id: None, kind: None, since: None, until: None, before: None, limit: 10_000 };

fn event() -> Record {
    let origin = Origin::unknown().with_address(Some([192, 0, 2, 9].into())).with_user_agent(Some("Firefox"));
    Record { events: vec![NewEvent::new(EventKind::ProfileChanged, origin, START)], messages: Vec::new() }
}

/// Adds a letter to the person's name, deciding anew whenever somebody else was faster; says how often.
async fn add_letter(node: &PostgresStore, id: UserId, letter: char) -> u32 {
    let mut stale = 0;
    loop {
        let before = node.find_account(id).await.unwrap().unwrap();
        let mut after = before.clone();
        after.user.full_name.get_or_insert_default().push(letter);
        let amendment = Amendment::new(&before, after, START).with_record(event());
        match node.amend_account(amendment).await.unwrap() {
            Amended::Done => return stale,
            Amended::Stale => stale += 1,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_at_once_each_is_made_once_and_none_is_lost() {
    let database = Fresh::create().await;
    let nodes = two_nodes(&database).await;
    let (ada, _) = register(&nodes[0], "ada").await;
    let letters: Vec<char> = ('a'..='z').chain('A'..='N').collect();
    let mut changes = JoinSet::new();
    for (index, letter) in letters.clone().into_iter().enumerate() {
        let node = Arc::clone(&nodes[index % 2]);
        changes.spawn(async move { add_letter(&node, ada.id, letter).await });
    }
    let stale: u32 = changes.join_all().await.into_iter().sum();
    assert!(stale > 0, "they met");
    let account = nodes[0].find_account(ada.id).await.unwrap().unwrap();
    let name = account.user.full_name.unwrap();
    assert_eq!(name.chars().count(), letters.len());
    assert_eq!(name.chars().collect::<HashSet<_>>(), letters.iter().copied().collect());
    assert_eq!(account.revision.0, 1 + 40);
    // What was decided anew has left no trace of the first time.
    assert_eq!(nodes[1].list_events(ALL).await.unwrap().len(), letters.len());
}

/// An operator who reads the database's log would take it for a fault.
#[tokio::test(flavor = "multi_thread")]
async fn a_race_that_was_lost_is_no_error_in_the_servers_log() {
    let database = Fresh::create().await;
    let node = open(&database).await;
    let (ada, bob) = (register(&node, "ada").await.0, register(&node, "bob").await.0);
    set_role(&node, ada.id, Role::Admin, START).await.unwrap();
    let before = node.find_account(ada.id).await.unwrap().unwrap();
    let change = |change: &dyn Fn(&mut Account)| {
        let mut after = before.clone();
        change(&mut after);
        Amendment::new(&before, after, START).with_record(event())
    };
    let rename = |account: &mut Account| account.user.full_name = Some("Ada".to_owned());
    let taken = |account: &mut Account| account.user.email = bob.email.clone();
    assert_eq!(node.amend_account(change(&taken)).await.unwrap(), Amended::AddressTaken);
    assert_eq!(node.amend_account(change(&demote)).await.unwrap(), Amended::LastAdmin);
    let erasure = Erasure { account: before.clone(), record: event(), now: START };
    assert_eq!(node.erase_account(erasure.clone()).await.unwrap(), Amended::LastAdmin);
    assert_eq!(node.find_account(ada.id).await.unwrap().unwrap(), before, "nothing was done");
    assert_eq!(node.amend_account(change(&rename)).await.unwrap(), Amended::Done);
    assert_eq!(node.amend_account(change(&rename)).await.unwrap(), Amended::Stale);
    assert_eq!(node.erase_account(erasure).await.unwrap(), Amended::Stale);
    assert_eq!(node.list_events(ALL).await.unwrap().len(), 1);
    node.close().await;
    drop(node);
    // Its connections tell when they end. Every error rolls back what it is in.
    let observer = connect(database.url()).await;
    let committed = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    while count(&observer, committed).await < 10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rolled_back = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(count(&observer, rolled_back).await, 0);
}

fn demote(account: &mut Account) {
    account.user.role = Role::User;
}

fn one_is_kept(one: Amended, other: Amended) -> bool {
    matches!((one, other), (Amended::Done, Amended::LastAdmin) | (Amended::LastAdmin, Amended::Done))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_who_turn_each_other_out_at_once_leave_one() {
    let database = Fresh::create().await;
    let nodes = two_nodes(&database).await;
    let (ada, bob) = (register(&nodes[0], "ada").await.0.id, register(&nodes[0], "bob").await.0.id);
    for round in 0..50 {
        for admin in [ada, bob] {
            let promote = |account: &mut Account| (account.user.role, account.user.is_active) = (Role::Admin, true);
            amend(&*nodes[0], admin, START, promote).await.unwrap();
        }
        let switch_off = |account: &mut Account| account.user.is_active = false;
        let (one, other) =
            tokio::join!(amend(&*nodes[0], ada, START, demote), amend(&*nodes[1], bob, START, switch_off));
        let (one, other) = (one.unwrap().0, other.unwrap().0);
        assert!(one_is_kept(one, other), "round {round}: {one:?}, {other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_erased_while_the_other_is_turned_out_leaves_one() {
    let database = Fresh::create().await;
    let nodes = two_nodes(&database).await;
    let ada = register(&nodes[0], "ada").await.0.id;
    for round in 0..20 {
        let (user, _) = register(&nodes[0], &format!("bob{round}")).await;
        for admin in [user.id, ada] {
            set_role(&*nodes[0], admin, Role::Admin, START).await.unwrap();
        }
        let account = nodes[0].find_account(user.id).await.unwrap().unwrap();
        let erasure = Erasure { account, record: no_record(), now: START };
        let (one, other) = tokio::join!(amend(&*nodes[0], ada, START, demote), nodes[1].erase_account(erasure));
        let (one, other) = (one.unwrap().0, other.unwrap());
        assert!(one_is_kept(one, other), "round {round}: {one:?}, {other:?}");
        // Ada alone, for the next round.
        set_role(&*nodes[0], ada, Role::Admin, START).await.unwrap();
        if other == Amended::LastAdmin {
            assert_eq!(amend(&*nodes[0], user.id, START, demote).await.unwrap().0, Amended::Done);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_wanted_by_many_at_once_goes_to_one() {
    let database = Fresh::create().await;
    let nodes = two_nodes(&database).await;
    let mut changes = JoinSet::new();
    for index in 0..20 {
        let node = Arc::clone(&nodes[index % 2]);
        let (user, _) = register(&node, &format!("u{index}")).await;
        changes.spawn(async move {
            let email = EmailAddress::parse("wanted@example.com").unwrap();
            amend(&*node, user.id, START, |account| account.user.email = email).await.unwrap().0
        });
    }
    let outcomes = changes.join_all().await;
    assert_eq!(outcomes.iter().filter(|amended| **amended == Amended::Done).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|amended| **amended == Amended::AddressTaken).count(), 19, "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_want_each_others_address_at_once_are_both_refused() {
    let database = Fresh::create().await;
    let nodes = two_nodes(&database).await;
    let users = [register(&nodes[0], "ada").await.0, register(&nodes[0], "bob").await.0];
    for _ in 0..5 {
        let take = async |node: &PostgresStore, user: &User, email: &EmailAddress| {
            amend(node, user.id, START, |account| account.user.email = email.clone()).await.unwrap().0
        };
        let (one, other) =
            tokio::join!(take(&nodes[0], &users[0], &users[1].email), take(&nodes[1], &users[1], &users[0].email),);
        assert_eq!((one, other), (Amended::AddressTaken, Amended::AddressTaken));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_a_session_that_ends_while_its_person_is_erased_names_nobody() {
    let database = Fresh::create().await;
    let nodes = two_nodes(&database).await;
    for round in 0..10 {
        let (user, token) = register(&nodes[0], &format!("ada{round}")).await;
        let account = nodes[0].find_account(user.id).await.unwrap().unwrap();
        let erasure = Erasure { account, record: event(), now: START };
        let (erased, ended) = tokio::join!(
            nodes[0].erase_account(erasure),
            nodes[1].end_session(token.handle(), EndReason::Logout, event(), START),
        );
        assert_eq!(erased.unwrap(), Amended::Done);
        let events = nodes[0].list_events(EventQuery { user_id: Some(user.id), ..ALL }).await.unwrap();
        assert_eq!(events.len(), 1 + usize::from(ended.unwrap().is_some()));
        for event in events {
            assert_eq!((event.what.cause.address, event.what.cause.user_agent), (None, None));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_sees_the_logout_it_waited_for() {
    let database = Fresh::create().await;
    let store = Arc::new(open(&database).await);
    let (ada, _) = register(&store, "ada").await;
    let logout = connect(database.url()).await;
    logout
        .batch_execute(
            "BEGIN; UPDATE sessions SET ended_at = 1, ended_reason = 'logout';
             INSERT INTO events (at, kind, user_id, actor, user_agent) VALUES (1, 'logout', 1, 'anonymous', 'Firefox')",
        )
        .await
        .unwrap();
    let account = store.find_account(ada.id).await.unwrap().unwrap();
    let node = Arc::clone(&store);
    let erasure = Erasure { account, record: no_record(), now: START };
    let erasing = tokio::spawn(async move { node.erase_account(erasure).await.unwrap() });
    let observer = connect(database.url()).await;
    until_waiting(&observer, 1).await;
    logout.batch_execute("COMMIT").await.unwrap();
    assert_eq!(erasing.await.unwrap(), Amended::Done);
    assert_eq!(count(&observer, "SELECT count(user_agent) FROM events").await, 0);
    assert_eq!(count(&observer, "SELECT count(*) FROM events").await, 1);
    // It had ended: the account alone is left to tell of.
    assert_eq!(count(&observer, "SELECT count(*) FROM endings").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_logins_and_logouts_of_one_account_at_once_all_come_to_an_end() {
    let database = Fresh::create().await;
    // More than come at once would wait for a connection longer than they may.
    let options = PostgresOptions { acquire_timeout: Duration::from_secs(60), ..PostgresOptions::default() };
    let nodes = [Arc::new(open_with(&database, options.clone()).await), Arc::new(open_with(&database, options).await)];
    let (ada, _) = register(&nodes[0], "ada").await;
    let mut everybody = JoinSet::new();
    for index in 0..40_usize {
        let node = Arc::clone(&nodes[index % 2]);
        everybody.spawn(async move {
            let (session, token) = new_session();
            let login = VerifiedLogin { user_id: ada.id, version: CredentialVersion(1), upgraded_hash: None };
            node.open_session(login, session, event()).await.unwrap();
            if index % 4 == 0 {
                let before = node.find_account(ada.id).await.unwrap().unwrap();
                let ends = SessionChange::EndAllBut(None, EndReason::LogoutAll);
                let amendment = Amendment::new(&before, before.clone(), START).with_sessions(ends);
                node.amend_account(amendment.with_record(event())).await.unwrap();
            }
            node.end_session(token.handle(), EndReason::Logout, event(), START).await.unwrap();
        });
    }
    everybody.join_all().await;
    let observer = connect(database.url()).await;
    // One each, and that of the registration, which the first change has ended.
    assert_eq!(count(&observer, "SELECT count(*) FROM endings").await, 41);
}

fn messages(number: u128) -> Vec<NewMessage> {
    let message = |id| NewMessage {
        id: Uuid::from_u128(id),
        kind: MessageKind::Mail,
        sealed: b"sealed".to_vec(),
        created_at: START,
    };
    (1..=number).map(message).collect()
}

fn leased(now: Timestamp, limit: u32) -> Taking {
    Taking { kind: MessageKind::Mail, now, leased_until: now.plus(Duration::from_secs(60)), limit }
}

async fn take_all(node: Arc<PostgresStore>) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let taken = node.take_messages(leased(START, 7)).await.unwrap();
        if taken.is_empty() {
            return all;
        }
        for message in &taken {
            node.settle_message(message.id, Delivery::Done).await.unwrap();
        }
        all.extend(taken);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_workers_on_two_nodes_take_each_message_once() {
    let database = Fresh::create().await;
    let nodes = two_nodes(&database).await;
    nodes[0].record(None, Record { events: Vec::new(), messages: messages(200) }).await.unwrap();
    let mut workers = JoinSet::new();
    for index in 0..8 {
        workers.spawn(take_all(Arc::clone(&nodes[index % 2])));
    }
    let taken: Vec<Message> = workers.join_all().await.into_iter().flatten().collect();
    assert!(taken.iter().all(|message| message.attempts == 1));
    let ids: Vec<u128> = taken.iter().map(|message| message.id.as_u128()).collect();
    assert_eq!(ids.len(), 200);
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), (1..=200).collect());
    assert_eq!(nodes[1].outbox_statistics().await.unwrap().waiting, 0);
}

#[tokio::test]
async fn what_a_worker_took_and_died_with_comes_again_when_its_lease_ends() {
    let database = Fresh::create().await;
    let (dying, living) = (open(&database).await, open(&database).await);
    living.record(None, Record { events: Vec::new(), messages: messages(1) }).await.unwrap();
    assert_eq!(dying.take_messages(leased(START, 10)).await.unwrap().len(), 1);
    dying.close().await;
    drop(dying);
    let later = |seconds| leased(START.plus(Duration::from_secs(seconds)), 10);
    assert_eq!(living.take_messages(later(59)).await.unwrap().len(), 0);
    let again = living.take_messages(later(60)).await.unwrap();
    assert_eq!(again.iter().map(|message| message.attempts).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn sessions_from_before_the_moment_of_authentication_have_that_of_their_opening() {
    let database = Fresh::create().await;
    let store = open(&database).await;
    let (ada, _) = register(&store, "ada").await;
    connect(database.url()).await.batch_execute("UPDATE sessions SET authenticated_at = NULL").await.unwrap();
    let sessions = store.list_sessions(ada.id, START).await.unwrap();
    assert_eq!(sessions[0].authenticated_at, START);
}
