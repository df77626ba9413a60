//! The SQLite side.

use std::path::Path;

use doorward_sqlite::transfer::{TransferConnection, UNFINISHED_COPY};
use rusqlite::types::{ToSql, ToSqlOutput, Value as Stored};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::TransferError;
use crate::side::{Begun, statements};
use crate::tables::{Column, Kind, TABLES, Table, names};
use crate::value::{Row, Value};

pub(crate) struct SqliteSide(TransferConnection);

impl SqliteSide {
    pub(crate) fn source(path: &Path) -> Result<Self, TransferError> {
        Ok(Self(TransferConnection::to_source(path)?))
    }

    pub(crate) fn target(path: &Path) -> Result<Self, TransferError> {
        Ok(Self(TransferConnection::to_target(path)?))
    }

    pub(crate) fn count(&self, table: &Table) -> Result<u64, TransferError> {
        let count: i64 = self.0.query_row(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    pub(crate) fn rows_after(
        &self,
        table: &Table,
        key: Option<&[Value]>,
        limit: u32,
    ) -> Result<Vec<Row>, TransferError> {
        let (columns, key_columns) = (table.column_names(), names(table.key()));
        let beyond = key.map_or(String::new(), |key| format!("WHERE ({key_columns}) > ({})", places(key.len())));
        let select = format!("SELECT {columns} FROM {} {beyond} ORDER BY {key_columns} LIMIT {limit}", table.name);
        let mut statement = self.0.prepare_cached(&select)?;
        let mut found = statement.query(params_from_iter(key.unwrap_or_default()))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(read(table, table.columns, row)?);
        }
        Ok(rows)
    }

    pub(crate) fn last_key(&self, table: &Table) -> Result<Option<Vec<Value>>, TransferError> {
        let columns = names(table.key());
        let backwards: Vec<_> = table.key().iter().map(|column| format!("{} DESC", column.name)).collect();
        let select = format!("SELECT {columns} FROM {} ORDER BY {} LIMIT 1", table.name, backwards.join(", "));
        let mut statement = self.0.prepare(&select)?;
        let mut found = statement.query([])?;
        found.next()?.map(|row| read(table, table.key(), row)).transpose()
    }

    pub(crate) fn insert(&self, table: &Table, rows: &[Row]) -> Result<(), TransferError> {
        self.in_transaction(|connection| {
            let places = places(table.columns.len());
            let insert = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, table.column_names());
            let mut statement = connection.prepare_cached(&insert)?;
            for row in rows {
                statement.execute(params_from_iter(row))?;
            }
            Ok(())
        })
    }

    pub(crate) fn last_number(&self, table: &Table) -> Result<Option<i64>, TransferError> {
        let select = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
        Ok(self.0.query_row(select, [table.name], |row| row.get(0)).optional()?)
    }

    pub(crate) fn set_last_number(&self, table: &Table, number: i64) -> Result<(), TransferError> {
        self.in_transaction(|connection| {
            connection.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table.name])?;
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", (table.name, number))?;
            Ok(())
        })
    }

    pub(crate) fn begun(&self) -> Result<Option<Begun>, TransferError> {
        let exists = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        if self.0.query_row(exists, [UNFINISHED_COPY], |_| Ok(())).optional()?.is_none() {
            return Ok(None);
        }
        let mut statement = self.0.prepare(statements::SELECT_NOTE)?;
        let noted = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        Ok(Some(noted.collect::<Result<_, _>>()?))
    }

    pub(crate) fn begin(&self, counts: &[(&'static str, u64)]) -> Result<(), TransferError> {
        self.in_transaction(|connection| {
            connection.execute_batch(statements::CREATE_NOTE)?;
            for (table, count) in counts {
                connection.execute(statements::INSERT_NOTE, (table, i64::try_from(*count).unwrap_or(i64::MAX)))?;
            }
            Ok(())
        })
    }

    pub(crate) fn clear(&self) -> Result<(), TransferError> {
        self.in_transaction(|connection| {
            for table in TABLES.iter().rev() {
                connection.execute(&format!("DELETE FROM {}", table.name), [])?;
            }
            Ok(connection.execute_batch(statements::DROP_NOTE)?)
        })
    }

    pub(crate) fn finish(&self) -> Result<(), TransferError> {
        Ok(self.0.execute_batch(statements::DROP_NOTE)?)
    }

    fn in_transaction(&self, work: impl FnOnce(&Connection) -> Result<(), TransferError>) -> Result<(), TransferError> {
        let transaction = self.0.unchecked_transaction()?;
        work(&transaction)?;
        Ok(transaction.commit()?)
    }
}

fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn read(table: &Table, columns: &[Column], row: &rusqlite::Row<'_>) -> Result<Row, TransferError> {
    let value = |(index, column): (usize, &Column)| {
        let unreadable = || TransferError::Unreadable { table: table.name, column: column.name };
        Ok(match (row.get::<_, Stored>(index)?, column.kind) {
            (Stored::Null, _) => Value::Null,
            (Stored::Integer(number), Kind::Integer) => Value::Integer(number),
            (Stored::Integer(truth @ (0 | 1)), Kind::Boolean) => Value::Boolean(truth == 1),
            (Stored::Text(text), Kind::Text) => Value::Text(text),
            (Stored::Blob(bytes), Kind::Bytes) => Value::Bytes(bytes),
            (Stored::Blob(bytes), Kind::Uuid) => Value::Uuid(bytes.try_into().map_err(|_| unreadable())?),
            _ => return Err(unreadable()),
        })
    };
    columns.iter().enumerate().map(value).collect()
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Null => Ok(ToSqlOutput::Owned(Stored::Null)),
            Self::Integer(number) => number.to_sql(),
            Self::Boolean(truth) => truth.to_sql(),
            Self::Text(text) => text.to_sql(),
            Self::Bytes(bytes) => bytes.to_sql(),
            Self::Uuid(bytes) => bytes.as_slice().to_sql(),
        }
    }
}
