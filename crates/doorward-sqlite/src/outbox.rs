//! What is to be sent.

use async_trait::async_trait;
use doorward::account::Record;
use doorward::clock::Timestamp;
use doorward::outbox::{Delivery, Message, NewMessage, OutboxStatistics, Taking};
use doorward::store::{OutboxStore, StoreResult};
use doorward::user::UserId;
use rusqlite::{Connection, named_params, params};
use uuid::Uuid;

use crate::error::Fault;
use crate::{SqliteStore, events, rows};

const INSERT: &str = "
    INSERT INTO outbox (id, kind, user_id, created_at, due_at, sealed)
    VALUES (:id, :kind, :user_id, :created_at, :created_at, :sealed)";

const IS_ANY_DUE: &str =
    "SELECT EXISTS (SELECT 1 FROM outbox WHERE abandoned_at IS NULL AND kind = ?1 AND due_at <= ?2)";

const LIST_DUE: &str = "
    SELECT id FROM outbox WHERE abandoned_at IS NULL AND kind = ?1 AND due_at <= ?2 ORDER BY due_at, id LIMIT ?3";

const LEASE: &str = "
    UPDATE outbox SET due_at = ?2, attempts = attempts + 1 WHERE id = ?1
    RETURNING id, kind, user_id, created_at, attempts, sealed";

const DELETE: &str = "DELETE FROM outbox WHERE id = ?1";

const POSTPONE: &str = "UPDATE outbox SET due_at = ?2 WHERE id = ?1";

const ABANDON: &str = "UPDATE outbox SET abandoned_at = ?2, sealed = x'' WHERE id = ?1";

const DELETE_ALL_OF_USER: &str = "DELETE FROM outbox WHERE user_id = ?1";

const COUNT_WAITING: &str = "SELECT count(*), min(created_at) FROM outbox WHERE abandoned_at IS NULL";

const COUNT_ABANDONED: &str = "SELECT count(*) FROM outbox WHERE abandoned_at IS NOT NULL";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    INSERT,
    IS_ANY_DUE,
    LIST_DUE,
    LEASE,
    DELETE,
    POSTPONE,
    ABANDON,
    DELETE_ALL_OF_USER,
    COUNT_WAITING,
    COUNT_ABANDONED,
];

#[async_trait]
impl OutboxStore for SqliteStore {
    async fn record(&self, user: Option<UserId>, record: Record) -> StoreResult<()> {
        self.writer.write(move |connection| events::write(connection, user, None, &record)).await
    }

    async fn take_messages(&self, taking: Taking) -> StoreResult<Vec<Message>> {
        // Asked often, and nearly always in vain: that is no work for the writer.
        if !self.readers.read(|connection| is_any_due(connection, taking))? {
            return Ok(Vec::new());
        }
        self.writer.write(move |connection| take(connection, taking)).await
    }

    async fn settle_message(&self, id: Uuid, delivery: Delivery) -> StoreResult<()> {
        self.writer.write(move |connection| settle(connection, id, delivery)).await
    }

    async fn outbox_statistics(&self) -> StoreResult<OutboxStatistics> {
        self.readers.scan(count).await
    }
}

pub(crate) fn insert(connection: &Connection, user: Option<UserId>, message: &NewMessage) -> Result<(), Fault> {
    connection.prepare_cached(INSERT)?.execute(named_params! {
        ":id": message.id.as_bytes(),
        ":kind": message.kind.as_str(),
        ":user_id": user.map(UserId::value),
        ":created_at": message.created_at.micros(),
        ":sealed": message.sealed,
    })?;
    Ok(())
}

pub(crate) fn delete_all_of(connection: &Connection, user: UserId) -> Result<(), Fault> {
    connection.prepare_cached(DELETE_ALL_OF_USER)?.execute([user.value()])?;
    Ok(())
}

fn is_any_due(connection: &Connection, Taking { kind, now, .. }: Taking) -> Result<bool, Fault> {
    Ok(connection.prepare_cached(IS_ANY_DUE)?.query_row(params![kind.as_str(), now.micros()], |row| row.get(0))?)
}

fn take(connection: &Connection, taking: Taking) -> Result<Vec<Message>, Fault> {
    let mut list = connection.prepare_cached(LIST_DUE)?;
    let due = params![taking.kind.as_str(), taking.now.micros(), taking.limit];
    let due = list.query_map(due, |row| row.get::<_, [u8; 16]>(0))?;
    let due = due.collect::<Result<Vec<_>, _>>()?;
    let mut lease = connection.prepare_cached(LEASE)?;
    let mut taken = Vec::with_capacity(due.len());
    for id in due {
        let leased = lease.query_and_then(params![id, taking.leased_until.micros()], rows::message)?;
        taken.extend(leased.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(taken)
}

fn settle(connection: &Connection, id: Uuid, delivery: Delivery) -> Result<(), Fault> {
    let id = id.as_bytes();
    match delivery {
        Delivery::Done => connection.prepare_cached(DELETE)?.execute([id])?,
        Delivery::Again(due_at) => connection.prepare_cached(POSTPONE)?.execute(params![id, due_at.micros()])?,
        Delivery::Abandoned(at) => connection.prepare_cached(ABANDON)?.execute(params![id, at.micros()])?,
    };
    Ok(())
}

/// One transaction reads both: a message is never counted twice.
fn count(connection: &Connection) -> Result<OutboxStatistics, Fault> {
    let transaction = connection.unchecked_transaction()?;
    let (waiting, oldest) = transaction
        .prepare_cached(COUNT_WAITING)?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))?;
    let abandoned: i64 = transaction.prepare_cached(COUNT_ABANDONED)?.query_row([], |row| row.get(0))?;
    Ok(OutboxStatistics {
        waiting: waiting.unsigned_abs(),
        oldest: oldest.map(Timestamp::from_micros),
        abandoned: abandoned.unsigned_abs(),
    })
}
