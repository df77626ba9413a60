//! The steps that bring a database to this version's tables.
//!
//! A released migration is frozen: the database keeps the checksum of what was applied, and a test here
//! keeps the checksums of what was released.

use std::fmt;
use std::path::Path;

use doorward::{Clock, SystemClock};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::SqliteOptions;
use crate::connection::{Database, OpenedFile};
use crate::error::{OpenError, OpenErrorReason};
use crate::transfer::UNFINISHED_COPY;

/// One step from one version of the tables to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

impl Migration {
    /// Its number, counted from 1.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// What it brings, in a few words joined by underscores.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn checksum(&self) -> [u8; 32] {
        Sha256::digest(self.sql).into()
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}_{}", self.version, self.name)
    }
}

const MIGRATIONS: [Migration; 7] = [
    Migration {
        version: 1,
        name: "users_and_sessions",
        sql: include_str!("../migrations/0001_users_and_sessions.sql"),
    },
    Migration {
        version: 2,
        name: "endings_by_subject",
        sql: include_str!("../migrations/0002_endings_by_subject.sql"),
    },
    Migration { version: 5, name: "rate_limits", sql: include_str!("../migrations/0005_rate_limits.sql") },
    Migration {
        version: 6,
        name: "accounts_events_outbox",
        sql: include_str!("../migrations/0006_accounts_events_outbox.sql"),
    },
    Migration {
        version: 7,
        name: "events_about_others",
        sql: include_str!("../migrations/0007_events_about_others.sql"),
    },
    Migration { version: 8, name: "outbox_by_kind", sql: include_str!("../migrations/0008_outbox_by_kind.sql") },
    Migration { version: 10, name: "data_keys", sql: include_str!("../migrations/0010_data_keys.sql") },
];

/// Marks the file as Doorward's (`PRAGMA application_id`): "Door" in ASCII.
const APPLICATION_ID: i32 = 0x446f_6f72;

const CREATE_HISTORY: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        checksum BLOB NOT NULL CHECK (length(checksum) = 32),
        applied_at INTEGER NOT NULL
    ) STRICT";

/// The migrations that the database at `path` lacks; all of them when there is no file. Changes nothing.
///
/// # Errors
///
/// [`OpenError`] when the file can't be read, is another program's, or has a history this version does
/// not know.
pub fn pending_migrations(path: &Path) -> Result<Vec<Migration>, OpenError> {
    let pending = || {
        let database = Database::new(path, SqliteOptions::default())?;
        if !database.path.try_exists()? {
            return Ok(MIGRATIONS.to_vec());
        }
        look(&database)
    };
    pending().map_err(OpenError::at(path))
}

/// Brings the database at `path` up to date, making the file (mode 0600) if there is none; says what was
/// applied: everything that was lacking, in one transaction. Safe to call from several processes at once: each migration
/// is applied by one of them.
///
/// # Errors
///
/// [`OpenError`] as for [`pending_migrations`], or when the file can't be made or written to. Nothing was applied then.
pub fn migrate(path: &Path) -> Result<Vec<Migration>, OpenError> {
    let migrate = || Ok(connect_migrated(&Database::new(path, SqliteOptions::default())?)?.1);
    migrate().map_err(OpenError::at(path))
}

/// A connection that writes to the database, made and brought up to date if need be, and what that took.
pub(crate) fn connect_migrated(database: &Database) -> Result<(OpenedFile, Vec<Migration>), OpenErrorReason> {
    database.create_if_absent()?;
    // Looked at before it is opened for writing, which would turn another program's file to a new mode.
    look(database)?;
    let opened = database.connect_for_writing()?;
    // Asked first without a lock: at nearly every start there is nothing to do.
    let applied = if pending(&opened)?.is_empty() { Vec::new() } else { apply_lacking(&opened)? };
    Ok((opened, applied))
}

/// A connection that writes to the database, which must be exactly at this version's last migration.
pub(crate) fn connect_current(database: &Database) -> Result<OpenedFile, OpenErrorReason> {
    match look(database)?.len() {
        0 => database.connect_for_writing(),
        count => Err(OpenErrorReason::MigrationsPending { count }),
    }
}

/// Brings a database up to date that a copy may have been begun into.
pub(crate) fn bring_up_to_date(connection: &Connection) -> Result<(), OpenErrorReason> {
    if !lacking(connection)?.is_empty() {
        apply_lacking(connection)?;
    }
    Ok(())
}

/// Fails unless the database is whole and exactly at this version's last migration.
pub(crate) fn require_current(connection: &Connection) -> Result<(), OpenErrorReason> {
    match pending(connection)?.len() {
        0 => Ok(()),
        count => Err(OpenErrorReason::MigrationsPending { count }),
    }
}

/// What is pending, asked without a lock and without changing the file.
fn look(database: &Database) -> Result<Vec<Migration>, OpenErrorReason> {
    pending(&*database.connect_for_reading(database.options.busy_timeout)?)
}

fn apply_lacking(connection: &Connection) -> Result<Vec<Migration>, OpenErrorReason> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let applied = apply_in_transaction(connection);
    if applied.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    applied
}

fn apply_in_transaction(connection: &Connection) -> Result<Vec<Migration>, OpenErrorReason> {
    // Asked again under the lock: another process may have been faster.
    let lacking = lacking(connection)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.execute_batch(CREATE_HISTORY)?;
    for migration in &lacking {
        connection.execute_batch(migration.sql)?;
        connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
            params![migration.version, migration.name, migration.checksum(), SystemClock.now().micros()],
        )?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(lacking)
}

