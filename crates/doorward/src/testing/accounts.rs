#![expect(clippy::unwrap_used, clippy::panic, reason = "a test suite: its failures are panics")]

//! The part of the contract that is about changing accounts and looking at sessions.

use std::sync::Arc;

use super::amending::{amend, no_record};
use super::contract::{
    START, WEEK, address, at, endings, logged_in, new_session, new_user, present, present_from, rotate, user,
};
use crate::account::{Account, Amended, Amendment, Erasure, Record, Revision, SessionChange};
use crate::audit::{Cause, EventKind, EventQuery, NewEvent};
use crate::origin::Origin;
use crate::outbox::{MessageKind, NewMessage};
use crate::password::PasswordHash;
use crate::revocation::EndingKind;
use crate::role::Role;
use crate::second_factor::SecondFactor;
use crate::session::EndReason;
use crate::store::{Rotation, SESSIONS_OF_AN_ACCOUNT, SessionOpening, Store, UserCreation, VerifiedLogin};
use crate::ticket::{Purpose, Ticket};
use crate::user::{CredentialVersion, NewUser, User};

fn ticket() -> Ticket {
    Ticket {
        purpose: Purpose::ChangeEmail,
        email: "new@example.com".to_owned(),
        secret_hash: [7; 32],
        code_hash: Some([8; 32]),
        wrong_codes: 2,
        expires_at: at(60).micros(),
        code_expires_at: at(30).micros(),
        session: None,
    }
}

pub async fn an_account_is_written_whole(store: Arc<dyn Store>) {
    let vouched = NewUser { email_verified_at: Some(at(3)), ..new_user("vouched@example.com") };
    let UserCreation::Created(vouched) = store.create_user(vouched, None, no_record()).await.unwrap() else { panic!() };
    assert_eq!(vouched.email_verified_at, Some(at(3)));
    let new = NewUser { full_name: Some("Ada".to_owned()), tickets: vec![ticket()], ..new_user("ada@example.com") };
    let UserCreation::Created(ada) = store.create_user(new, None, no_record()).await.unwrap() else { panic!() };
    let first = store.find_account(ada.id).await.unwrap().unwrap();
    assert_eq!((first.user.full_name.as_deref(), &first.tickets), (Some("Ada"), &vec![ticket()]));
    assert_eq!((first.version, first.revision, first.must_change_password), (CredentialVersion(1), Revision(1), false));
    let changed = Account {
        user: User {
            email: address("Ada@New.example.com"),
            full_name: None,
            role: Role::Admin,
            email_verified_at: Some(at(5)),
            ..ada.clone()
        },
        password_hash: PasswordHash::from_stored("second hash"),
        must_change_password: true,
        second_factor: Some(SecondFactor {
            sealed_secret: vec![1, 2, 3],
            last_step: 59_000_000,
            recovery_codes: vec![[9; 32], [10; 32]],
            enabled_at: at(5).micros(),
            recovery_codes_made_at: at(6).micros(),
        }),
        tickets: vec![],
        ..first.clone()
    };
    let (amended, stored) = amend(&*store, ada.id, at(5), |account| *account = changed.clone()).await.unwrap();
    assert_eq!(amended, Amended::Done);
    assert_eq!(stored, Account { version: CredentialVersion(2), revision: Revision(2), ..changed });
    assert_eq!(store.find_user(ada.id).await.unwrap(), Some(stored.user.clone()));
    let by_email = async |email| store.find_account_by_email(&address(email)).await.unwrap();
    assert_eq!(by_email("ada@new.example.com").await, Some(stored));
    assert_eq!(by_email("ada@example.com").await, None);
    assert_eq!(endings(&*store).await, [EndingKind::RoleChanged(ada.id, Role::Admin)]);
    // What is no credential makes no new version.
    let (_, renamed) = amend(&*store, ada.id, at(6), |account| account.user.full_name = None).await.unwrap();
    assert_eq!((renamed.version, renamed.revision), (CredentialVersion(2), Revision(3)));
}

