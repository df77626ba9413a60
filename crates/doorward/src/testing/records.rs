#![expect(clippy::unwrap_used, clippy::panic, reason = "a test suite: its failures are panics")]

//! The part of the contract that is about events and messages.

use std::sync::Arc;

use uuid::Uuid;

use super::contract::{START, at, logged_in, new_session, new_user, present, rotate, user};
use crate::account::{Amended, Amendment, Record};
use crate::audit::{Event, EventKind, EventPosition, EventQuery, NewEvent};
use crate::clock::Timestamp;
use crate::origin::Origin;
use crate::outbox::{Delivery, Message, MessageKind, NewMessage, OutboxStatistics, Taking};
use crate::session::EndReason;
use crate::store::{PurgeBounds, Rotation, Store, UserCreation, VerifiedLogin};
use crate::user::CredentialVersion;

const ALL: EventQuery = EventQuery { user_id: None, kind: None, since: None, until: None, before: None, limit: 100 };

fn event(kind: EventKind, at: Timestamp) -> NewEvent {
    let origin = Origin::operator()
        .with_address("2001:db8::7".parse().ok())
        .with_user_agent(Some("curl/8"))
        .with_request_id(Some("r-1"));
    NewEvent::new(kind, origin, at).with("why", "\"quoted\" \u{e9}").with("how", "")
}

fn message(id: u128, created_at: Timestamp) -> NewMessage {
    NewMessage { id: Uuid::from_u128(id), kind: MessageKind::Mail, sealed: vec![0, 255, 7], created_at }
}

fn record(kind: EventKind, at: Timestamp) -> Record {
    Record { events: vec![event(kind, at)], messages: Vec::new() }
}

async fn events(store: &dyn Store) -> Vec<Event> {
    store.list_events(ALL).await.unwrap()
}

pub async fn a_record_is_written_with_what_it_tells_of(store: Arc<dyn Store>) {
    let (first, _) = new_session(START);
    let with_message =
        Record { events: vec![event(EventKind::UserRegistered, START)], messages: vec![message(1, START)] };
    let created =
        store.create_user(new_user("ada@example.com"), Some(first.clone()), with_message.clone()).await.unwrap();
    let UserCreation::Created(ada) = created else { panic!("{created:?}") };
    // Refused: neither is written.
    store.create_user(new_user("ada@example.com"), None, with_message).await.unwrap();
    let seen = events(&*store).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(
        (seen[0].user_id, &seen[0].what),
        (Some(ada.id), &event(EventKind::UserRegistered, START).about(first.id))
    );

    let (second, token) = new_session(at(1));
    let login = |version| VerifiedLogin { user_id: ada.id, version: CredentialVersion(version), upgraded_hash: None };
    store.open_session(login(9), second.clone(), record(EventKind::Login, at(1))).await.unwrap();
    store.open_session(login(1), second.clone(), record(EventKind::Login, at(1))).await.unwrap();
    let next = rotate(&*store, &token, at(2)).await;
    assert!(matches!(present(&*store, &token, at(3), 0).await.0, Rotation::Reused { .. }));
    let ended =
        store.end_session(next.handle(), EndReason::Logout, record(EventKind::Logout, at(4)), at(4)).await.unwrap();
    assert_eq!(ended, None);
    let (third, token) = logged_in(&*store, ada.id, at(5)).await;
    store.end_session(token.handle(), EndReason::Logout, record(EventKind::Logout, at(6)), at(6)).await.unwrap();
    let before = store.find_account(ada.id).await.unwrap().unwrap();
    let amendment =
        Amendment::new(&before, before.clone(), at(7)).with_record(record(EventKind::ProfileChanged, at(7)));
    assert_eq!(store.amend_account(amendment).await.unwrap(), Amended::Done);
    store.record(None, record(EventKind::LoginRefused, at(8))).await.unwrap();

    let told: Vec<_> =
        events(&*store).await.into_iter().rev().map(|e| (e.what.kind, e.user_id, e.what.session)).collect();
    assert_eq!(
        told,
        [
            (EventKind::UserRegistered, Some(ada.id), Some(first.id)),
            (EventKind::Login, Some(ada.id), Some(second.id)),
            (EventKind::RefreshTokenReuse, Some(ada.id), Some(second.id)),
            (EventKind::Logout, Some(ada.id), Some(third)),
            (EventKind::ProfileChanged, Some(ada.id), None),
            (EventKind::LoginRefused, None, None),
        ]
    );
    assert_eq!(store.outbox_statistics().await.unwrap().waiting, 1);
}

pub async fn events_are_listed_by_filter_and_page(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let bob = user(&*store, "bob@example.com").await;
    for second in 0..6 {
        let (user, kind) = if second % 2 == 0 { (ada.id, EventKind::Login) } else { (bob.id, EventKind::Logout) };
        store.record(Some(user), record(kind, at(second))).await.unwrap();
    }
    let moments = async |query| {
        let events = store.list_events(query).await.unwrap();
        events.iter().map(|event| event.what.at).collect::<Vec<_>>()
    };
    assert_eq!(moments(ALL).await, [at(5), at(4), at(3), at(2), at(1), at(0)]);
    assert_eq!(moments(EventQuery { user_id: Some(ada.id), ..ALL }).await, [at(4), at(2), at(0)]);
    assert_eq!(moments(EventQuery { kind: Some(EventKind::Logout), ..ALL }).await, [at(5), at(3), at(1)]);
    assert_eq!(moments(EventQuery { user_id: Some(ada.id), kind: Some(EventKind::Logout), ..ALL }).await, []);
    assert_eq!(moments(EventQuery { since: Some(at(2)), until: Some(at(4)), ..ALL }).await, [at(3), at(2)]);
    let mut before = None;
    for expected in [vec![at(4), at(2)], vec![at(0)], vec![]] {
        let page = store.list_events(EventQuery { user_id: Some(ada.id), before, limit: 2, ..ALL }).await.unwrap();
        assert_eq!(page.iter().map(|event| event.what.at).collect::<Vec<_>>(), expected);
        before = page.last().map_or(before, |event| Some(event.position));
    }
    assert_eq!(moments(EventQuery { before: Some(EventPosition(0)), ..ALL }).await, []);
}

