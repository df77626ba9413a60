//! The PostgreSQL side.

use doorward_postgres::transfer::{TransferClient, UNFINISHED_COPY};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::TransferError;
use crate::side::{Begun, statements};
use crate::tables::{Column, Kind, TABLES, Table, names};
use crate::value::{Row, Value};

pub(crate) struct PostgresSide(TransferClient);

impl PostgresSide {
    /// All is read within one transaction that keeps writers out; it ends with the connection.
    pub(crate) async fn source(url: &str) -> Result<Self, TransferError> {
        let client = TransferClient::to_source(url).await?;
        let tables: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        // The lock comes before the snapshot, which the first question takes.
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        client.batch_execute(&format!("LOCK TABLE {} IN SHARE MODE", tables.join(", "))).await?;
        Ok(Self(client))
    }

    pub(crate) async fn target(url: &str) -> Result<Self, TransferError> {
        Ok(Self(TransferClient::to_target(url).await?))
    }

    pub(crate) async fn count(&self, table: &Table) -> Result<u64, TransferError> {
        let row = self.0.query_one(&format!("SELECT count(*) FROM {}", table.name), &[]).await?;
        Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
    }

    pub(crate) async fn rows_after(
        &self,
        table: &Table,
        key: Option<&[Value]>,
        limit: u32,
    ) -> Result<Vec<Row>, TransferError> {
        let columns: Vec<_> = table.columns.iter().map(cast).collect();
        let order = ordered(table, "");
        let beyond = match key {
            Some(key) => format!("WHERE ({}) > ({})", names(table.key()), places(&table.key()[..key.len()], "")),
            None => String::new(),
        };
        let select =
            format!("SELECT {} FROM {} {beyond} ORDER BY {order} LIMIT {limit}", columns.join(", "), table.name);
        let values: Vec<&(dyn ToSql + Sync)> =
            key.unwrap_or_default().iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = self.0.query(&select, &values).await?;
        rows.iter().map(|row| read(table.columns, row)).collect()
    }

    pub(crate) async fn last_key(&self, table: &Table) -> Result<Option<Vec<Value>>, TransferError> {
        let columns: Vec<_> = table.key().iter().map(cast).collect();
        let order = ordered(table, " DESC");
        let select = format!("SELECT {} FROM {} ORDER BY {order} LIMIT 1", columns.join(", "), table.name);
        self.0.query_opt(&select, &[]).await?.map(|row| read(table.key(), &row)).transpose()
    }

    /// A column at a time, as arrays: one statement, whatever the number of rows.
    pub(crate) async fn insert(&self, table: &Table, rows: Vec<Row>) -> Result<(), TransferError> {
        let mut arrays: Vec<Array> = table.columns.iter().map(|column| Array::of(column.kind)).collect();
        for row in rows {
            for ((value, array), column) in row.into_iter().zip(&mut arrays).zip(table.columns) {
                if !array.push(value) {
                    return Err(TransferError::Unreadable { table: table.name, column: column.name });
                }
            }
        }
        let names = table.column_names();
        let places = places(table.columns, "[]");
        let insert = format!("INSERT INTO {} ({names}) SELECT * FROM unnest({places})", table.name);
        let values: Vec<_> = arrays.iter().map(Array::as_value).collect();
        self.0.execute(&insert, &values).await?;
        Ok(())
    }

    pub(crate) async fn last_number(&self, sequence: &str) -> Result<Option<i64>, TransferError> {
        let select = format!("SELECT CASE WHEN is_called THEN last_value END FROM {sequence}");
        Ok(self.0.query_one(&select, &[]).await?.try_get(0)?)
    }

    pub(crate) async fn set_last_number(&self, sequence: &str, number: i64) -> Result<(), TransferError> {
        self.0.execute("SELECT setval($1::text::regclass, $2)", &[&sequence, &number]).await?;
        Ok(())
    }

