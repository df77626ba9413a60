//! Files that are occupied, full, moved, damaged, read-only or somebody else's.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::thread;
use std::time::Duration;

use doorward::Store;
use doorward::revocation::EndingPosition;
use doorward::store::{PurgeBounds, Rotation, UserQuery};
use doorward::testing::amending::no_record;
use doorward_sqlite::{OpenError, OpenErrorReason, SqliteOptions, SqliteStore};
use nix::unistd::{Uid, geteuid, setfsuid};
use pollster::block_on;

use crate::story::{Folder, address, at, attempt, is_unavailable, new_session, new_user, present, register};

const ALL_USERS: UserQuery = UserQuery { role: None, is_active: None, email_prefix: None, offset: 0, limit: 100 };

#[test]
fn only_the_owner_can_read_what_is_made() {
    let folder = Folder::new();
    let store = folder.open();
    register(&store, "ada");
    for extension in ["db", "db-wal", "db-shm"] {
        let mode = folder.path().with_extension(extension).metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{extension}");
    }
}

#[test]
fn an_occupied_database_is_unavailable_while_it_lasts() {
    let folder = Folder::new();
    let impatient = SqliteOptions { busy_timeout: Duration::from_millis(20), ..SqliteOptions::default() };
    let store = folder.open_with(impatient);
    let (ada, token) = register(&store, "ada");
    let occupied = folder.occupied();
    assert!(is_unavailable(&block_on(store.create_user(new_user("bob"), None, no_record()))));
    assert!(is_unavailable(&block_on(store.check())));
    assert_eq!(block_on(store.find_user(ada.id)).unwrap(), Some(ada));
    assert_eq!(block_on(store.list_users(ALL_USERS)).unwrap().total, 1);
    drop(occupied);
    block_on(store.check()).unwrap();
    assert!(matches!(present(&store, &token, at(1)).0, Rotation::Rotated { .. }));
    register(&store, "bob");
}

#[test]
fn a_full_disk_loses_nothing_and_purging_helps() {
    let folder = Folder::new();
    let small = SqliteOptions { max_page_count: Some(40), ..SqliteOptions::default() };
    let store = folder.open_with(small);
    let (ada, token) = register(&store, "ada");
    let (_, token) = present(&store, &token, at(1));
    let (mut made, mut refused) = (vec![], vec![]);
    for name in 0.. {
        match block_on(store.create_user(new_user(name), Some(new_session().0), no_record())) {
            Ok(_) => made.push(name),
            result => {
                assert!(is_unavailable(&result), "{result:?}");
                refused.push(name);
            }
        }
        if !refused.is_empty() && block_on(store.check()).is_err() {
            break;
        }
    }
    assert!(made.len() > 100, "{made:?}");
    assert!(is_unavailable(&block_on(store.check())));
    assert_eq!(block_on(store.list_users(ALL_USERS)).unwrap().total, made.len() as u64 + 1);
    assert_eq!(block_on(store.find_user(ada.id)).unwrap(), Some(ada));
    assert!(block_on(store.find_account_by_email(&address(refused[0]))).unwrap().is_none());
    // A rotation rewrites its row and needs no room.
    let (rotation, successor) = present(&store, &token, at(7 * 24 * 60 * 60));
    assert!(matches!(rotation, Rotation::Rotated { .. }), "{rotation:?}");

    let week_later = at(7 * 24 * 60 * 60 + 1);
    let bounds = PurgeBounds {
        sessions_before: week_later,
        endings_before: at(0),
        events_before: None,
        messages_before: at(0),
        limit: 10_000,
    };
    assert_eq!(block_on(store.purge(bounds)).unwrap(), made.len() as u64);
    block_on(store.check()).unwrap();
    register(&store, "bob");
    assert!(matches!(present(&store, &successor, week_later).0, Rotation::Rotated { .. }));
}

/// Whether their file is still there, readers look every 20 ms; who writes looks every time.
fn wait_until_readers_look_again() {
    std::thread::sleep(std::time::Duration::from_millis(25));
}

#[test]
fn a_database_moved_away_is_unavailable_until_it_is_back() {
    let folder = Folder::new();
    let store = folder.open();
    let (ada, token) = register(&store, "ada");
    let elsewhere = folder.path().with_extension("elsewhere");
    fs::rename(folder.path(), &elsewhere).unwrap();
    wait_until_readers_look_again();
    assert!(is_unavailable(&block_on(store.create_user(new_user("bob"), None, no_record()))));
    assert!(is_unavailable(&block_on(store.find_user(ada.id))));
    assert!(is_unavailable(&block_on(store.list_users(ALL_USERS))));
    assert!(is_unavailable(&block_on(store.check())));
    assert!(!folder.path().exists());
    fs::rename(&elsewhere, folder.path()).unwrap();
    block_on(store.check()).unwrap();
    assert_eq!(block_on(store.find_user(ada.id)).unwrap(), Some(ada));
    assert!(matches!(present(&store, &token, at(1)).0, Rotation::Rotated { .. }));
}

#[test]
fn a_database_put_in_the_place_of_the_open_one_is_used() {
    let (folder, other) = (Folder::new(), Folder::new());
    let store = folder.open();
    let (ada, _) = register(&store, "ada");
    assert!(block_on(store.find_user(ada.id)).unwrap().is_some());
    let epoch = block_on(store.epoch()).unwrap();
    let restored = other.open();
    register(&restored, "restored");
    block_on(restored.close());
    fs::remove_file(folder.path().with_extension("db-wal")).unwrap();
    fs::remove_file(folder.path().with_extension("db-shm")).unwrap();
    fs::rename(other.path(), folder.path()).unwrap();
    wait_until_readers_look_again();
    assert!(block_on(store.find_account_by_email(&address("ada"))).unwrap().is_none());
    assert_ne!(block_on(store.epoch()).unwrap(), epoch, "it tells another history");
    register(&store, "bob");
    assert!(block_on(store.find_account_by_email(&address("restored"))).unwrap().is_some());
    block_on(store.close());
    assert_eq!(block_on(folder.open().list_users(ALL_USERS)).unwrap().total, 2);
}