pub async fn old_events_are_purged_when_asked(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    for second in 0..4 {
        store.record(Some(ada.id), record(EventKind::Login, at(second))).await.unwrap();
    }
    let purge = async |events_before, limit| {
        let bounds =
            PurgeBounds { sessions_before: START, endings_before: START, events_before, messages_before: START, limit };
        store.purge(bounds).await.unwrap()
    };
    assert_eq!(purge(None, 10).await, 0);
    assert_eq!(purge(Some(at(3)), 2).await, 2);
    assert_eq!(purge(Some(at(3)), 10).await, 1);
    assert_eq!(events(&*store).await.len(), 1);
}

async fn take(store: &dyn Store, now: Timestamp, limit: u32) -> Vec<Message> {
    let leased_until = now.plus(std::time::Duration::from_secs(60));
    store.take_messages(Taking { kind: MessageKind::Mail, now, leased_until, limit }).await.unwrap()
}

pub async fn each_kind_of_message_is_taken_apart(store: Arc<dyn Store>) {
    let kinds = [MessageKind::Webhook, MessageKind::Recovery, MessageKind::Mail];
    let messages = kinds.into_iter().zip(1..).map(|(kind, id)| NewMessage { kind, ..message(id, at(1)) }).collect();
    store.record(None, Record { events: Vec::new(), messages }).await.unwrap();
    for kind in MessageKind::ALL {
        let taking = Taking { kind, now: at(2), leased_until: at(60), limit: 10 };
        let taken = store.take_messages(taking).await.unwrap();
        assert_eq!(taken.iter().map(|message| message.kind).collect::<Vec<_>>(), [kind]);
    }
}

pub async fn a_message_goes_to_one_worker_until_it_is_settled(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let messages = vec![message(1, at(1)), message(2, at(2)), message(3, at(100))];
    store.record(Some(ada.id), Record { events: Vec::new(), messages }).await.unwrap();
    let statistics = OutboxStatistics { waiting: 3, oldest: Some(at(1)), abandoned: 0 };
    assert_eq!(store.outbox_statistics().await.unwrap(), statistics);
    assert!(take(&*store, START, 10).await.is_empty());
    let first = take(&*store, at(10), 1).await;
    let Message { id, kind, user_id, sealed, created_at, attempts } = first[0].clone();
    assert_eq!((id, kind, user_id), (Uuid::from_u128(1), MessageKind::Mail, Some(ada.id)));
    assert_eq!((sealed, created_at, attempts), (vec![0, 255, 7], at(1), 1));
    let second = take(&*store, at(10), 10).await;
    assert_eq!(second.iter().map(|message| message.id.as_u128()).collect::<Vec<_>>(), [2]);
    assert!(take(&*store, at(11), 10).await.is_empty());
    store.settle_message(second[0].id, Delivery::Done).await.unwrap();
    store.settle_message(first[0].id, Delivery::Again(at(30))).await.unwrap();
    assert!(take(&*store, at(29), 10).await.is_empty());
    let again = take(&*store, at(30), 10).await;
    assert_eq!((again.len(), again[0].id, again[0].attempts), (1, first[0].id, 2));
    // A worker that died gives nothing back; its lease ends.
    let after = take(&*store, at(90), 10).await;
    assert_eq!((after.len(), after[0].attempts), (1, 3));
    store.settle_message(first[0].id, Delivery::Done).await.unwrap();
    store.settle_message(first[0].id, Delivery::Done).await.unwrap();
    let statistics = OutboxStatistics { waiting: 1, oldest: Some(at(100)), abandoned: 0 };
    assert_eq!(store.outbox_statistics().await.unwrap(), statistics);
}

pub async fn abandoned_messages_forget_what_they_said(store: Arc<dyn Store>) {
    store.record(None, Record { events: Vec::new(), messages: vec![message(1, at(1))] }).await.unwrap();
    let taken = take(&*store, at(1), 10).await;
    assert_eq!(taken[0].user_id, None);
    store.settle_message(taken[0].id, Delivery::Abandoned(at(2))).await.unwrap();
    assert!(take(&*store, at(1_000_000), 10).await.is_empty());
    let statistics = OutboxStatistics { waiting: 0, oldest: None, abandoned: 1 };
    assert_eq!(store.outbox_statistics().await.unwrap(), statistics);
    let bounds = |messages_before| PurgeBounds {
        sessions_before: START,
        endings_before: START,
        events_before: None,
        messages_before,
        limit: 10,
    };
    assert_eq!(store.purge(bounds(at(2))).await.unwrap(), 0);
    assert_eq!(store.purge(bounds(at(3))).await.unwrap(), 1);
    assert_eq!(store.outbox_statistics().await.unwrap(), OutboxStatistics::default());
}
