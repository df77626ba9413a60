//! The table of another application, in PostgreSQL.

use doorward_postgres::transfer::TransferClient;
use tokio_postgres::Row;

use super::{BATCH, RawRow, Reading, Shape};
use crate::TransferError;

/// Text, so that types need no list: enumerations, UUIDs, whole numbers of any width, moments with zone or without.
const COLUMNS: &str = "
    SELECT attname::text FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

pub(super) struct TableRows {
    client: TransferClient,
    shape: Shape,
    total: u64,
    line: u64,
}

impl TableRows {
    /// Everything is read as it is at this moment, and nothing can be changed.
    pub(super) async fn open(url: &str, table: &str, reading: &Reading) -> Result<Self, TransferError> {
        let client = TransferClient::to_any(url).await?;
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        client.batch_execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'").await?;
        let quoted: Vec<_> = table.split('.').map(quoted).collect();
        let table = quoted.join(".");
        let names: Vec<String> = client.query(COLUMNS, &[&table]).await?.iter().map(|row| row.get(0)).collect();
        if names.is_empty() {
            return Err(TransferError::Input(format!("there is no table {table} in {}", client.name())));
        }
        let shape = Shape::find(&names, reading)?;
        let total: i64 = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?.try_get(0)?;
        let values: Vec<_> = names.iter().map(|name| format!("{}::text", self::quoted(name))).collect();
        // With the table's name: alone it would mean the text that is selected, and 12 come before 7.
        let column = |name: &String| format!("{table}.{}", self::quoted(name));
        let order = shape.id().and_then(|place| names.get(place)).map_or("1".to_owned(), column);
        let declare =
            format!("DECLARE accounts NO SCROLL CURSOR FOR SELECT {} FROM {table} ORDER BY {order}", values.join(", "));
        client.batch_execute(&declare).await?;
        Ok(Self { client, shape, total: total.unsigned_abs(), line: 0 })
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    pub(super) async fn next_rows(&mut self) -> Result<Vec<RawRow>, TransferError> {
        let rows = self.client.query(&format!("FETCH {BATCH} FROM accounts"), &[]).await?;
        Ok(rows.iter().map(|row| self.raw(row)).collect())
    }

    fn raw(&mut self, row: &Row) -> RawRow {
        self.line += 1;
        let fields = self.shape.fields(|place| row.try_get::<_, Option<String>>(place).ok().flatten());
        RawRow { line: self.line, fields }
    }
}

/// A name as SQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
