//! One of the two databases of a copy.

use crate::postgres::PostgresSide;
use crate::sqlite::SqliteSide;
use crate::tables::Table;
use crate::value::{Row, Value};
use crate::{Location, TransferError};

/// A database, with the few operations that a copy needs of it.
pub(crate) enum Side {
    Sqlite(SqliteSide),
    Postgres(PostgresSide),
}

/// How many rows each table of the source had when an unfinished copy began.
pub(crate) type Begun = Vec<(String, u64)>;

impl Side {
    /// For reading all of it, as it is at this moment; while it is open nobody else writes.
    pub(crate) async fn open_source(location: &Location) -> Result<Self, TransferError> {
        Ok(match location {
            Location::Sqlite(path) => Self::Sqlite(SqliteSide::source(path)?),
            Location::Postgres(url) => Self::Postgres(PostgresSide::source(url).await?),
        })
    }

    /// For filling it; while it is open nobody else uses it.
    pub(crate) async fn open_target(location: &Location) -> Result<Self, TransferError> {
        Ok(match location {
            Location::Sqlite(path) => Self::Sqlite(SqliteSide::target(path)?),
            Location::Postgres(url) => Self::Postgres(PostgresSide::target(url).await?),
        })
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &Table) -> Result<u64, TransferError> {
        match self {
            Self::Sqlite(side) => side.count(table),
            Self::Postgres(side) => side.count(table).await,
        }
    }

    /// Up to `limit` rows in the order of the key, from the one after `key`.
    pub(crate) async fn rows_after(
        &self,
        table: &Table,
        key: Option<&[Value]>,
        limit: u32,
    ) -> Result<Vec<Row>, TransferError> {
        match self {
            Self::Sqlite(side) => side.rows_after(table, key, limit),
            Self::Postgres(side) => side.rows_after(table, key, limit).await,
        }
    }

    /// The highest key.
    pub(crate) async fn last_key(&self, table: &Table) -> Result<Option<Vec<Value>>, TransferError> {
        match self {
            Self::Sqlite(side) => side.last_key(table),
            Self::Postgres(side) => side.last_key(table).await,
        }
    }

    /// Adds rows: all of them, or none.
    pub(crate) async fn insert(&mut self, table: &Table, rows: Vec<Row>) -> Result<(), TransferError> {
        match self {
            Self::Sqlite(side) => side.insert(table, &rows),
            Self::Postgres(side) => side.insert(table, rows).await,
        }
    }

    /// The last number that was given for the key, if any was.
    pub(crate) async fn last_number(&self, table: &Table) -> Result<Option<i64>, TransferError> {
        match (self, table.sequence) {
            (_, None) => Ok(None),
            (Self::Sqlite(side), Some(_)) => side.last_number(table),
            (Self::Postgres(side), Some(sequence)) => side.last_number(sequence).await,
        }
    }

    /// Goes on giving numbers after this one.
    pub(crate) async fn set_last_number(&self, table: &Table, number: i64) -> Result<(), TransferError> {
        match (self, table.sequence) {
            (_, None) => Ok(()),
            (Self::Sqlite(side), Some(_)) => side.set_last_number(table, number),
            (Self::Postgres(side), Some(sequence)) => side.set_last_number(sequence, number).await,
        }
    }

    /// What was noted when an unfinished copy into this database began.
    pub(crate) async fn begun(&self) -> Result<Option<Begun>, TransferError> {
        match self {
            Self::Sqlite(side) => side.begun(),
            Self::Postgres(side) => side.begun().await,
        }
    }

    /// Notes that a copy begins.
    pub(crate) async fn begin(&mut self, counts: &[(&'static str, u64)]) -> Result<(), TransferError> {
        match self {
            Self::Sqlite(side) => side.begin(counts),
            Self::Postgres(side) => side.begin(counts).await,
        }
    }

    /// Removes what an unfinished copy has brought, and its note: all, or nothing.
    pub(crate) async fn clear(&mut self) -> Result<(), TransferError> {
        match self {
            Self::Sqlite(side) => side.clear(),
            Self::Postgres(side) => side.clear().await,
        }
    }

    /// Takes the note away: the copy is whole.
    pub(crate) async fn finish(&self) -> Result<(), TransferError> {
        match self {
            Self::Sqlite(side) => side.finish(),
            Self::Postgres(side) => side.finish().await,
        }
    }
}

/// The statements that both databases understand.
pub(crate) mod statements {
    pub(crate) const CREATE_NOTE: &str =
        "CREATE TABLE unfinished_copy (table_name TEXT PRIMARY KEY, row_count BIGINT NOT NULL)";
    pub(crate) const DROP_NOTE: &str = "DROP TABLE unfinished_copy";
    pub(crate) const INSERT_NOTE: &str = "INSERT INTO unfinished_copy (table_name, row_count) VALUES ($1, $2)";
    pub(crate) const SELECT_NOTE: &str = "SELECT table_name, row_count FROM unfinished_copy";
}
