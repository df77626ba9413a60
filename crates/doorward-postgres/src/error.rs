//! What can go wrong: at opening, which a person reads, and at work, which the log gets.

use std::fmt;

use deadpool_postgres::{PoolError, TimeoutType};
use doorward::StoreError;
use tokio_postgres::error::SqlState;

/// Why a database could not be opened or migrated: one line that names the server, never its password.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the database {database}: {reason}")]
pub struct OpenError {
    /// The host and the database's name.
    pub database: String,
    /// What is wrong with it.
    #[source]
    pub reason: OpenErrorReason,
}

impl OpenError {
    pub(crate) fn of(database: impl fmt::Display) -> impl FnOnce(OpenErrorReason) -> Self {
        move |reason| Self { database: database.to_string(), reason }
    }
}

/// What is wrong with a database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenErrorReason {
    /// The URL is not one of PostgreSQL.
    #[error("the URL is not of the form postgres://user:password@host:port/database ({0})")]
    Url(String),
    /// Transport security as the URL asks for it can't be had.
    #[error("{0}")]
    Tls(String),
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
    #[error("it cannot be written to: it is a standby, or set to read only")]
    ReadOnly,
    /// The server can't be reached, or refuses.
    #[error("{0}")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<Fault> for OpenErrorReason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused { state, .. } if state == SqlState::READ_ONLY_SQL_TRANSACTION => Self::ReadOnly,
            fault => Self::Server(fault.into()),
        }
    }
}

impl From<tokio_postgres::Error> for OpenErrorReason {
    fn from(error: tokio_postgres::Error) -> Self {
        Fault::from(error).into()
    }
}

/// Why an operation failed. Holds no value of any row.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Without the server's details, which quote rows.
    #[error("{message} (SQLSTATE {})", state.code())]
    Refused { state: SqlState, message: String, constraint: Option<String> },
    #[error("{}", with_causes(.0))]
    Connection(#[source] tokio_postgres::Error),
    #[error("all connections are in use")]
    Exhausted,
    #[error("the server does not let us connect in time")]
    ConnectTimedOut,
    #[error("the server does not answer in time")]
    TimedOut,
    #[error("others kept changing the same row")]
    Contended,
    #[error("the stored {0} cannot be read")]
    Unreadable(&'static str),
    #[error("the store is closed")]
    Closed,
    #[error("{0}")]
    Pool(String),
}

impl Fault {
    /// Whether nothing happened, because somebody else was faster, and trying again helps.
    pub(crate) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Refused { state, .. } if conflicts.contains(state))
    }

    /// Whether the other connections are likely to meet it too, until they are made anew: their server
    /// is a standby now, has forgotten their statements, or is silent.
    pub(crate) fn spoils_connections(&self) -> bool {
        let states = [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::INVALID_SQL_STATEMENT_NAME,
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
        ];
        match self {
            Self::Refused { state, .. } => states.contains(state),
            Self::Connection(_) | Self::TimedOut => true,
            _ => false,
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refusal) => Self::Refused {
                state: refusal.code().clone(),
                message: refusal.message().to_owned(),
                constraint: refusal.constraint().map(str::to_owned),
            },
            None => Self::Connection(error),
        }
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::Exhausted,
            PoolError::Timeout(_) => Self::ConnectTimedOut,
            PoolError::Backend(error) => error.into(),
            PoolError::Closed => Self::Closed,
            other => Self::Pool(other.to_string()),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Exhausted => Self::Overloaded,
            Fault::Contended => Self::Contended,
            fault if fault.is_conflict() => Self::Contended,
            fault => Self::unavailable(fault),
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}
