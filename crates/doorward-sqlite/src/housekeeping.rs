//! Removing the dead, and telling whether the database still serves.

use doorward::clock::Timestamp;
use doorward::store::PurgeBounds;
use rusqlite::{Connection, params};

use crate::error::Fault;

const FIND_EXPIRED: &str = "SELECT handle FROM sessions WHERE expires_at < ?1 LIMIT ?2";

const DELETE_EXPIRED: &str = "DELETE FROM sessions WHERE handle = ?1 AND expires_at < ?2";

const DELETE_ENDINGS: &str = "
    DELETE FROM endings
    WHERE position IN (SELECT position FROM endings WHERE at < ?1 ORDER BY position LIMIT ?2)";

const DELETE_EVENTS: &str = "
    DELETE FROM events WHERE position IN (SELECT position FROM events WHERE at < ?1 ORDER BY at, position LIMIT ?2)";

const DELETE_MESSAGES: &str = "
    DELETE FROM outbox
    WHERE id IN (SELECT id FROM outbox WHERE abandoned_at IS NOT NULL AND abandoned_at < ?1 LIMIT ?2)";

const READ_PROBE: &str = "SELECT count(*) FROM probes";

const INSERT_PROBE: &str = "INSERT INTO probes (room) VALUES (zeroblob(8192))";

const DELETE_PROBES: &str = "DELETE FROM probes";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    FIND_EXPIRED,
    DELETE_EXPIRED,
    DELETE_ENDINGS,
    DELETE_EVENTS,
    DELETE_MESSAGES,
    READ_PROBE,
    INSERT_PROBE,
    DELETE_PROBES,
];

/// Handles of up to `limit` sessions that expired before `before`. No index leads to them, since every
/// rotation would have to move its row in it: this goes through the table, so not on the writer.
pub(crate) fn find_expired(connection: &Connection, before: Timestamp, limit: u32) -> Result<Vec<[u8; 16]>, Fault> {
    let mut statement = connection.prepare_cached(FIND_EXPIRED)?;
    let handles = statement.query_map(params![before.micros(), limit], |row| row.get(0))?;
    Ok(handles.collect::<Result<_, _>>()?)
}

/// Removes those of the `candidates` that are still expired, and what else is past its bound; says how many went.
pub(crate) fn purge(connection: &Connection, candidates: &[[u8; 16]], bounds: &PurgeBounds) -> Result<u64, Fault> {
    let delete = |statement, before: Timestamp| {
        Ok::<_, Fault>(connection.prepare_cached(statement)?.execute(params![before.micros(), bounds.limit])?)
    };
    let mut gone = delete(DELETE_ENDINGS, bounds.endings_before)?;
    gone += delete(DELETE_MESSAGES, bounds.messages_before)?;
    if let Some(before) = bounds.events_before {
        gone += delete(DELETE_EVENTS, before)?;
    }
    let mut delete_expired = connection.prepare_cached(DELETE_EXPIRED)?;
    for handle in candidates {
        gone += delete_expired.execute(params![handle, bounds.sessions_before.micros()])?;
    }
    Ok(gone as u64)
}

/// Fails when the tables cannot be read.
pub(crate) fn check_reading(connection: &Connection) -> Result<(), Fault> {
    connection.prepare_cached(READ_PROBE)?.query_row([], |_| Ok(()))?;
    Ok(())
}

/// Fails when nothing can be written, or there is no room: takes two pages and gives them back. Meant to
/// be committed, for only that shows a full disk.
pub(crate) fn check_writing(connection: &Connection) -> Result<(), Fault> {
    connection.prepare_cached(INSERT_PROBE)?.execute([])?;
    connection.prepare_cached(DELETE_PROBES)?.execute([])?;
    Ok(())
}
