//! The writing thread: batches, crowds, the end.

use std::sync::Barrier;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use doorward::Role;
use doorward::account::{Account, Amended, Amendment, Revision};
use doorward::password::PasswordHash;
use doorward::store::{Rotation, SessionOpening, UserCreation, VerifiedLogin};
use doorward::testing::amending::{amend, no_record};
use doorward::user::{CredentialVersion, NewUser, User};
use doorward::{Store, StoreError};
use pollster::block_on;

use crate::story::{
    Folder, address, at, attempt, begin, begin_waiting, is_unavailable, new_session, new_user, patient, present,
    register,
};

#[test]
fn what_waits_is_committed_together() {
    let folder = Folder::new();
    let store = folder.open_with(patient());
    let occupied = folder.occupied();
    let waiting: Vec<_> =
        (0..100).map(|name| begin_waiting(store.create_user(new_user(name), None, no_record()))).collect();
    drop(occupied);
    for creation in waiting {
        assert!(matches!(block_on(creation).unwrap(), UserCreation::Created(_)));
    }
    let done = store.statistics();
    assert_eq!(done.operations, 100);
    assert!(done.batches <= 2, "{done:?}");
}

#[test]
fn one_bad_operation_fails_alone() {
    let folder = Folder::new();
    let store = folder.open_with(patient());
    let (ada, _) = register(&store, "ada");
    let login = VerifiedLogin { user_id: ada.id, version: CredentialVersion(1), upgraded_hash: None };
    let occupied = folder.occupied();
    let (session, _) = new_session();
    let good = begin_waiting(store.open_session(login.clone(), session.clone(), no_record()));
    let same_handle = begin_waiting(store.open_session(login, session, no_record()));
    let bob = begin_waiting(store.create_user(new_user("bob"), None, no_record()));
    drop(occupied);
    assert_eq!(block_on(good).unwrap(), SessionOpening::Opened(ada.role));
    assert!(is_unavailable(&block_on(same_handle)));
    assert!(matches!(block_on(bob).unwrap(), UserCreation::Created(_)));
}

#[test]
fn a_failed_registration_leaves_nothing_behind() {
    let folder = Folder::new();
    let store = folder.open();
    let (session, _) = new_session();
    block_on(store.create_user(new_user("ada"), Some(session.clone()), no_record())).unwrap();
    assert!(is_unavailable(&block_on(store.create_user(new_user("bob"), Some(session), no_record()))));
    assert!(block_on(store.find_account_by_email(&address("bob"))).unwrap().is_none());
}

#[test]
fn a_full_queue_refuses_and_recovers() {
    let folder = Folder::new();
    let store = folder.open_with(patient());
    let occupied = folder.occupied();
    let mut waiting = Vec::new();
    let refused = (0..10_000).find_map(|name| match begin(store.create_user(new_user(name), None, no_record())) {
        (_, Poll::Ready(refused)) => Some(refused),
        (creation, Poll::Pending) => {
            waiting.push(creation);
            None
        }
    });
    assert!(matches!(refused, Some(Err(StoreError::Overloaded))), "{refused:?}");
    assert!(waiting.len() >= 4096);
    drop(occupied);
    for creation in waiting {
        assert!(matches!(block_on(creation).unwrap(), UserCreation::Created(_)));
    }
    register(&store, "late");
}

#[test]
fn a_crowd_with_one_refresh_token_gets_one_successor_and_ends_the_session() {
    let folder = Folder::new();
    let store = folder.open();
    let (_, token) = register(&store, "ada");
    let rotations = all_at_once(50, |_| present(&store, &token, at(1)));
    let count = |matches: fn(&Rotation) -> bool| rotations.iter().filter(|(rotation, _)| matches(rotation)).count();
    assert_eq!(count(|rotation| matches!(rotation, Rotation::Rotated { .. })), 1);
    assert_eq!(count(|rotation| matches!(rotation, Rotation::Reused { .. })), 1);
    assert_eq!(count(|rotation| matches!(rotation, Rotation::Invalid)), 48);
    for (_, successor) in &rotations {
        assert!(matches!(present(&store, successor, at(2)).0, Rotation::Invalid));
    }
}

#[test]
fn a_crowd_with_one_address_gets_one_account() {
    let folder = Folder::new();
    let store = folder.open();
    let creations =
        all_at_once(50, |_| block_on(store.create_user(new_user("ada"), Some(new_session().0), no_record())).unwrap());
    let created = creations.iter().filter(|creation| matches!(creation, UserCreation::Created(_))).count();
    assert_eq!(created, 1);
    let sessions: i64 = folder.connection().query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).unwrap();
    assert_eq!(sessions, 1);
}

#[test]
fn a_crowd_with_changes_of_one_account_makes_one() {
    let folder = Folder::new();
    // The command line beside the server, say.
    let stores = [folder.open_with(patient()), folder.open_with(patient())];
    let (ada, _) = register(&stores[0], "ada");
    let before = block_on(stores[0].find_account(ada.id)).unwrap().unwrap();
    let outcomes = all_at_once(32, |index| {
        let user = User { full_name: Some(format!("Ada {index}")), ..before.user.clone() };
        let amendment = Amendment::new(&before, Account { user, ..before.clone() }, at(1));
        block_on(stores[index % 2].amend_account(amendment)).unwrap()
    });
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Amended::Done).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Amended::Stale).count(), 31, "{outcomes:?}");
    let made = outcomes.iter().position(|outcome| *outcome == Amended::Done).unwrap();
    let after = block_on(stores[0].find_account(ada.id)).unwrap().unwrap();
    assert_eq!((after.user.full_name, after.revision), (Some(format!("Ada {made}")), Revision(2)));
}