#[test]
fn what_is_no_database_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let letter = "Dear Doorward, this is no database at all. ".repeat(200);
    fs::write(folder.path(), &letter).unwrap();
    let error = refused(&folder);
    assert!(matches!(error.reason, OpenErrorReason::NotADatabase), "{error:?}");
    assert_one_clear_line(&error, &folder.path());
    assert_eq!(fs::read_to_string(folder.path()).unwrap(), letter);
}

#[test]
fn a_damaged_database_is_refused() {
    let folder = Folder::new();
    let store = folder.open();
    register(&store, "ada");
    block_on(store.close());
    let mut bytes = fs::read(folder.path()).unwrap();
    bytes[100..4096].fill(0xa5);
    fs::write(folder.path(), bytes).unwrap();
    let error = refused(&folder);
    assert!(matches!(error.reason, OpenErrorReason::NotADatabase), "{error:?}");
    assert_one_clear_line(&error, &folder.path());
}

#[test]
fn a_database_damaged_under_the_open_store_is_unavailable() {
    let folder = Folder::new();
    let first = folder.open();
    for name in 0..200 {
        register(&first, name);
    }
    block_on(first.close());
    // Nothing of the tables is in this one's memory yet.
    let store = folder.open();
    let mut bytes = fs::read(folder.path()).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(folder.path(), bytes).unwrap();
    assert!(is_unavailable(&block_on(store.list_users(ALL_USERS))));
    assert!(is_unavailable(&block_on(store.find_account_by_email(&address(1)))));
    assert!(is_unavailable(&block_on(store.create_user(new_user("bob"), None, no_record()))));
    assert!(is_unavailable(&block_on(store.check())));
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    folder.connection().execute_batch("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup')").unwrap();
    let before = fs::read(folder.path()).unwrap();
    let error = refused(&folder);
    assert!(matches!(error.reason, OpenErrorReason::AnotherProgram), "{error:?}");
    assert_one_clear_line(&error, &folder.path());
    assert_eq!(fs::read(folder.path()).unwrap(), before);
}

#[test]
fn a_missing_folder_is_named() {
    let folder = Folder::new();
    let path = folder.path().join("nowhere").join("doorward.db");
    let error = SqliteStore::open(&path, SqliteOptions::default()).unwrap_err();
    assert!(matches!(error.reason, OpenErrorReason::System(_)), "{error:?}");
    assert_one_clear_line(&error, &path);
}

#[test]
fn a_row_without_meaning_is_unavailable() {
    let folder = Folder::new();
    let store = folder.open();
    let (ada, token) = register(&store, "ada");
    let vandal = folder.connection();
    vandal.execute_batch("PRAGMA ignore_check_constraints = ON; UPDATE users SET role = 'emperor'").unwrap();
    assert!(is_unavailable(&block_on(store.find_user(ada.id))));
    assert!(is_unavailable(&block_on(store.find_account_by_email(&ada.email))));
    assert!(is_unavailable(&block_on(store.list_users(ALL_USERS))));
    assert!(is_unavailable(&block_on(store.find_account(ada.id))));
    vandal.execute_batch("UPDATE users SET role = 'user'; UPDATE sessions SET current_hash = x'00'").unwrap();
    assert!(is_unavailable(&block_on(store.rotate_session(attempt(&token, at(1)).0))));
    vandal.execute_batch("INSERT INTO endings (at, kind, user_id) VALUES (0, 'crowned', 1)").unwrap();
    assert!(is_unavailable(&block_on(store.endings_after(EndingPosition::default()))));
    register(&store, "bob");
}

#[test]
fn a_read_only_file_is_refused() {
    let folder = Folder::new();
    block_on(folder.open().close());
    let error = as_ordinary_user(&folder, || {
        fs::set_permissions(folder.path(), Permissions::from_mode(0o444)).unwrap();
        refused(&folder)
    });
    assert!(matches!(error.reason, OpenErrorReason::ReadOnly), "{error:?}");
    assert_one_clear_line(&error, &folder.path());
}

#[test]
fn a_read_only_folder_is_refused() {
    let folder = Folder::new();
    block_on(folder.open().close());
    let directory = folder.path().parent().unwrap().to_owned();
    let error = as_ordinary_user(&folder, || {
        fs::set_permissions(&directory, Permissions::from_mode(0o555)).unwrap();
        refused(&folder)
    });
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    assert_one_clear_line(&error, &folder.path());
}

/// Root may write to everything; so where the tests run as root, this runs as nobody.
fn as_ordinary_user<T: Send>(folder: &Folder, act: impl FnOnce() -> T + Send) -> T {
    const NOBODY: u32 = 65_534;
    let is_root = geteuid().is_root();
    if is_root {
        for path in [folder.path().parent().unwrap(), &folder.path()] {
            chown(path, Some(NOBODY), None).unwrap();
        }
    }
    let as_nobody = move || {
        if is_root {
            // Of this thread alone, and of those it starts.
            setfsuid(Uid::from_raw(NOBODY));
        }
        act()
    };
    thread::scope(|scope| scope.spawn(as_nobody).join().unwrap())
}

fn refused(folder: &Folder) -> OpenError {
    SqliteStore::open(&folder.path(), SqliteOptions::default()).unwrap_err()
}

fn assert_one_clear_line(error: &OpenError, path: &Path) {
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(path.to_str().unwrap()), "{text}");
}
