//! Which database the settings name.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

/// What a node asks of PostgreSQL at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseLimits {
    /// Connections at once; one more listens for hints.
    pub pool_size: usize,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long a request waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long the server may work on a statement.
    pub statement_timeout: Duration,
}

/// Where accounts and sessions are kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// The embedded one, in this file.
    Sqlite(PathBuf),
    /// The one at this URL, which may hold a password.
    Postgres(Zeroizing<String>),
}

impl fmt::Display for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => file.display().fmt(formatter),
            Self::Postgres(_) => formatter.write_str("PostgreSQL"),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Database({self})")
    }
}
