//! Old, new and foreign histories.

use std::thread;

use doorward::Store;
use doorward_sqlite::{OpenErrorReason, SqliteOptions, SqliteStore, migrate, pending_migrations};
use pollster::block_on;

use crate::story::{Folder, register};

#[test]
fn pending_migrations_are_told_without_touching_anything() {
    let folder = Folder::new();
    let pending = pending_migrations(&folder.path()).unwrap();
    let names: Vec<_> = pending.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "0001_users_and_sessions",
            "0002_endings_by_subject",
            "0005_rate_limits",
            "0006_accounts_events_outbox",
            "0007_events_about_others",
            "0008_outbox_by_kind",
            "0010_data_keys",
        ]
    );
    assert!(!folder.path().exists());
    assert_eq!(migrate(&folder.path()).unwrap(), pending);
    assert_eq!(pending_migrations(&folder.path()).unwrap(), []);
    assert_eq!(migrate(&folder.path()).unwrap(), []);
}

#[test]
fn without_leave_to_migrate_only_a_current_database_is_opened() {
    let folder = Folder::new();
    let open = || SqliteStore::open(&folder.path(), SqliteOptions { migrate: false, ..SqliteOptions::default() });
    assert!(matches!(open().unwrap_err().reason, OpenErrorReason::System(_)));
    assert!(!folder.path().exists());
    std::fs::write(folder.path(), "").unwrap();
    let error = open().unwrap_err();
    assert!(matches!(error.reason, OpenErrorReason::MigrationsPending { count: 7 }), "{error:?}");
    migrate(&folder.path()).unwrap();
    block_on(open().unwrap().check()).unwrap();
}

#[test]
fn a_newer_database_is_refused() {
    let folder = Folder::new();
    migrate(&folder.path()).unwrap();
    folder.connection().execute("INSERT INTO schema_migrations VALUES (11, 'passkeys', zeroblob(32), 0)", []).unwrap();
    let error = SqliteStore::open(&folder.path(), SqliteOptions::default()).unwrap_err();
    assert!(error.to_string().contains("it was made by a newer Doorward (migration 11)"), "{error}");
    assert!(pending_migrations(&folder.path()).is_err());
    assert!(migrate(&folder.path()).is_err());
}

#[test]
fn a_migration_in_other_words_is_refused() {
    let folder = Folder::new();
    migrate(&folder.path()).unwrap();
    folder.connection().execute("UPDATE schema_migrations SET checksum = zeroblob(32)", []).unwrap();
    let error = SqliteStore::open(&folder.path(), SqliteOptions::default()).unwrap_err();
    assert!(matches!(error.reason, OpenErrorReason::Changed { version: 1 }), "{error:?}");
}

#[test]
fn a_failed_migration_leaves_nothing_behind() {
    let folder = Folder::new();
    // Ours by its mark, but with a table in the way.
    folder.connection().execute_batch("PRAGMA application_id = 0x446f6f72; CREATE TABLE endings (x)").unwrap();
    assert!(migrate(&folder.path()).is_err());
    let tables: i64 =
        folder.connection().query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn many_openings_at_once_migrate_once() {
    let folder = Folder::new();
    let path = folder.path();
    let applied: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| migrate(&path).unwrap().len())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(applied, 7);
    let folder = Folder::new();
    thread::scope(|scope| {
        for name in 0..8 {
            let folder = &folder;
            scope.spawn(move || register(&folder.open(), name));
        }
    });
    let users: i64 = folder.connection().query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
    assert_eq!(users, 8);
}