    pub(crate) async fn begun(&self) -> Result<Option<Begun>, TransferError> {
        let exists = "SELECT to_regclass($1::text) IS NOT NULL";
        if !self.0.query_one(exists, &[&UNFINISHED_COPY]).await?.try_get::<_, bool>(0)? {
            return Ok(None);
        }
        let rows = self.0.query(statements::SELECT_NOTE, &[]).await?;
        let noted = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?.unsigned_abs()));
        rows.iter().map(noted).collect::<Result<_, TransferError>>().map(Some)
    }

    pub(crate) async fn begin(&mut self, counts: &[(&'static str, u64)]) -> Result<(), TransferError> {
        let transaction = self.0.transaction().await?;
        transaction.batch_execute(statements::CREATE_NOTE).await?;
        for (table, count) in counts {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            transaction.execute(statements::INSERT_NOTE, &[table, &count]).await?;
        }
        transaction.commit().await?;
        // Who sees the note doesn't start; who looked before it was there is connected by now.
        if let Err(in_use) = self.0.require_alone().await {
            self.0.batch_execute(statements::DROP_NOTE).await?;
            return Err(in_use.into());
        }
        Ok(())
    }

    pub(crate) async fn clear(&mut self) -> Result<(), TransferError> {
        let transaction = self.0.transaction().await?;
        for table in TABLES.iter().rev() {
            transaction.batch_execute(&format!("DELETE FROM {}", table.name)).await?;
        }
        transaction.batch_execute(statements::DROP_NOTE).await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn finish(&self) -> Result<(), TransferError> {
        self.0.batch_execute(statements::DROP_NOTE).await?;
        // What the planner believes of tables that were empty a moment ago would mislead the first logins.
        for table in TABLES {
            self.0.batch_execute(&format!("ANALYZE {}", table.name)).await?;
        }
        Ok(())
    }
}

const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "bigint",
        Kind::Boolean => "boolean",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Uuid => "uuid",
    }
}

fn cast(column: &Column) -> String {
    format!("{}::{}", column.name, type_of(column.kind))
}

/// The key's columns to order by: text byte by byte, as SQLite has it.
fn ordered(table: &Table, direction: &str) -> String {
    let column = |column: &Column| match column.kind {
        Kind::Text => format!("{} COLLATE \"C\"{direction}", column.name),
        _ => format!("{}{direction}", column.name),
    };
    table.key().iter().map(column).collect::<Vec<_>>().join(", ")
}

fn places(columns: &[Column], suffix: &str) -> String {
    let place = |(index, column): (usize, &Column)| match column.kind {
        Kind::Text if suffix.is_empty() => format!("${}::text COLLATE \"C\"", index + 1),
        kind => format!("${}::{}{suffix}", index + 1, type_of(kind)),
    };
    columns.iter().enumerate().map(place).collect::<Vec<_>>().join(", ")
}

fn read(columns: &[Column], row: &tokio_postgres::Row) -> Result<Row, TransferError> {
    let value = |(index, column): (usize, &Column)| {
        let value = match column.kind {
            Kind::Integer => row.try_get::<_, Option<i64>>(index)?.map(Value::Integer),
            Kind::Boolean => row.try_get::<_, Option<bool>>(index)?.map(Value::Boolean),
            Kind::Text => row.try_get::<_, Option<String>>(index)?.map(Value::Text),
            Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(index)?.map(Value::Bytes),
            Kind::Uuid => row.try_get::<_, Option<Uuid>>(index)?.map(|uuid| Value::Uuid(uuid.into_bytes())),
        };
        Ok(value.unwrap_or(Value::Null))
    };
    columns.iter().enumerate().map(value).collect()
}

/// The values of one column.
enum Array {
    Integers(Vec<Option<i64>>),
    Booleans(Vec<Option<bool>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Uuids(Vec<Option<Uuid>>),
}

impl Array {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Integer => Self::Integers(Vec::new()),
            Kind::Boolean => Self::Booleans(Vec::new()),
            Kind::Text => Self::Texts(Vec::new()),
            Kind::Bytes => Self::Bytes(Vec::new()),
            Kind::Uuid => Self::Uuids(Vec::new()),
        }
    }

    /// Whether the value was of the column's kind.
    fn push(&mut self, value: Value) -> bool {
        match (self, value) {
            (Self::Integers(values), Value::Integer(number)) => values.push(Some(number)),
            (Self::Booleans(values), Value::Boolean(truth)) => values.push(Some(truth)),
            (Self::Texts(values), Value::Text(text)) => values.push(Some(text)),
            (Self::Bytes(values), Value::Bytes(bytes)) => values.push(Some(bytes)),
            (Self::Uuids(values), Value::Uuid(bytes)) => values.push(Some(Uuid::from_bytes(bytes))),
            (Self::Integers(values), Value::Null) => values.push(None),
            (Self::Booleans(values), Value::Null) => values.push(None),
            (Self::Texts(values), Value::Null) => values.push(None),
            (Self::Bytes(values), Value::Null) => values.push(None),
            (Self::Uuids(values), Value::Null) => values.push(None),
            _ => return false,
        }
        true
    }

    fn as_value(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Integers(values) => values,
            Self::Booleans(values) => values,
            Self::Texts(values) => values,
            Self::Bytes(values) => values,
            Self::Uuids(values) => values,
        }
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &tokio_postgres::types::Type,
        out: &mut tokio_postgres::types::private::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(tokio_postgres::types::IsNull::Yes),
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Boolean(truth) => truth.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
            Self::Uuid(bytes) => Uuid::from_bytes(*bytes).to_sql(kind, out),
        }
    }

    // Every place has a cast to the kind of its column.
    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}
