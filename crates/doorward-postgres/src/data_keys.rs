//! Data keys: a handful of rows, read often and written a few times in the life of a database.

use async_trait::async_trait;
use doorward::Timestamp;
use doorward::store::StoreResult;
use doorward::store::data_keys::{DataKeyState, DataKeyStore, Neighbours, StoredDataKey};
use doorward::user::UserId;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::PostgresStore;
use crate::error::Fault;
use crate::statement::{Connection, Statement, Value};
use crate::transaction::{Step, in_transaction};

const LIST: Statement = Statement { sql: "SELECT id, state, sealed, made_at FROM data_keys ORDER BY id", types: &[] };

/// Who replaces them does so alone; who reads isn't held up.
const LOCK: Statement = Statement { sql: "LOCK TABLE data_keys IN SHARE ROW EXCLUSIVE MODE", types: &[] };

/// Replaces the rows where they still are what was read. One statement: what it deletes and what it inserts are found
/// before either happens, and a row of both is only updated.
const REPLACE: Statement = Statement {
    sql: "
    WITH read AS (
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS read (id, state, sealed)
    ), as_read AS (
        SELECT (SELECT count(*) FROM data_keys) = (SELECT count(*) FROM read)
            AND NOT EXISTS (SELECT id, state, sealed FROM read EXCEPT SELECT id, state, sealed FROM data_keys) AS holds
    ), new AS (
        SELECT * FROM unnest($4::uuid[], $5::text[], $6::bytea[], $7::bigint[]) AS new (id, state, sealed, made_at)
        WHERE (SELECT holds FROM as_read)
    ), gone AS (
        DELETE FROM data_keys WHERE (SELECT holds FROM as_read) AND id NOT IN (SELECT id FROM new)
    ), put AS (
        INSERT INTO data_keys (id, state, sealed, made_at) SELECT id, state, sealed, made_at FROM new
        ON CONFLICT (id) DO UPDATE SET state = excluded.state, sealed = excluded.sealed
    )
    SELECT holds FROM as_read",
    types: &[
        Type::UUID_ARRAY,
        Type::TEXT_ARRAY,
        Type::BYTEA_ARRAY,
        Type::UUID_ARRAY,
        Type::TEXT_ARRAY,
        Type::BYTEA_ARRAY,
        Type::INT8_ARRAY,
    ],
};

const LIST_SECOND_FACTORS: Statement = Statement {
    sql: "SELECT id FROM users WHERE second_factor IS NOT NULL AND id > $1 ORDER BY id LIMIT $2",
    types: &[Type::INT8, Type::INT8],
};

const COUNT_SECOND_FACTORS: Statement =
    Statement { sql: "SELECT count(*) FROM users WHERE second_factor IS NOT NULL", types: &[] };

/// Versions that know no data keys call themselves by the bare name.
const IS_OLDER_CONNECTED: Statement = Statement {
    sql: "
    SELECT EXISTS (
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'doorward'
    )",
    types: &[],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] =
    &[LIST, LOCK, REPLACE, LIST_SECOND_FACTORS, COUNT_SECOND_FACTORS, IS_OLDER_CONNECTED];

#[async_trait]
impl DataKeyStore for PostgresStore {
    async fn data_keys(&self) -> StoreResult<Vec<StoredDataKey>> {
        Ok(self.database.run(list).await?)
    }

    async fn replace_data_keys(&self, read: Vec<StoredDataKey>, new: Vec<StoredDataKey>) -> StoreResult<bool> {
        Ok(self.database.run(|connection| replace(connection, &read, &new)).await?)
    }

    async fn second_factors_after(&self, after: Option<UserId>, limit: u32) -> StoreResult<Vec<UserId>> {
        Ok(self.database.run(|connection| list_second_factors(connection, after, limit)).await?)
    }

    async fn count_second_factors(&self) -> StoreResult<u64> {
        Ok(self.database.run(count_second_factors).await?)
    }

    async fn neighbours(&self) -> StoreResult<Neighbours> {
        Ok(self.database.run(neighbours).await?)
    }
}

async fn list(connection: Connection) -> Result<Vec<StoredDataKey>, Fault> {
    connection.query(&LIST, &[]).await?.iter().map(data_key).collect()
}

async fn replace(connection: Connection, read: &[StoredDataKey], new: &[StoredDataKey]) -> Result<bool, Fault> {
    let (read, new) = (Columns::of(read), Columns::of(new));
    let values: [Value<'_>; 7] =
        [&read.ids, &read.states, &read.sealed, &new.ids, &new.states, &new.sealed, &new.made_at];
    let rows = in_transaction(&connection, &[Step::new(&LOCK, []), Step::new(&REPLACE, values)]).await?;
    let row = rows.last().and_then(|rows| rows.first()).ok_or(Fault::Unreadable("data keys"))?;
    Ok(row.try_get("holds")?)
}

async fn list_second_factors(connection: Connection, after: Option<UserId>, limit: u32) -> Result<Vec<UserId>, Fault> {
    let values: [Value<'_>; 2] = [&after.map_or(0, UserId::value), &i64::from(limit)];
    let rows = connection.query(&LIST_SECOND_FACTORS, &values).await?;
    rows.iter().map(|row| UserId::new(row.try_get("id")?).ok_or(Fault::Unreadable("user id"))).collect()
}

async fn count_second_factors(connection: Connection) -> Result<u64, Fault> {
    let row = connection.query_opt(&COUNT_SECOND_FACTORS, &[]).await?.ok_or(Fault::Unreadable("count"))?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}

async fn neighbours(connection: Connection) -> Result<Neighbours, Fault> {
    let row = connection.query_opt(&IS_OLDER_CONNECTED, &[]).await?.ok_or(Fault::Unreadable("neighbours"))?;
    Ok(if row.try_get(0)? { Neighbours::Older } else { Neighbours::Others })
}

fn data_key(row: &Row) -> Result<StoredDataKey, Fault> {
    Ok(StoredDataKey {
        id: row.try_get("id")?,
        state: DataKeyState::parse(row.try_get("state")?).ok_or(Fault::Unreadable("state of a data key"))?,
        sealed: row.try_get("sealed")?,
        made_at: Timestamp::from_micros(row.try_get("made_at")?),
    })
}

/// Rows as a statement takes them: a list of each column.
struct Columns<'a> {
    ids: Vec<uuid::Uuid>,
    states: Vec<&'static str>,
    sealed: Vec<&'a [u8]>,
    made_at: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn of(rows: &'a [StoredDataKey]) -> Self {
        Self {
            ids: rows.iter().map(|row| row.id).collect(),
            states: rows.iter().map(|row| row.state.as_str()).collect(),
            sealed: rows.iter().map(|row| &row.sealed[..]).collect(),
            made_at: rows.iter().map(|row| row.made_at.micros()).collect(),
        }
    }
}