pub async fn a_change_decided_on_what_no_longer_holds_is_not_made(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (_, token) = logged_in(&*store, ada.id, START).await;
    let before = store.find_account(ada.id).await.unwrap().unwrap();
    let renamed = |name: &str| {
        let user = User { full_name: Some(name.to_owned()), ..before.user.clone() };
        let event = NewEvent::new(EventKind::ProfileChanged, Origin::unknown(), at(1));
        Amendment::new(&before, Account { user, ..before.clone() }, at(1))
            .with_sessions(SessionChange::EndAllBut(None, EndReason::LogoutAll))
            .with_record(Record { events: vec![event], messages: Vec::new() })
    };
    assert_eq!(store.amend_account(renamed("first")).await.unwrap(), Amended::Done);
    let (_, token) = {
        let _ended = token;
        logged_in(&*store, ada.id, at(2)).await
    };
    assert_eq!(store.amend_account(renamed("second")).await.unwrap(), Amended::Stale);
    let erasure = Erasure { account: before.clone(), record: no_record(), now: at(3) };
    assert_eq!(store.erase_account(erasure).await.unwrap(), Amended::Stale);
    assert_eq!(store.find_user(ada.id).await.unwrap().unwrap().full_name.as_deref(), Some("first"));
    rotate(&*store, &token, at(4)).await;
    assert_eq!(endings(&*store).await.len(), 1);
    let query = EventQuery { user_id: None, kind: None, since: None, until: None, before: None, limit: 10 };
    assert_eq!(store.list_events(query).await.unwrap().len(), 1);
}

pub async fn an_address_is_not_taken_twice(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    user(&*store, "bob@example.com").await;
    let (_, token) = logged_in(&*store, ada.id, START).await;
    let before = store.find_account(ada.id).await.unwrap().unwrap();
    let user = User { email: address("BOB@example.com"), ..before.user.clone() };
    let amendment = Amendment::new(&before, Account { user, ..before.clone() }, at(1))
        .with_sessions(SessionChange::EndAllBut(None, EndReason::LogoutAll));
    assert_eq!(store.amend_account(amendment).await.unwrap(), Amended::AddressTaken);
    assert_eq!(store.find_account(ada.id).await.unwrap(), Some(before));
    rotate(&*store, &token, at(2)).await;
    // Its own in another spelling is no other's.
    let (amended, _) =
        amend(&*store, ada.id, at(3), |account| account.user.email = address("ADA@example.com")).await.unwrap();
    assert_eq!(amended, Amended::Done);
}

