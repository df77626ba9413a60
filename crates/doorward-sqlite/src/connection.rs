//! Connections to the database file, set up for what they are for.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward::revocation::Epoch;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use crate::SqliteOptions;
use crate::error::OpenErrorReason;

/// How many statements a connection keeps prepared; more than there are.
const STATEMENT_CACHE: usize = 64;

/// The write-ahead log shrinks back to this many bytes after a burst.
const LOG_SIZE_LIMIT: u32 = 8 * 1024 * 1024;

/// How much of the database the writing connection keeps in memory: all of it up to some 35,000 accounts with a session
/// each, and of more what every search passes through.
const WRITING_CACHE_KIB: i32 = 16 * 1024;

/// Which file, and how to open it.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    pub(crate) options: SqliteOptions,
}

impl Database {
    /// The path is made absolute, so that no name means anything special to SQLite and the process may
    /// change its directory.
    pub(crate) fn new(path: &Path, options: SqliteOptions) -> Result<Self, OpenErrorReason> {
        Ok(Self { path: std::path::absolute(path)?, options })
    }

    /// Which file is at the path.
    pub(crate) fn identity(&self) -> io::Result<FileIdentity> {
        FileIdentity::of(&self.path)
    }

    /// Makes the file, readable to its owner alone, if there is none. SQLite gives its log the same mode.
    pub(crate) fn create_if_absent(&self) -> Result<(), OpenErrorReason> {
        match new_private_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// A connection that writes, every commit on disk before it returns.
    pub(crate) fn connect_for_writing(&self) -> Result<OpenedFile, OpenErrorReason> {
        let opened = self.connect(self.options.busy_timeout)?;
        if opened.is_readonly(MAIN_DB)? {
            return Err(OpenErrorReason::ReadOnly);
        }
        opened.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        opened.pragma_update(None, "journal_size_limit", LOG_SIZE_LIMIT)?;
        // Negative: not pages but KiB.
        opened.pragma_update(None, "cache_size", -WRITING_CACHE_KIB)?;
        if let Some(pages) = self.options.max_page_count {
            opened.pragma_update(None, "max_page_count", pages)?;
        }
        Ok(opened)
    }

    /// A connection that can change nothing, and waits for a locked database so long.
    pub(crate) fn connect_for_reading(&self, patience: Duration) -> Result<OpenedFile, OpenErrorReason> {
        let opened = self.connect(patience)?;
        opened.execute_batch("PRAGMA query_only = ON;")?;
        Ok(opened)
    }

    /// A connection that nobody else has the file open beside, and nobody can open it until it is closed.
    pub(crate) fn connect_exclusively(&self) -> Result<OpenedFile, OpenErrorReason> {
        let opened = self.connect(self.options.busy_timeout)?;
        // Whoever has a database with a write-ahead log open holds a shared lock on it all the while. The lock
        // goes with the process, however that ends.
        opened.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT;")?;
        opened.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        Ok(opened)
    }

    fn connect(&self, patience: Duration) -> Result<OpenedFile, OpenErrorReason> {
        // Before opening: if the file is exchanged in between, the connection counts as out of place.
        let identity = FileIdentity::of(&self.path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(patience)?;
        connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        // Otherwise the planner looks at what is bound wherever a partial index might depend on it, and a statement is
        // planned anew each time: half of what a refresh took.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;")?;
        Ok(OpenedFile { connection, identity })
    }
}

/// A connection, and which file it has open.
///
/// A process can go on writing to a file that was deleted or replaced, and everything it acknowledges is
/// lost. So whoever uses a connection asks first whether it [`is_in_place`](Self::is_in_place).
#[derive(Debug)]
pub(crate) struct OpenedFile {
    connection: Connection,
    identity: FileIdentity,
}

impl OpenedFile {
    /// Whether the file that is open is still the one at the path of `database`.
    pub(crate) fn is_in_place(&self, database: &Database) -> bool {
        FileIdentity::of(&database.path).is_ok_and(|identity| identity == self.identity)
    }
}

impl Deref for OpenedFile {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// Tells one file from another of the same name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    #[cfg(unix)]
    device_and_number: (u64, u64),
}

impl FileIdentity {
    /// Another for another file, as far as the system tells files apart.
    pub(crate) fn epoch(&self) -> Epoch {
        #[cfg(unix)]
        let number = self.device_and_number.0.rotate_left(32) ^ self.device_and_number.1;
        #[cfg(not(unix))]
        let number = 0_u64;
        Epoch(number.cast_signed())
    }

    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok(Self { device_and_number: (metadata.dev(), metadata.ino()) })
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Ok(Self {})
        }
    }
}

pub(crate) fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(connection: &Connection, name: &str) -> String {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
        format!("{value:?}")
    }

    #[test]
    fn connections_are_as_durable_and_as_harmless_as_promised() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(&folder.path().join("doorward.db"), SqliteOptions::default()).unwrap();
        database.create_if_absent().unwrap();
        let writing = database.connect_for_writing().unwrap();
        let expected = [
            ("journal_mode", r#"Text("wal")"#),
            ("synchronous", "Integer(2)"),
            ("foreign_keys", "Integer(1)"),
            ("trusted_schema", "Integer(0)"),
            ("temp_store", "Integer(2)"),
            ("busy_timeout", "Integer(2000)"),
        ];
        for (name, value) in expected {
            assert_eq!(pragma(&writing, name), value, "{name}");
        }
        let reading = database.connect_for_reading(Duration::ZERO).unwrap();
        assert!(reading.execute_batch("CREATE TABLE forbidden (x)").is_err());
    }
}
