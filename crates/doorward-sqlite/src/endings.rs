//! What access tokens must not outlive.

use doorward::clock::Timestamp;
use doorward::revocation::{Ending, EndingKind, EndingPosition};
use doorward::session::SessionId;
use doorward::store::ENDINGS_AT_ONCE;
use doorward::user::UserId;
use rusqlite::{Connection, params};

use crate::error::Fault;
use crate::rows;

const INSERT: &str = "
    INSERT INTO endings (at, kind, session_id, user_id, role) VALUES (?1, ?2, ?3, ?4, ?5)";

const LIST_AFTER: &str = "
    SELECT position, at, kind, session_id, user_id, role FROM endings WHERE position > ?1 ORDER BY position LIMIT ?2";

/// The highest position that was ever given, whatever was removed since.
const HIGHEST: &str = "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'endings'";

const LIST_OF: &str = "
    SELECT position, at, kind, session_id, user_id, role FROM endings WHERE user_id = ?1
    UNION ALL
    SELECT position, at, kind, session_id, user_id, role FROM endings WHERE session_id = ?2
    ORDER BY position";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[INSERT, LIST_AFTER, HIGHEST, LIST_OF];

/// Records an ending, in the transaction of what it is about.
pub(crate) fn record(connection: &Connection, what: EndingKind, at: Timestamp) -> Result<(), Fault> {
    let (kind, session, user, role) = match what {
        EndingKind::Session(id) => ("session", Some(*id.as_uuid().as_bytes()), None, None),
        EndingKind::Deactivated(id) => ("deactivated", None, Some(id.value()), None),
        EndingKind::Reactivated(id) => ("reactivated", None, Some(id.value()), None),
        EndingKind::RoleChanged(id, role) => ("role_changed", None, Some(id.value()), Some(role.as_str())),
    };
    connection.prepare_cached(INSERT)?.execute(params![at.micros(), kind, session, user, role])?;
    Ok(())
}

/// The endings after `position`. Positions are given and committed by one writer at a time, so none
/// appears below one that was already seen.
pub(crate) fn list_after(
    connection: &Connection,
    position: EndingPosition,
) -> Result<(Vec<Ending>, EndingPosition), Fault> {
    let mut statement = connection.prepare_cached(LIST_AFTER)?;
    let limit = i64::try_from(ENDINGS_AT_ONCE).unwrap_or(i64::MAX);
    let endings: Vec<_> = statement.query_and_then([position.0, limit], rows::ending)?.collect::<Result<_, Fault>>()?;
    let last = match endings.last() {
        Some(ending) => ending.position,
        None => position.min(EndingPosition(connection.prepare_cached(HIGHEST)?.query_row([], |row| row.get(0))?)),
    };
    Ok((endings, last))
}

/// The endings of one user and one session.
pub(crate) fn list_of(connection: &Connection, user: UserId, session: Option<SessionId>) -> Result<Vec<Ending>, Fault> {
    let mut statement = connection.prepare_cached(LIST_OF)?;
    let session = session.map(|session| *session.as_uuid().as_bytes());
    statement.query_and_then(params![user.value(), session], rows::ending)?.collect()
}