#[test]
fn administrators_of_two_processes_cannot_remove_each_other_at_once() {
    let folder = Folder::new();
    let stores = [folder.open_with(patient()), folder.open_with(patient())];
    let ids = ["root", "other"].map(|name| register(&stores[0], name).0.id);
    for round in 0..20 {
        let admins = ids.map(|id| {
            let promote = |account: &mut Account| account.user.role = Role::Admin;
            block_on(amend(&stores[0], id, at(round), promote)).unwrap().1
        });
        let mut outcomes = all_at_once(2, |index| {
            let user = User { role: Role::User, ..admins[index].user.clone() };
            let amendment = Amendment::new(&admins[index], Account { user, ..admins[index].clone() }, at(round));
            block_on(stores[index].amend_account(amendment)).unwrap()
        });
        outcomes.sort_by_key(|outcome| *outcome == Amended::LastAdmin);
        assert_eq!(outcomes, [Amended::Done, Amended::LastAdmin], "round {round}");
    }
}

#[test]
fn ten_thousand_refreshes_leave_one_row_a_session_and_a_small_file() {
    let folder = Folder::new();
    let store = folder.open();
    let mut tokens: Vec<_> = (0..50).map(|name| register(&store, name).1).collect();
    for second in 1..=200 {
        let begun: Vec<_> = tokens
            .iter()
            .map(|token| attempt(token, at(second)))
            .map(|(attempt, successor)| (begin(store.rotate_session(attempt)), successor))
            .collect();
        tokens = begun
            .into_iter()
            .map(|((waiting, progress), successor)| {
                // The writer may have been quicker than this thread.
                let rotation = match progress {
                    Poll::Ready(done) => done,
                    Poll::Pending => block_on(waiting),
                };
                assert!(matches!(rotation.unwrap(), Rotation::Rotated { .. }));
                successor
            })
            .collect();
    }
    block_on(store.close());
    drop(store);

    let rows = |table| {
        let count = format!("SELECT count(*) FROM {table}");
        folder.connection().query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((rows("users"), rows("sessions"), rows("endings")), (50, 50, 0));
    assert!(folder.path().metadata().unwrap().len() < 256 * 1024);
    let store = folder.open();
    for token in &tokens {
        assert!(matches!(present(&store, token, at(201)).0, Rotation::Rotated { .. }));
    }
}

#[test]
fn the_log_shrinks_after_a_burst() {
    let folder = Folder::new();
    let store = folder.open();
    let log = folder.path().with_extension("db-wal");
    // A reader that stays keeps the log from being reused: it grows far past its limit.
    let reader = folder.connection();
    reader.execute_batch("BEGIN; SELECT count(*) FROM users").unwrap();
    for round in 0..12 {
        let begun: Vec<_> = (0..200)
            .map(|index| begin(store.create_user(large_user(round * 200 + index), None, no_record())))
            .collect();
        for (creation, progress) in begun {
            if progress.is_pending() {
                block_on(creation).unwrap();
            }
        }
    }
    assert!(log.metadata().unwrap().len() > 9 * 1024 * 1024, "{}", log.metadata().unwrap().len());
    drop(reader);
    // Another thread moves the log, and the commit that finds it moved begins it anew.
    let is_short = |index: &usize| {
        register(&store, format!("late{index}"));
        log.metadata().unwrap().len() <= 8 * 1024 * 1024
    };
    assert!((0..2_000).find(is_short).is_some(), "{}", log.metadata().unwrap().len());
}

#[test]
fn closing_finishes_what_was_accepted() {
    let folder = Folder::new();
    let store = folder.open_with(patient());
    let occupied = folder.occupied();
    let accepted: Vec<_> =
        (0..20).map(|name| begin_waiting(store.create_user(new_user(name), None, no_record()))).collect();
    let closing = begin_waiting(store.close());
    drop(occupied);
    block_on(closing);
    for creation in accepted {
        assert!(matches!(begin(creation).1, Poll::Ready(Ok(UserCreation::Created(_)))));
    }
    assert!(is_unavailable(&block_on(store.check())));
    assert!(is_unavailable(&block_on(store.find_account_by_email(&address(1)))));
    assert!(!folder.path().with_extension("db-wal").exists());
    assert!(block_on(folder.open().find_account_by_email(&address(19))).unwrap().is_some());
}

#[test]
fn a_dropped_store_lets_go_of_the_database() {
    let folder = Folder::new();
    let store = folder.open();
    register(&store, "ada");
    drop(store);
    // The last connection to go removes the log.
    let log = folder.path().with_extension("db-wal");
    assert!((0..1000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        !log.exists()
    }));
}

fn all_at_once<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    let act = |index| {
        barrier.wait();
        act(index)
    };
    thread::scope(|scope| {
        let act = &act;
        let threads: Vec<_> = (0..count).map(|index| scope.spawn(move || act(index))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn large_user(name: u32) -> NewUser {
    NewUser { password_hash: PasswordHash::from_stored("x".repeat(4000)), ..new_user(name) }
}
