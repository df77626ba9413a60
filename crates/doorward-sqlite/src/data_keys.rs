//! Data keys: a handful of rows, read often and written a few times in the life of a database.

use async_trait::async_trait;
use doorward::clock::Timestamp;
use doorward::store::StoreResult;
use doorward::store::data_keys::{DataKeyState, DataKeyStore, Neighbours, StoredDataKey};
use doorward::user::UserId;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::Fault;

const LIST: &str = "SELECT id, state, sealed, made_at FROM data_keys ORDER BY id";

const DELETE_ALL: &str = "DELETE FROM data_keys";

const INSERT: &str = "INSERT INTO data_keys (id, state, sealed, made_at) VALUES (?1, ?2, ?3, ?4)";

const LIST_SECOND_FACTORS: &str =
    "SELECT id FROM users WHERE second_factor IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2";

const COUNT_SECOND_FACTORS: &str = "SELECT count(*) FROM users WHERE second_factor IS NOT NULL";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[LIST, DELETE_ALL, INSERT, LIST_SECOND_FACTORS, COUNT_SECOND_FACTORS];

#[async_trait]
impl DataKeyStore for SqliteStore {
    async fn data_keys(&self) -> StoreResult<Vec<StoredDataKey>> {
        self.readers.read(list)
    }

    async fn replace_data_keys(&self, read: Vec<StoredDataKey>, new: Vec<StoredDataKey>) -> StoreResult<bool> {
        self.writer.write(move |connection| replace(connection, &read, &new)).await
    }

    async fn second_factors_after(&self, after: Option<UserId>, limit: u32) -> StoreResult<Vec<UserId>> {
        self.readers.scan(move |connection| list_second_factors(connection, after, limit)).await
    }

    async fn count_second_factors(&self) -> StoreResult<u64> {
        self.readers.scan(count_second_factors).await
    }

    async fn neighbours(&self) -> StoreResult<Neighbours> {
        Ok(Neighbours::Nobody)
    }
}

fn list(connection: &Connection) -> Result<Vec<StoredDataKey>, Fault> {
    connection.prepare_cached(LIST)?.query_and_then([], data_key)?.collect()
}

fn replace(connection: &Connection, read: &[StoredDataKey], new: &[StoredDataKey]) -> Result<bool, Fault> {
    if list(connection)? != read {
        return Ok(false);
    }
    connection.prepare_cached(DELETE_ALL)?.execute([])?;
    let mut insert = connection.prepare_cached(INSERT)?;
    for StoredDataKey { id, state, sealed, made_at } in new {
        insert.execute(params![id.as_bytes(), state.as_str(), sealed, made_at.micros()])?;
    }
    Ok(true)
}

fn list_second_factors(connection: &Connection, after: Option<UserId>, limit: u32) -> Result<Vec<UserId>, Fault> {
    let mut list = connection.prepare_cached(LIST_SECOND_FACTORS)?;
    let after = after.map_or(0, UserId::value);
    let ids =
        list.query_and_then(params![after, limit], |row| UserId::new(row.get(0)?).ok_or(Fault::Unreadable("user id")))?;
    ids.collect()
}

fn count_second_factors(connection: &Connection) -> Result<u64, Fault> {
    let count: i64 = connection.prepare_cached(COUNT_SECOND_FACTORS)?.query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn data_key(row: &Row<'_>) -> Result<StoredDataKey, Fault> {
    let state: String = row.get(1)?;
    Ok(StoredDataKey {
        id: Uuid::from_bytes(row.get(0)?),
        state: DataKeyState::parse(&state).ok_or(Fault::Unreadable("state of a data key"))?,
        sealed: row.get(2)?,
        made_at: Timestamp::from_micros(row.get(3)?),
    })
}
