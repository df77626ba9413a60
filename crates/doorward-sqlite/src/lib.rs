//! Doorward's users and sessions in an SQLite file: the embedded default.
//!
//! ```
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("doorward.db");
//! use doorward::Store;
//! use doorward_sqlite::{SqliteOptions, SqliteStore};
//!
//! let store = SqliteStore::open(&path, SqliteOptions::default())?;
//! # pollster::block_on(async {
//! store.check().await?;
//! store.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! One thread writes and commits together what came in while it waited for the disk; an answer is given
//! only after its commit is on disk (write-ahead log, `synchronous = FULL`). Rows are read on the
//! caller's thread, listings on a second thread; now and then a third moves the log into the database. No
//! async runtime is needed.
//!
//! The database must lie on a local disk: a write-ahead log does not work over a network file system.
//! Several processes may have it open at once (the command line beside the server, say).
//!
//! | file | what |
//! | --- | --- |
//! | `store.rs` | the port, [`doorward::Store`]: which operation goes where |
//! | `accounts.rs` `users.rs` `sessions.rs` `endings.rs` `events.rs` `outbox.rs` `limits.rs` `housekeeping.rs` | the operations and their SQL |
//! | `rows.rs` | from rows to the domain's types |
//! | `migrations.rs` | the tables, step by step |
//! | `writer.rs` `checkpointer.rs` `readers.rs` `worker.rs` `connection.rs` | threads and connections |
//! | `transfer.rs` | connections for moving whole tables |
//! | `error.rs` | what can go wrong |

mod accounts;
mod backup;
mod checkpointer;
mod connection;
mod data_keys;
mod endings;
mod error;
mod events;
mod housekeeping;
mod limits;
mod migrations;
mod outbox;
mod readers;
mod rows;
mod sessions;
mod store;
pub mod transfer;
mod users;
mod worker;
mod writer;

use std::path::Path;
use std::time::Duration;

use doorward::limits::MemoryLimits;

pub use backup::{BackupError, back_up};
pub use error::{OpenError, OpenErrorReason};
pub use migrations::{Migration, migrate, pending_migrations};
pub use writer::Statistics;

use connection::Database;
use readers::Readers;
use writer::Writer;

/// A [`doorward::Store`] on an SQLite file.
///
/// Close it with [`close`](doorward::Store::close), which finishes what was accepted and empties the
/// write-ahead log. Dropped without that, its threads do the same by themselves a moment later.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    limits: MemoryLimits,
}

/// How to open a database.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// How long a write waits for another process that holds the database. Two seconds by default.
    pub busy_timeout: Duration,
    /// Whether a file that is absent or behind is made and brought up to date. Otherwise it is refused.
    pub migrate: bool,
    /// For tests: the most pages that the file may have, as if the disk were full beyond them.
    #[doc(hidden)]
    pub max_page_count: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(2), migrate: true, max_page_count: None }
    }
}

impl SqliteStore {
    /// Opens the database at `path`, making it (mode 0600) and applying migrations as `options` say. The
    /// folder must exist.
    ///
    /// # Errors
    ///
    /// [`OpenError`], one line for the operator: not a database, another program's, made by a newer
    /// Doorward, not writable, or behind when `options` forbid migrating.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        Self::open_or_reason(path, options).map_err(OpenError::at(path))
    }

    /// What the writing thread has done since the store was opened.
    pub fn statistics(&self) -> Statistics {
        self.writer.statistics()
    }

    fn open_or_reason(path: &Path, options: SqliteOptions) -> Result<Self, OpenErrorReason> {
        let database = Database::new(path, options)?;
        let opened = if database.options.migrate {
            migrations::connect_migrated(&database)?.0
        } else {
            migrations::connect_current(&database)?
        };
        let writer = Writer::spawn(database.clone(), opened)?;
        let readers = Readers::spawn(database)?;
        Ok(Self { writer, readers, limits: MemoryLimits::default() })
    }
}