pub async fn an_erased_account_leaves_events_without_a_person(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let bob = user(&*store, "bob@example.com").await;
    let (session, token) = logged_in(&*store, ada.id, START).await;
    let (over, over_token) = logged_in(&*store, ada.id, START).await;
    store.end_session(over_token.handle(), EndReason::Logout, no_record(), at(1)).await.unwrap();
    let (_, bobs_token) = logged_in(&*store, bob.id, START).await;
    let origin =
        Origin::unknown().by(ada.id).with_address(Some([192, 0, 2, 9].into())).with_user_agent(Some("Firefox"));
    let event = NewEvent::new(EventKind::ProfileChanged, origin, at(1)).with("what", "name");
    let message =
        |id| NewMessage { id: uuid::Uuid::from_u128(id), kind: MessageKind::Mail, sealed: vec![1], created_at: at(1) };
    for (user, id) in [(ada.id, 1), (bob.id, 2)] {
        let record = Record { events: vec![event.clone()], messages: vec![message(id)] };
        store.record(Some(user), record).await.unwrap();
    }
    let by_bob = NewEvent::new(EventKind::ProfileChanged, origin.by(bob.id), at(1));
    let record = Record { events: vec![by_bob.clone()], messages: Vec::new() };
    store.record(Some(bob.id), record).await.unwrap();
    let account = store.find_account(ada.id).await.unwrap().unwrap();
    let farewell = NewEvent::new(EventKind::UserErased, origin, at(2));
    let record = Record { events: vec![farewell], messages: Vec::new() };
    let erasure = Erasure { account, record, now: at(2) };
    assert_eq!(store.erase_account(erasure.clone()).await.unwrap(), Amended::Done);
    assert_eq!(store.erase_account(erasure).await.unwrap(), Amended::Stale);
    assert_eq!(store.find_account(ada.id).await.unwrap(), None);
    assert_eq!(store.find_session(ada.id, session).await.unwrap(), None);
    assert!(matches!(present(&*store, &token, at(3), 0).await.0, Rotation::Invalid));
    let seen = endings(&*store).await;
    assert_eq!(
        seen,
        [EndingKind::Session(over), EndingKind::Session(session), EndingKind::Deactivated(ada.id)],
        "what was over has no second ending"
    );
    rotate(&*store, &bobs_token, at(3)).await;
    let events_of = async |id| {
        let query = EventQuery { user_id: Some(id), kind: None, since: None, until: None, before: None, limit: 10 };
        store.list_events(query).await.unwrap()
    };
    let hers = events_of(ada.id).await;
    assert_eq!(
        hers.iter().map(|event| event.what.kind).collect::<Vec<_>>(),
        [EventKind::UserErased, EventKind::ProfileChanged]
    );
    for event in hers {
        assert_eq!(event.what.cause, Cause { actor: origin.actor, ..Cause::default() });
        assert!(event.what.details.is_empty());
    }
    // What she did to him stays, but not where she was.
    let without_place = Cause { actor: origin.actor, ..Cause::default() };
    let his: Vec<_> = events_of(bob.id).await.into_iter().map(|event| event.what).collect();
    assert_eq!(his, [by_bob, NewEvent { cause: without_place, ..event }]);
    assert_eq!(store.outbox_statistics().await.unwrap().waiting, 1);
    // The address is free, the number is not given again.
    let again = user(&*store, "ada@example.com").await;
    assert!(again.id > bob.id);
}

pub async fn sessions_are_listed_and_ended(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let bob = user(&*store, "bob@example.com").await;
    let (phone, phone_token) = logged_in(&*store, ada.id, START).await;
    let (laptop, laptop_token) = logged_in(&*store, ada.id, at(1)).await;
    let (tablet, _) = logged_in(&*store, ada.id, at(2)).await;
    let (his, his_token) = logged_in(&*store, bob.id, START).await;
    rotate(&*store, &phone_token, at(10)).await;
    let ids = async |now| {
        let sessions = store.list_sessions(ada.id, now).await.unwrap();
        sessions.iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(at(11)).await, [phone, tablet, laptop]);
    assert_eq!(ids(at(1).plus(WEEK)).await, [phone, tablet]);
    let session = store.find_session(ada.id, laptop).await.unwrap().unwrap();
    assert_eq!((session.user_id, session.created_at, session.authenticated_at), (ada.id, at(1), at(1)));
    assert_eq!((session.device.as_deref(), session.address), (Some("Firefox on Linux"), Some([192, 0, 2, 7].into())));
    assert_eq!(store.find_session(bob.id, laptop).await.unwrap(), None);
    let change = async |sessions, now| {
        let before = store.find_account(ada.id).await.unwrap().unwrap();
        let amendment = Amendment::new(&before, before.clone(), now).with_sessions(sessions);
        assert_eq!(store.amend_account(amendment).await.unwrap(), Amended::Done);
    };
    change(SessionChange::Reauthenticated(laptop), at(20)).await;
    let proven = store.find_session(ada.id, laptop).await.unwrap().unwrap();
    assert_eq!((proven.authenticated_at, proven.issued_at), (at(20), at(1)));
    // Another person's session is not touched, whoever names it.
    change(SessionChange::Reauthenticated(his), at(20)).await;
    change(SessionChange::End(his, EndReason::Revoked), at(20)).await;
    assert_eq!(store.find_session(bob.id, his).await.unwrap().unwrap().authenticated_at, START);
    assert_eq!(endings(&*store).await, []);
    change(SessionChange::End(tablet, EndReason::Revoked), at(21)).await;
    assert_eq!(ids(at(22)).await, [phone, laptop]);
    change(SessionChange::EndAllBut(Some(laptop), EndReason::LogoutAll), at(23)).await;
    assert_eq!(ids(at(24)).await, [laptop]);
    assert_eq!(endings(&*store).await, [EndingKind::Session(tablet), EndingKind::Session(phone)]);
    rotate(&*store, &laptop_token, at(25)).await;
    rotate(&*store, &his_token, at(25)).await;
    // A login that began before a credential changed doesn't end after it.
    amend(&*store, ada.id, at(26), |account| account.password_hash = PasswordHash::from_stored("other")).await.unwrap();
    let login = VerifiedLogin { user_id: ada.id, version: CredentialVersion(1), upgraded_hash: None };
    let opening = store.open_session(login, new_session(at(27)).0, no_record()).await.unwrap();
    assert_eq!(opening, SessionOpening::CredentialChanged);
}

