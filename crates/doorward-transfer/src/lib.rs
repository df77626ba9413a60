//! Moves what Doorward keeps from one database to another, and brings accounts over from other services.
//!
//! [`copy`] takes everything from SQLite to PostgreSQL, or back. [`import`] reads accounts from CSV, JSON lines or
//! a table of another application. Both are for operators, while an application uses the port
//! [`doorward::Store`], whose operations are made for one account or session at a time.
//!
//! | file | what |
//! | --- | --- |
//! | `tables.rs` | **the list of tables and columns** that are copied, and those that are left behind |
//! | `copy.rs` | the copy: batches by key, resumed where it stopped, compared at the end |
//! | `value.rs` | a value of a row, and the checksum of rows |
//! | `side.rs` `sqlite.rs` `postgres.rs` | the two databases, each with the same few operations |
//! | `import/` | accounts from elsewhere: reading, checking, adding |

mod copy;
pub mod import;
mod postgres;
mod side;
mod sqlite;
mod tables;
mod value;

use std::path::PathBuf;

pub use copy::{CopiedTable, CopyReport, copy};
pub use tables::{Column, Kind, LEFT_BEHIND, TABLES, Table};

/// Where a database is.
#[derive(Clone)]
pub enum Location {
    /// In this file.
    Sqlite(PathBuf),
    /// At this URL, which may hold a password.
    Postgres(String),
}

impl std::fmt::Debug for Location {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => formatter.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => formatter.write_str("Postgres(…)"),
        }
    }
}

/// Is told how far something has come.
pub trait Progress {
    /// Something begins that has `total` rows, if that is known.
    fn begin(&mut self, what: &str, total: Option<u64>);
    /// So many rows of it are done.
    fn reach(&mut self, done: u64);
    /// It has come to its end.
    fn end(&mut self);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy)]
pub struct Silence;

impl Progress for Silence {
    fn begin(&mut self, _: &str, _: Option<u64>) {}
    fn reach(&mut self, _: u64) {}
    fn end(&mut self) {}
}

/// Why nothing more was moved. Holds no value of any row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The database in a file can't be used.
    #[error(transparent)]
    Sqlite(#[from] doorward_sqlite::OpenError),
    /// The database at a URL can't be used.
    #[error(transparent)]
    Postgres(#[from] doorward_postgres::OpenError),
    /// There is something in the target.
    #[error("the target is not empty: its table {0} has rows; nothing was copied")]
    NotEmpty(&'static str),
    /// The source is another one, or was written to, since the copy began.
    #[error("the table {0} of the source is not what it was when the copy began: begin again with --start-over")]
    SourceChanged(&'static str),
    /// Rows differ between source and target.
    #[error("the table {0} of the target differs from the source: begin again with --start-over")]
    Differs(&'static str),
    /// There is no unfinished copy to begin again.
    #[error("there is no unfinished copy in the target to start over")]
    NothingToStartOver,
    /// A value is not of its column's type.
    #[error("a value of {table}.{column} cannot be read")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The file with accounts can't be read.
    #[error("{0}")]
    Input(String),
    /// The database refuses an operation.
    #[error("{0}")]
    Database(String),
}

impl From<rusqlite::Error> for TransferError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(format!("SQLite: {error}"))
    }
}

impl From<tokio_postgres::Error> for TransferError {
    /// Without the server's details, which quote rows.
    fn from(error: tokio_postgres::Error) -> Self {
        let text = match error.as_db_error() {
            Some(refusal) => format!("{} (SQLSTATE {})", refusal.message(), refusal.code().code()),
            None => error.to_string(),
        };
        Self::Database(format!("PostgreSQL: {text}"))
    }
}
