#![expect(clippy::unwrap_used, clippy::panic, reason = "a test suite: its failures are panics")]

//! The suite that every store must pass. A store's tests call [`store_contract!`](crate::store_contract):
//!
//! ```text
//! doorward::store_contract!(|| async { MyStore::open_fresh().await });
//! ```
//!
//! which makes a `#[test]` of every case here, each on a store of its own. `run` drives the future; give
//! a second argument where a runtime is needed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use super::accounts::{
    a_change_decided_on_what_no_longer_holds_is_not_made, a_session_knows_where_it_was_used_last,
    an_account_is_written_whole, an_address_is_not_taken_twice, an_erased_account_leaves_events_without_a_person,
    past_a_hundred_sessions_the_one_unused_for_longest_ends, sessions_are_listed_and_ended,
};
use super::amending::{amend, no_record, set_active, set_role};
pub use super::data_keys::{data_keys_are_replaced_by_who_has_read_them, second_factors_are_found};
pub use super::limits::{
    a_limit_gives_its_burst_and_then_its_rate, an_attempt_is_charged_to_all_keys_or_to_none,
    limits_that_remember_nothing_are_purged, the_familiar_are_charged_apart, waits_double_up_to_their_bound,
    what_is_given_back_was_never_charged,
};
pub use super::races::{
    administrators_who_remove_each_other_at_once_leave_one, of_changes_decided_on_the_same_account_one_is_made,
    workers_that_ask_at_once_get_different_messages,
};
pub use super::records::{
    a_message_goes_to_one_worker_until_it_is_settled, a_record_is_written_with_what_it_tells_of,
    abandoned_messages_forget_what_they_said, each_kind_of_message_is_taken_apart,
    events_are_listed_by_filter_and_page, old_events_are_purged_when_asked,
};
pub use super::rotating::{
    a_refresh_token_rotates_once, a_session_ends_once, a_spent_token_ends_its_session_and_no_other,
    an_expired_token_stays_expired_when_the_clock_goes_back, an_unknown_handle_ends_nothing,
    every_generation_of_a_spent_token_is_known, within_the_grace_window_the_same_successor_returns,
};
use crate::account::{Amended, Erasure, Record, Revision};
use crate::audit::{EventKind, NewEvent};
use crate::clock::Timestamp;
use crate::email::EmailAddress;
use crate::origin::Origin;
use crate::password::PasswordHash;
use crate::revocation::{EndingKind, EndingPosition};
use crate::role::Role;
use crate::session::{EndReason, NewSession, RefreshRules, RotationAttempt, SessionId};
use crate::store::{
    ENDINGS_AT_ONCE, PurgeBounds, Rotation, SessionOpening, Store, UserCreation, UserQuery, VerifiedLogin,
};
use crate::token::refresh::{RefreshToken, generate_refresh_token};
use crate::user::{CredentialVersion, NewUser, User, UserId};

