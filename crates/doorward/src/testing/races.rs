#![expect(clippy::unwrap_used, clippy::panic, reason = "a test suite: its failures are panics")]

//! The part of the contract that is about who does things at once.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use uuid::Uuid;

use super::amending::{no_record, set_active, set_role};
use super::contract::{START, at, endings, logged_in, new_user, user};
use crate::account::{Account, Amended, Amendment, Erasure, Record, Revision, SessionChange};
use crate::audit::{EventKind, EventQuery, NewEvent};
use crate::origin::Origin;
use crate::outbox::{MessageKind, NewMessage, Taking};
use crate::revocation::EndingKind;
use crate::role::Role;
use crate::session::EndReason;
use crate::store::{Store, UserCreation, UserQuery};
use crate::user::{NewUser, User};

const ALL_EVENTS: EventQuery =
    EventQuery { user_id: None, kind: None, since: None, until: None, before: None, limit: 100 };

/// Lets all of them go on at once until each has come to its end; what they gave, in their order.
async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        let mut are_done = true;
        for (future, outcome) in running.iter_mut().filter(|(_, outcome)| outcome.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(given) => *outcome = Some(given),
                Poll::Pending => are_done = false,
            }
        }
        if are_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().map(|(_, outcome)| outcome.unwrap()).collect()
}

fn record(kind: EventKind, message: u128) -> Record {
    let message =
        NewMessage { id: Uuid::from_u128(message), kind: MessageKind::Mail, sealed: vec![1], created_at: START };
    Record { events: vec![NewEvent::new(kind, Origin::unknown(), at(1))], messages: vec![message] }
}

pub async fn of_changes_decided_on_the_same_account_one_is_made(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (session, _) = logged_in(&*store, ada.id, START).await;
    let before = store.find_account(ada.id).await.unwrap().unwrap();
    let changes = (0..8_u8).map(|index| {
        let user = User { full_name: Some(format!("Ada {index}")), ..before.user.clone() };
        let amendment = Amendment::new(&before, Account { user, ..before.clone() }, at(1))
            .with_sessions(SessionChange::EndAllBut(None, EndReason::LogoutAll))
            .with_record(record(EventKind::ProfileChanged, index.into()));
        store.amend_account(amendment)
    });
    let outcomes: Vec<_> = together(changes).await.into_iter().map(Result::unwrap).collect();
    let made: Vec<_> = (0..8).filter(|index| outcomes[*index] == Amended::Done).collect();
    assert_eq!(made.len(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Amended::Stale).count(), 7, "{outcomes:?}");
    let after = store.find_account(ada.id).await.unwrap().unwrap();
    assert_eq!((after.user.full_name, after.revision), (Some(format!("Ada {}", made[0])), Revision(2)));
    assert_eq!(endings(&*store).await, [EndingKind::Session(session)]);
    assert_eq!(store.list_events(ALL_EVENTS).await.unwrap().len(), 1);
    assert_eq!(store.outbox_statistics().await.unwrap().waiting, 1);
}

pub async fn administrators_who_remove_each_other_at_once_leave_one(store: Arc<dyn Store>) {
    let mut admins = Vec::new();
    for name in ["root", "other"] {
        let new = NewUser { role: Role::Admin, ..new_user(&format!("{name}@example.com")) };
        let created = store.create_user(new, None, no_record()).await.unwrap();
        let UserCreation::Created(admin) = created else { panic!("{created:?}") };
        admins.push(admin.id);
    }
    for round in 0..12 {
        let mut removals = Vec::new();
        for id in &admins {
            let before = store.find_account(*id).await.unwrap().unwrap();
            let mut user = before.user.clone();
            user.role = if round % 2 == 0 { Role::User } else { Role::Admin };
            user.is_active = round % 2 == 0;
            let after = Account { user, ..before.clone() };
            let amendment = Amendment::new(&before, after, at(round))
                .with_record(Record { messages: Vec::new(), ..record(EventKind::RoleChanged, 0) });
            removals.push(store.amend_account(amendment));
        }
        let mut outcomes: Vec<_> = together(removals).await.into_iter().map(Result::unwrap).collect();
        outcomes.sort_by_key(|outcome| *outcome == Amended::LastAdmin);
        assert_eq!(outcomes, [Amended::Done, Amended::LastAdmin], "round {round}");
        let acting = UserQuery { role: Some(Role::Admin), is_active: Some(true), limit: 10, ..UserQuery::default() };
        assert_eq!(store.list_users(acting).await.unwrap().total, 1);
        // Whose removal was refused has no trace of it.
        assert_eq!(store.list_events(ALL_EVENTS).await.unwrap().len() as u64, round + 1);
        for id in &admins {
            set_role(&*store, *id, Role::Admin, at(round)).await.unwrap();
            set_active(&*store, *id, true, at(round)).await.unwrap();
        }
    }
    let mut erasures = Vec::new();
    for id in &admins {
        let account = store.find_account(*id).await.unwrap().unwrap();
        erasures.push(store.erase_account(Erasure { account, record: no_record(), now: at(100) }));
    }
    let mut outcomes: Vec<_> = together(erasures).await.into_iter().map(Result::unwrap).collect();
    outcomes.sort_by_key(|outcome| *outcome == Amended::LastAdmin);
    assert_eq!(outcomes, [Amended::Done, Amended::LastAdmin]);
    assert_eq!(store.list_users(UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap().total, 1);
}

pub async fn workers_that_ask_at_once_get_different_messages(store: Arc<dyn Store>) {
    for id in 0..20 {
        let record = Record { events: Vec::new(), ..record(EventKind::Login, id) };
        store.record(None, record).await.unwrap();
    }
    let taking = Taking { kind: MessageKind::Mail, now: at(1), leased_until: at(60), limit: 4 };
    let mut taken = Vec::new();
    // Whoever finds a message in another's hands may get fewer than there are.
    for _ in 0..20 {
        let portions = together((0..4).map(|_| store.take_messages(taking))).await;
        for portion in portions.into_iter().map(Result::unwrap) {
            assert!(portion.len() <= 4, "{portion:?}");
            taken.extend(portion.into_iter().map(|message| (message.id.as_u128(), message.attempts)));
        }
    }
    taken.sort_unstable();
    assert_eq!(taken, (0..20).map(|id| (id, 1)).collect::<Vec<_>>());
}
