//! What can go wrong: at opening, which a person reads, and at work, which the log gets.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward::StoreError;
use rusqlite::ErrorCode;

/// Why a database could not be opened or migrated: one line that names the file.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the database {}: {reason}", path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub reason: OpenErrorReason,
}

impl OpenError {
    pub(crate) fn at(path: &Path) -> impl Fn(OpenErrorReason) -> Self + '_ {
        move |reason| Self { path: path.to_owned(), reason }
    }
}

/// What is wrong with a database file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenErrorReason {
    /// The content is no SQLite database, or a damaged one.
    #[error("it is not an SQLite database, or it is damaged")]
    NotADatabase,
    /// Another program's tables are in it.
    #[error("it belongs to another program")]
    AnotherProgram,
    /// A migration is recorded in it that this version does not know.
    #[error("it was made by a newer Doorward (migration {version})")]
    Newer {
        /// The newest migration found.
        version: u32,
    },
    /// A migration was applied to it in another wording than this version's.
    #[error("its migration {version} is not the one of this Doorward")]
    Changed {
        /// The migration that differs.
        version: u32,
    },
    /// Migrations are missing and were not asked for.
    #[error("{count} migration(s) must be applied first: run `doorward migrate`")]
    MigrationsPending {
        /// How many.
        count: usize,
    },
    /// A copy into it was begun and has not come to its end.
    #[error("a copy into it is unfinished: run the same `doorward store copy` again")]
    UnfinishedCopy,
    /// Who needs it alone is not alone.
    #[error("it is in use: stop every server and command on it first")]
    InUse,
    /// It can be read but not written to.
    #[error("it cannot be written to")]
    ReadOnly,
    /// The operating system refuses the file, or a thread.
    #[error("{0}")]
    System(#[from] io::Error),
    /// SQLite refuses; the text is its own.
    #[error("{0}")]
    Sqlite(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<rusqlite::Error> for OpenErrorReason {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::NotADatabase,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseBusy) => Self::InUse,
            _ => Self::Sqlite(error.into()),
        }
    }
}

/// Why an operation failed. Holds no value of any row.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("the database cannot be opened again: {0}")]
    Reopen(#[source] OpenErrorReason),
    #[error("the stored {0} cannot be read")]
    Unreadable(&'static str),
    #[error("an operation of the store panicked")]
    Panicked,
    #[error("the store is closed")]
    Closed,
}

impl Fault {
    /// Whether the connection that met this fault, once rolled back, is as good as a new one.
    pub(crate) fn spares_connection(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::ConstraintViolation | ErrorCode::DiskFull)
            ),
            Self::Unreadable(_) => true,
            Self::Reopen(_) | Self::Panicked | Self::Closed => false,
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::unavailable(fault)
    }
}

/// For faults that several callers share.
pub(crate) fn unavailable(fault: &Arc<Fault>) -> StoreError {
    StoreError::unavailable(Arc::clone(fault))
}