/// What a database lacks that anybody may use: one that a copy was begun into and not finished is refused.
fn pending(connection: &Connection) -> Result<Vec<Migration>, OpenErrorReason> {
    let lacking = lacking(connection)?;
    if has_table(connection, UNFINISHED_COPY)? { Err(OpenErrorReason::UnfinishedCopy) } else { Ok(lacking) }
}

fn lacking(connection: &Connection) -> Result<Vec<Migration>, OpenErrorReason> {
    require_ours_or_empty(connection)?;
    let applied = history(connection)?;
    for (version, checksum) in &applied {
        match MIGRATIONS.iter().find(|migration| migration.version == *version) {
            None => return Err(OpenErrorReason::Newer { version: newest(&applied) }),
            Some(migration) if migration.checksum() != *checksum => {
                return Err(OpenErrorReason::Changed { version: *version });
            }
            Some(_) => {}
        }
    }
    let is_applied = |migration: &Migration| applied.iter().any(|(version, _)| *version == migration.version);
    Ok(MIGRATIONS.into_iter().filter(|migration| !is_applied(migration)).collect())
}

fn newest(applied: &[(u32, [u8; 32])]) -> u32 {
    applied.iter().map(|(version, _)| *version).max().unwrap_or_default()
}

pub(crate) fn require_ours_or_empty(connection: &Connection) -> Result<(), OpenErrorReason> {
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let is_ours = application == APPLICATION_ID || (application == 0 && tables == 0);
    if is_ours { Ok(()) } else { Err(OpenErrorReason::AnotherProgram) }
}

fn history(connection: &Connection) -> Result<Vec<(u32, [u8; 32])>, OpenErrorReason> {
    if !has_table(connection, "schema_migrations")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare("SELECT version, checksum FROM schema_migrations ORDER BY version")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn has_table(connection: &Connection, name: &str) -> Result<bool, OpenErrorReason> {
    let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    Ok(connection.query_row(table, [name], |_| Ok(())).optional()?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{accounts, data_keys, endings, events, housekeeping, outbox, sessions, users};

    fn fresh() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        bring_up_to_date(&connection).unwrap();
        connection
    }

    #[test]
    fn released_migrations_are_frozen() {
        let checksums: Vec<_> =
            MIGRATIONS.iter().map(|migration| (migration.to_string(), hex(&migration.checksum()))).collect();
        let released = [
            ("0001_users_and_sessions", "7b46ca2d1bbdc9329561e3d8c36e002f6eda7aa82a88a8b85a844dc40a8b6516"),
            ("0002_endings_by_subject", "aefdc2d9f7e28af6808eef14b8b9c440c6afb600d9eec3a18dc46af0db6051b9"),
            ("0005_rate_limits", "72384549f7f8b16ecb06e8ce78d7859260601bed7007a1783b3770d74a976c54"),
            ("0006_accounts_events_outbox", "182d0975b908c87d3d75e7ede81e5ddf1d7a8e5681a136e9ff62c046b5c6a48a"),
            ("0007_events_about_others", "608a5781d31bb99c292096d2f20b24dd699de679323f57f1f85f72791194f289"),
            ("0008_outbox_by_kind", "2666253fefb95423b383cba465b2e3265f927673d9b68fc2f593801c23ee9903"),
            ("0010_data_keys", "06533062b446a8dc3e5e898eb54abfb07a601be82a8625f036e76d68b46a38bf"),
        ];
        assert_eq!(checksums, released.map(|(name, checksum)| (name.to_owned(), checksum.to_owned())));
    }

    #[test]
    fn every_statement_can_be_prepared_on_a_fresh_schema() {
        let connection = fresh();
        let statements = [
            accounts::STATEMENTS,
            users::STATEMENTS,
            sessions::STATEMENTS,
            endings::STATEMENTS,
            events::STATEMENTS,
            outbox::STATEMENTS,
            data_keys::STATEMENTS,
            housekeeping::STATEMENTS,
        ];
        for statement in statements.concat() {
            connection.prepare(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }

    #[test]
    fn what_is_asked_about_one_account_goes_through_no_whole_table() {
        let connection = fresh();
        let statements = [accounts::STATEMENTS, sessions::STATEMENTS, events::STATEMENTS, outbox::STATEMENTS];
        for statement in statements.concat() {
            let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let steps = explained.raw_query().mapped(|row| row.get::<_, String>("detail"));
            for step in steps.map(Result::unwrap) {
                let is_whole_table =
                    step.starts_with("SCAN ") && !step.contains("INDEX") && step != "SCAN CONSTANT ROW";
                assert!(!is_whole_table, "{step}: {statement}");
            }
        }
    }

    #[test]
    fn nothing_that_a_rotation_changes_is_in_an_index() {
        let connection = fresh();
        let indexed = "SELECT columns.name FROM pragma_index_list('sessions') AS indexes, pragma_index_info(indexes.name) AS columns";
        let mut statement = connection.prepare(indexed).unwrap();
        let columns: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        assert!(columns.contains(&"user_id".to_owned()));
        assert!(columns.iter().all(|column| ["handle", "user_id"].contains(&column.as_str())), "{columns:?}");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
