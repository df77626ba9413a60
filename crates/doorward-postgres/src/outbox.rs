//! The outbox: each message to one worker at a time, over all nodes.

use doorward::Timestamp;
use doorward::outbox::{Delivery, Message, OutboxStatistics, Taking};
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows;
use crate::statement::{Connection, Statement, Value};

/// What another takes at this moment is passed over; what it has taken is due no more when it is looked at again.
const TAKE: Statement = Statement {
    sql: "
    WITH due AS MATERIALIZED (
        SELECT id, due_at FROM outbox WHERE abandoned_at IS NULL AND kind = $4 AND due_at <= $1
        ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE outbox SET due_at = $2, attempts = attempts + 1 FROM due WHERE outbox.id = due.id
        RETURNING outbox.id, kind, user_id, sealed, created_at, attempts, due.due_at
    )
    SELECT id, kind, user_id, sealed, created_at, attempts FROM taken ORDER BY due_at, id",
    types: &[Type::INT8, Type::INT8, Type::INT8, Type::TEXT],
};

const DONE: Statement = Statement { sql: "DELETE FROM outbox WHERE id = $1", types: &[Type::UUID] };

const AGAIN: Statement =
    Statement { sql: "UPDATE outbox SET due_at = $2 WHERE id = $1", types: &[Type::UUID, Type::INT8] };

const ABANDON: Statement = Statement {
    sql: "UPDATE outbox SET abandoned_at = $2, sealed = '' WHERE id = $1",
    types: &[Type::UUID, Type::INT8],
};

const COUNT: Statement = Statement {
    sql: "
    SELECT count(*) FILTER (WHERE abandoned_at IS NULL) AS waiting,
        min(created_at) FILTER (WHERE abandoned_at IS NULL) AS oldest,
        count(abandoned_at) AS abandoned
    FROM outbox",
    types: &[],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] = &[TAKE, DONE, AGAIN, ABANDON, COUNT];

pub(crate) async fn take(connection: Connection, taking: Taking) -> Result<Vec<Message>, Fault> {
    let (now, leased_until, limit) = (taking.now.micros(), taking.leased_until.micros(), i64::from(taking.limit));
    let values: [Value<'_>; 4] = [&now, &leased_until, &limit, &taking.kind.as_str()];
    connection.query(&TAKE, &values).await?.iter().map(rows::message).collect()
}

pub(crate) async fn settle(connection: Connection, id: Uuid, delivery: Delivery) -> Result<(), Fault> {
    match delivery {
        Delivery::Done => connection.execute(&DONE, &[&id]).await?,
        Delivery::Again(due_at) => connection.execute(&AGAIN, &[&id, &due_at.micros()]).await?,
        Delivery::Abandoned(at) => connection.execute(&ABANDON, &[&id, &at.micros()]).await?,
    };
    Ok(())
}

pub(crate) async fn statistics(connection: Connection) -> Result<OutboxStatistics, Fault> {
    let row = connection.query_opt(&COUNT, &[]).await?.ok_or(Fault::Unreadable("count of the outbox"))?;
    Ok(OutboxStatistics {
        waiting: row.try_get::<_, i64>("waiting")?.unsigned_abs(),
        oldest: row.try_get::<_, Option<i64>>("oldest")?.map(Timestamp::from_micros),
        abandoned: row.try_get::<_, i64>("abandoned")?.unsigned_abs(),
    })
}