pub async fn past_a_hundred_sessions_the_one_unused_for_longest_ends(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let bob = user(&*store, "bob@example.com").await;
    logged_in(&*store, bob.id, START).await;
    let (used, used_token) = logged_in(&*store, ada.id, START).await;
    let (unused, unused_token) = logged_in(&*store, ada.id, at(1)).await;
    let (over, over_token) = logged_in(&*store, ada.id, at(2)).await;
    store.end_session(over_token.handle(), EndReason::Logout, no_record(), at(3)).await.unwrap();
    rotate(&*store, &used_token, at(4)).await;
    for _ in 2..SESSIONS_OF_AN_ACCOUNT {
        logged_in(&*store, ada.id, at(5)).await;
    }
    assert_eq!(endings(&*store).await, [EndingKind::Session(over)]);
    let (last, _) = logged_in(&*store, ada.id, at(5)).await;
    assert_eq!(endings(&*store).await, [EndingKind::Session(over), EndingKind::Session(unused)]);
    let living = store.list_sessions(ada.id, at(6)).await.unwrap();
    let lives = |id| living.iter().any(|session| session.id == id);
    assert_eq!((living.len(), lives(used), lives(last)), (SESSIONS_OF_AN_ACCOUNT, true, true));
    assert_eq!(store.list_sessions(bob.id, at(6)).await.unwrap().len(), 1);
    let (rotation, _) = present(&*store, &unused_token, at(6), 0).await;
    assert!(matches!(rotation, Rotation::Invalid), "{rotation:?}");
    // What has expired is no longer counted.
    logged_in(&*store, ada.id, at(6).plus(WEEK)).await;
    assert_eq!(endings(&*store).await.len(), 2);
}

pub async fn a_session_knows_where_it_was_used_last(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (id, token) = logged_in(&*store, ada.id, START).await;
    let before = store.find_session(ada.id, id).await.unwrap().unwrap();
    let mut token = token;
    let elsewhere = "2001:db8::9".parse().ok();
    // Who doesn't know where it came from leaves what was known.
    for (second, address, known) in
        [(1, elsewhere, elsewhere), (2, None, elsewhere), (3, before.address, before.address)]
    {
        let (rotation, successor) = present_from(&*store, &token, at(second), (0, address)).await;
        assert!(matches!(rotation, Rotation::Rotated { .. }), "{rotation:?}");
        let session = store.find_session(ada.id, id).await.unwrap().unwrap();
        assert_eq!((session.address, session.issued_at, session.current), (known, at(second), successor.hash()));
        assert_eq!(
            (session.expires_at, session.spent.map(|spent| spent.hash)),
            (at(second).plus(WEEK), Some(token.hash()))
        );
        assert_eq!((&session.device, session.created_at, session.authenticated_at), (&before.device, START, START));
        token = successor;
    }
    store.end_session(token.handle(), EndReason::Logout, no_record(), at(5)).await.unwrap();
    let ended = store.find_session(ada.id, id).await.unwrap().unwrap();
    assert_eq!(
        (ended.ended.map(|ended| (ended.at, ended.reason)), ended.address),
        (Some((at(5), EndReason::Logout)), before.address)
    );
}