/// Makes a test of every case of the contract. The argument makes a fresh, empty store; the second, when
/// given, is a function that runs a future to its end (default: one that needs no runtime).
#[macro_export]
macro_rules! store_contract {
    ($make:expr) => { $crate::store_contract!($make, $crate::testing::block_on); };
    ($make:expr, $run:expr) => {
        $crate::store_contract!(@cases $make, $run,
            an_address_makes_one_account,
            an_account_comes_with_its_first_session_or_without,
            a_login_opens_a_session_unless_something_changed,
            a_rehashed_password_is_kept_with_the_login,
            a_refresh_token_rotates_once,
            a_spent_token_ends_its_session_and_no_other,
            every_generation_of_a_spent_token_is_known,
            within_the_grace_window_the_same_successor_returns,
            an_expired_token_stays_expired_when_the_clock_goes_back,
            an_unknown_handle_ends_nothing,
            a_session_ends_once,
            deactivation_ends_everything_at_once,
            reactivation_revives_no_session,
            the_last_administrator_is_kept,
            a_new_role_is_recorded_when_it_is_new,
            users_are_listed_newest_first_by_page_and_filter,
            endings_are_read_from_a_position_on,
            endings_are_given_in_portions,
            a_position_that_was_never_given_is_told,
            the_endings_of_one_token_are_found,
            the_dead_are_purged_and_the_living_kept,
            an_account_is_written_whole,
            a_change_decided_on_what_no_longer_holds_is_not_made,
            an_address_is_not_taken_twice,
            an_erased_account_leaves_events_without_a_person,
            sessions_are_listed_and_ended,
            past_a_hundred_sessions_the_one_unused_for_longest_ends,
            a_session_knows_where_it_was_used_last,
            a_record_is_written_with_what_it_tells_of,
            events_are_listed_by_filter_and_page,
            old_events_are_purged_when_asked,
            a_message_goes_to_one_worker_until_it_is_settled,
            each_kind_of_message_is_taken_apart,
            abandoned_messages_forget_what_they_said,
            of_changes_decided_on_the_same_account_one_is_made,
            administrators_who_remove_each_other_at_once_leave_one,
            workers_that_ask_at_once_get_different_messages,
            a_closed_store_refuses,
            a_limit_gives_its_burst_and_then_its_rate,
            waits_double_up_to_their_bound,
            an_attempt_is_charged_to_all_keys_or_to_none,
            what_is_given_back_was_never_charged,
            the_familiar_are_charged_apart,
            limits_that_remember_nothing_are_purged,
            data_keys_are_replaced_by_who_has_read_them,
            second_factors_are_found,
        );
    };
    (@cases $make:expr, $run:expr, $($case:ident),* $(,)?) => {
        $(#[test] fn $case() { $run(async { $crate::testing::contract::$case(($make)().await).await }) })*
    };
}

pub(super) const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(super) const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const ALL_USERS: UserQuery = UserQuery { role: None, is_active: None, email_prefix: None, offset: 0, limit: 100 };

pub(super) fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

pub(super) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub(super) fn new_user(email: &str) -> NewUser {
    NewUser {
        email: address(email),
        password_hash: PasswordHash::from_stored("first hash"),
        full_name: None,
        role: Role::User,
        email_verified_at: None,
        tickets: Vec::new(),
        created_at: START,
    }
}

pub(super) fn new_session(now: Timestamp) -> (NewSession, RefreshToken) {
    let token = generate_refresh_token().unwrap();
    let session = NewSession {
        id: SessionId::generate().unwrap(),
        handle: token.handle(),
        current: token.hash(),
        created_at: now,
        expires_at: now.plus(WEEK),
        device: Some("Firefox on Linux".to_owned()),
        address: Some([192, 0, 2, 7].into()),
    };
    (session, token)
}

pub(super) async fn user(store: &dyn Store, email: &str) -> User {
    match store.create_user(new_user(email), None, no_record()).await.unwrap() {
        UserCreation::Created(user) => user,
        UserCreation::AddressTaken => panic!("{email} is taken"),
    }
}

pub(super) async fn logged_in(store: &dyn Store, user_id: UserId, now: Timestamp) -> (SessionId, RefreshToken) {
    let (session, token) = new_session(now);
    let id = session.id;
    let login = VerifiedLogin { user_id, version: CredentialVersion(1), upgraded_hash: None };
    assert_eq!(store.open_session(login, session, no_record()).await.unwrap(), SessionOpening::Opened(Role::User));
    (id, token)
}

pub(super) async fn present(
    store: &dyn Store,
    token: &RefreshToken,
    now: Timestamp,
    grace: u64,
) -> (Rotation, RefreshToken) {
    present_from(store, token, now, (grace, None)).await
}

pub(super) async fn present_from(
    store: &dyn Store,
    token: &RefreshToken,
    now: Timestamp,
    (grace, address): (u64, Option<IpAddr>),
) -> (Rotation, RefreshToken) {
    let successor = token.successor().unwrap();
    let attempt = RotationAttempt {
        handle: token.handle(),
        presented: token.hash(),
        successor: successor.hash(),
        sealed_successor: (grace > 0).then(|| token.seal(&successor)),
        now,
        address,
        on_reuse: reuse_record(now),
        rules: RefreshRules { lifetime: WEEK, reuse_grace: Duration::from_secs(grace), ..RefreshRules::default() },
    };
    (store.rotate_session(attempt).await.unwrap(), successor)
}

fn reuse_record(now: Timestamp) -> Record {
    Record { events: vec![NewEvent::new(EventKind::RefreshTokenReuse, Origin::unknown(), now)], messages: Vec::new() }
}

pub(super) async fn rotate(store: &dyn Store, token: &RefreshToken, now: Timestamp) -> RefreshToken {
    let (rotation, successor) = present(store, token, now, 0).await;
    assert!(matches!(rotation, Rotation::Rotated { .. }), "{rotation:?}");
    successor
}

pub(super) async fn endings(store: &dyn Store) -> Vec<EndingKind> {
    let (endings, _) = store.endings_after(EndingPosition::default()).await.unwrap();
    endings.into_iter().map(|ending| ending.what).collect()
}

pub async fn an_address_makes_one_account(store: Arc<dyn Store>) {
    let ada = user(&*store, "Ada@Example.com").await;
    assert_eq!((ada.email.as_str(), ada.role, ada.is_active), ("Ada@example.com", Role::User, true));
    assert_eq!((ada.created_at, ada.full_name.as_deref()), (START, None));
    let again = store.create_user(new_user("ada@example.COM"), Some(new_session(START).0), no_record()).await.unwrap();
    assert!(matches!(again, UserCreation::AddressTaken));
    let bob = user(&*store, "bob@example.com").await;
    assert!(bob.id > ada.id);
    assert_eq!(store.find_user(ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.find_user(UserId::new(i64::MAX).unwrap()).await.unwrap(), None);
    let account = store.find_account_by_email(&address("aDa@example.com")).await.unwrap().unwrap();
    assert_eq!((account.user, account.password_hash.as_str()), (ada, "first hash"));
    assert!(store.find_account_by_email(&address("eve@example.com")).await.unwrap().is_none());
}

pub async fn an_account_comes_with_its_first_session_or_without(store: Arc<dyn Store>) {
    let (session, token) = new_session(START);
    let created = store.create_user(new_user("ada@example.com"), Some(session.clone()), no_record()).await.unwrap();
    let UserCreation::Created(ada) = created else { panic!("{created:?}") };
    let (rotation, _) = present(&*store, &token, at(1), 0).await;
    let Rotation::Rotated { session: id, user_id, role } = rotation else { panic!("{rotation:?}") };
    assert_eq!((id, user_id, role), (session.id, ada.id, Role::User));
    // A refused registration leaves no session behind.
    let (stray, stray_token) = new_session(START);
    store.create_user(new_user("ada@example.com"), Some(stray), no_record()).await.unwrap();
    assert!(matches!(present(&*store, &stray_token, at(1), 0).await.0, Rotation::Invalid));
}

pub async fn a_login_opens_a_session_unless_something_changed(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let try_with = async |user_id, version| {
        let login = VerifiedLogin { user_id, version: CredentialVersion(version), upgraded_hash: None };
        store.open_session(login, new_session(START).0, no_record()).await.unwrap()
    };
    assert_eq!(try_with(ada.id, 1).await, SessionOpening::Opened(Role::User));
    assert_eq!(try_with(ada.id, 2).await, SessionOpening::CredentialChanged);
    assert_eq!(try_with(UserId::new(999).unwrap(), 1).await, SessionOpening::CredentialChanged);
    set_active(&*store, ada.id, false, START).await.unwrap();
    assert_eq!(try_with(ada.id, 1).await, SessionOpening::UserInactive);
}

pub async fn a_rehashed_password_is_kept_with_the_login(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let upgrade = |version| VerifiedLogin {
        user_id: ada.id,
        version: CredentialVersion(version),
        upgraded_hash: Some(PasswordHash::from_stored("stronger hash")),
    };
    let stored = async || store.find_account_by_email(&ada.email).await.unwrap().unwrap();
    store.open_session(upgrade(7), new_session(START).0, no_record()).await.unwrap();
    assert_eq!(stored().await.password_hash.as_str(), "first hash");
    store.open_session(upgrade(1), new_session(START).0, no_record()).await.unwrap();
    let account = stored().await;
    assert_eq!((account.password_hash.as_str(), account.version), ("stronger hash", CredentialVersion(1)));
    // It is the same password: nothing that was decided meanwhile is wrong for it.
    assert_eq!(account.revision, Revision(1));
}

pub async fn deactivation_ends_everything_at_once(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let bob = user(&*store, "bob@example.com").await;
    let (phone, phone_token) = logged_in(&*store, ada.id, START).await;
    let (laptop, _) = logged_in(&*store, ada.id, START).await;
    let (_, bob_token) = logged_in(&*store, bob.id, START).await;
    for _ in 0..2 {
        let user = set_active(&*store, ada.id, false, at(1)).await.unwrap();
        assert!(!user.is_active && user.id == ada.id);
    }
    assert!(matches!(present(&*store, &phone_token, at(2), 0).await.0, Rotation::UserInactive));
    let seen = endings(&*store).await;
    assert_eq!(seen.len(), 3, "{seen:?}");
    for expected in [EndingKind::Session(phone), EndingKind::Session(laptop), EndingKind::Deactivated(ada.id)] {
        assert!(seen.contains(&expected), "{seen:?}");
    }
    rotate(&*store, &bob_token, at(2)).await;
    assert!(set_active(&*store, UserId::new(999).unwrap(), false, at(1)).await.is_none());
}

pub async fn reactivation_revives_no_session(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (_, token) = logged_in(&*store, ada.id, START).await;
    set_active(&*store, ada.id, false, at(1)).await.unwrap();
    for _ in 0..2 {
        let user = set_active(&*store, ada.id, true, at(2)).await.unwrap();
        assert!(user.is_active);
    }
    assert!(matches!(present(&*store, &token, at(3), 0).await.0, Rotation::Invalid));
    assert_eq!(endings(&*store).await.last(), Some(&EndingKind::Reactivated(ada.id)));
    assert_eq!(endings(&*store).await.len(), 3);
    logged_in(&*store, ada.id, at(4)).await;
}

pub async fn the_last_administrator_is_kept(store: Arc<dyn Store>) {
    let admin = async |email| {
        let new = NewUser { role: Role::Admin, ..new_user(email) };
        let UserCreation::Created(user) = store.create_user(new, None, no_record()).await.unwrap() else { panic!() };
        user
    };
    let root = admin("root@example.com").await;
    user(&*store, "ada@example.com").await;
    let demote = async |id| amend(&*store, id, at(1), |account| account.user.role = Role::User).await.unwrap();
    let switch_off = async |id| amend(&*store, id, at(1), |account| account.user.is_active = false).await.unwrap();
    let (refused, stays) = demote(root.id).await;
    assert_eq!((refused, stays.user.role), (Amended::LastAdmin, Role::Admin));
    assert_eq!(switch_off(root.id).await.0, Amended::LastAdmin);
    let account = store.find_account(root.id).await.unwrap().unwrap();
    let erasure = Erasure { account, record: no_record(), now: at(1) };
    assert_eq!(store.erase_account(erasure.clone()).await.unwrap(), Amended::LastAdmin);
    assert_eq!(endings(&*store).await, []);
    let other = admin("other@example.com").await;
    assert_eq!(switch_off(other.id).await.0, Amended::Done);
    // A deactivated administrator is none who could act.
    assert_eq!(demote(root.id).await.0, Amended::LastAdmin);
    amend(&*store, other.id, at(2), |account| account.user.is_active = true).await.unwrap();
    assert_eq!(store.erase_account(erasure).await.unwrap(), Amended::Done);
    assert_eq!(demote(other.id).await.0, Amended::LastAdmin);
}

pub async fn a_new_role_is_recorded_when_it_is_new(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (_, token) = logged_in(&*store, ada.id, START).await;
    for _ in 0..2 {
        let user = set_role(&*store, ada.id, Role::Admin, at(1)).await.unwrap();
        assert_eq!(user.role, Role::Admin);
    }
    assert_eq!(endings(&*store).await, [EndingKind::RoleChanged(ada.id, Role::Admin)]);
    let (rotation, _) = present(&*store, &token, at(2), 0).await;
    assert!(matches!(rotation, Rotation::Rotated { role: Role::Admin, .. }), "{rotation:?}");
    assert!(set_role(&*store, UserId::new(999).unwrap(), Role::Admin, at(1)).await.is_none());
}

pub async fn users_are_listed_newest_first_by_page_and_filter(store: Arc<dyn Store>) {
    let mut ids = Vec::new();
    for index in 0..5 {
        ids.push(user(&*store, &format!("user{index}@example.com")).await.id);
    }
    set_role(&*store, ids[1], Role::Admin, START).await.unwrap();
    set_active(&*store, ids[3], false, START).await.unwrap();
    let list = async |query| {
        let page = store.list_users(query).await.unwrap();
        (page.users.iter().map(|user| user.id).collect::<Vec<_>>(), page.total)
    };
    let newest_first: Vec<_> = ids.iter().rev().copied().collect();
    assert_eq!(list(ALL_USERS).await, (newest_first.clone(), 5));
    assert_eq!(list(UserQuery { offset: 1, limit: 2, ..ALL_USERS }).await, (newest_first[1..3].to_vec(), 5));
    assert_eq!(list(UserQuery { offset: u64::MAX, ..ALL_USERS }).await, (vec![], 5));
    assert_eq!(list(UserQuery { role: Some(Role::Admin), ..ALL_USERS }).await, (vec![ids[1]], 1));
    assert_eq!(list(UserQuery { is_active: Some(false), ..ALL_USERS }).await, (vec![ids[3]], 1));
    let beginning = async |prefix: &str| list(UserQuery { email_prefix: Some(prefix.to_owned()), ..ALL_USERS }).await;
    assert_eq!(beginning("user").await, (newest_first.clone(), 5));
    assert_eq!(beginning("user3@").await, (vec![ids[3]], 1));
    // Nothing in it means anything but itself.
    for prefix in ["User3", "user%", "user_", "er3", "user3@example.com.", "\u{10ffff}"] {
        assert_eq!(beginning(prefix).await, (vec![], 0), "{prefix}");
    }
    assert_eq!(list(UserQuery { role: Some(Role::Admin), is_active: Some(false), ..ALL_USERS }).await, (vec![], 0));
}

pub async fn endings_are_read_from_a_position_on(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let (none, start) = store.endings_after(EndingPosition::default()).await.unwrap();
    assert!(none.is_empty());
    let (phone, token) = logged_in(&*store, ada.id, START).await;
    store.end_session(token.handle(), EndReason::Logout, no_record(), at(1)).await.unwrap();
    let (first, middle) = store.endings_after(start).await.unwrap();
    assert_eq!((first.len(), first[0].what, first[0].at), (1, EndingKind::Session(phone), at(1)));
    set_role(&*store, ada.id, Role::Admin, at(2)).await.unwrap();
    let (second, end) = store.endings_after(middle).await.unwrap();
    assert_eq!((second.len(), second[0].what), (1, EndingKind::RoleChanged(ada.id, Role::Admin)));
    assert!(second[0].position > first[0].position);
    assert_eq!(store.endings_after(end).await.unwrap(), (vec![], end));
}

/// A reader that has come further than the store ever was has read of another.
pub async fn a_position_that_was_never_given_is_told(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let far = EndingPosition(1_000_000);
    assert_eq!(store.endings_after(far).await.unwrap(), (vec![], EndingPosition::default()));
    set_role(&*store, ada.id, Role::Admin, at(1)).await.unwrap();
    let (_, end) = store.endings_after(EndingPosition::default()).await.unwrap();
    assert_eq!(store.endings_after(far).await.unwrap(), (vec![], end));
    // What is removed makes no position of those who have read it a wrong one.
    let bounds = PurgeBounds {
        sessions_before: at(0),
        endings_before: at(100),
        events_before: None,
        messages_before: at(0),
        limit: 100,
    };
    while store.purge(bounds).await.unwrap() > 0 {}
    assert_eq!(store.endings_after(end).await.unwrap(), (vec![], end));
}

pub async fn endings_are_given_in_portions(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    // Each change of role is an ending. Somebody else stays an administrator meanwhile.
    let root = NewUser { role: Role::Admin, ..new_user("root@example.com") };
    store.create_user(root, None, no_record()).await.unwrap();
    let last = ENDINGS_AT_ONCE as u64 + 1;
    for turn in 1..=last {
        let role = if turn % 2 == 0 { Role::User } else { Role::Admin };
        set_role(&*store, ada.id, role, at(turn)).await.unwrap();
    }
    let (first, middle) = store.endings_after(EndingPosition::default()).await.unwrap();
    assert_eq!((first.len(), first[0].at), (ENDINGS_AT_ONCE, at(1)));
    let (second, end) = store.endings_after(middle).await.unwrap();
    assert_eq!((second.len(), second[0].at), (1, at(last)));
    assert!(store.endings_after(end).await.unwrap().0.is_empty());
}

pub async fn the_endings_of_one_token_are_found(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let bob = user(&*store, "bob@example.com").await;
    let (first, token) = logged_in(&*store, ada.id, START).await;
    let (second, _) = logged_in(&*store, ada.id, START).await;
    logged_in(&*store, bob.id, START).await;
    assert!(store.endings_of(ada.id, Some(first)).await.unwrap().is_empty());
    store.end_session(token.handle(), EndReason::Logout, no_record(), at(1)).await.unwrap();
    set_active(&*store, ada.id, false, at(2)).await.unwrap();
    set_active(&*store, bob.id, false, at(3)).await.unwrap();
    set_active(&*store, ada.id, true, at(4)).await.unwrap();
    set_role(&*store, ada.id, Role::Admin, at(5)).await.unwrap();
    let of = async |session| {
        let endings = store.endings_of(ada.id, session).await.unwrap();
        assert!(endings.is_sorted_by_key(|ending| ending.position), "{endings:?}");
        endings.iter().map(|ending| (ending.at, ending.what)).collect::<Vec<_>>()
    };
    let hers = [
        (at(2), EndingKind::Deactivated(ada.id)),
        (at(4), EndingKind::Reactivated(ada.id)),
        (at(5), EndingKind::RoleChanged(ada.id, Role::Admin)),
    ];
    assert_eq!(of(None).await, hers);
    assert_eq!(of(Some(first)).await, [&[(at(1), EndingKind::Session(first))], &hers[..]].concat());
    let with_second = of(Some(second)).await;
    assert_eq!(with_second.len(), 4);
    assert!(with_second.contains(&(at(2), EndingKind::Session(second))), "{with_second:?}");
}

pub async fn the_dead_are_purged_and_the_living_kept(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    let mut old = Vec::new();
    for _ in 0..5 {
        old.push(logged_in(&*store, ada.id, START).await.1);
    }
    let (_, living) = logged_in(&*store, ada.id, at(100)).await;
    store.end_session(old[0].handle(), EndReason::Logout, no_record(), at(1)).await.unwrap();
    store.end_session(old[1].handle(), EndReason::Logout, no_record(), at(50)).await.unwrap();
    let before = at(50).plus(WEEK);
    let purge = async |sessions_before, endings_before, limit| {
        let (events_before, messages_before) = (None, START);
        let bounds = PurgeBounds { sessions_before, endings_before, events_before, messages_before, limit };
        store.purge(bounds).await.unwrap()
    };
    assert_eq!(purge(START, START, 100).await, 0);
    assert_eq!(purge(before, START, 3).await, 3);
    assert_eq!(purge(before, at(10), 100).await, 3);
    assert_eq!(purge(before, at(10), 100).await, 0);
    assert_eq!(endings(&*store).await.len(), 1);
    for token in &old {
        assert!(matches!(present(&*store, token, at(60), 0).await.0, Rotation::Invalid));
    }
    rotate(&*store, &living, at(101)).await;
}

pub async fn a_closed_store_refuses(store: Arc<dyn Store>) {
    let ada = user(&*store, "ada@example.com").await;
    store.check().await.unwrap();
    store.close().await;
    store.close().await;
    assert!(store.check().await.is_err());
    assert!(store.find_user(ada.id).await.is_err());
    assert!(store.create_user(new_user("bob@example.com"), None, no_record()).await.is_err());
    assert!(store.list_users(ALL_USERS).await.is_err());
}
