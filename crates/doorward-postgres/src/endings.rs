//! What access tokens must not outlive.
//!
//! The statements that end something record it themselves; see `sessions.rs` and `users.rs`.

use std::sync::atomic::{AtomicBool, Ordering};

use doorward::revocation::{Ending, EndingPosition, Epoch};
use doorward::session::SessionId;
use doorward::store::ENDINGS_AT_ONCE;
use doorward::user::UserId;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::error::Fault;
use crate::rows;
use crate::statement::{Connection, Statement, Value};

const LIST_AFTER: Statement = Statement {
    sql: "
    SELECT position, at, kind, session_id, user_id, role FROM endings WHERE position > $1 ORDER BY position LIMIT $2",
    types: &[Type::INT8, Type::INT8],
};

/// The highest position that was ever given, or a little more: sequences are not rolled back.
const HIGHEST: Statement =
    Statement { sql: "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ending_positions", types: &[] };

/// Which server, and which tables: those of a restored database have other numbers, and a promoted standby goes on a
/// timeline of its own.
const EPOCH: Statement = Statement {
    sql: "
    SELECT hashtextextended(concat_ws(' ', current_database(), to_regclass('endings')::oid,
        left(pg_walfile_name(pg_current_wal_lsn()), 8)), 0)",
    types: &[],
};

/// The same of a server that tells nobody where its log is, as some that are no plain PostgreSQL.
const EPOCH_WITHOUT_TIMELINE: Statement = Statement {
    sql: "SELECT hashtextextended(concat_ws(' ', current_database(), to_regclass('endings')::oid), 0)",
    types: &[],
};

const LIST_OF: Statement = Statement {
    sql: "
    SELECT position, at, kind, session_id, user_id, role FROM endings WHERE user_id = $1
    UNION ALL
    SELECT position, at, kind, session_id, user_id, role FROM endings WHERE session_id = $2
    ORDER BY position",
    types: &[Type::INT8, Type::UUID],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] = &[LIST_AFTER, HIGHEST, EPOCH, EPOCH_WITHOUT_TIMELINE, LIST_OF];

/// The endings after `position`. Positions are committed in the order in which they are given (see
/// `next_ending_position` in the migrations), so none appears below one that was already seen.
pub(crate) async fn list_after(
    connection: Connection,
    position: EndingPosition,
) -> Result<(Vec<Ending>, EndingPosition), Fault> {
    let limit = i64::try_from(ENDINGS_AT_ONCE).unwrap_or(i64::MAX);
    let after: [Value<'_>; 2] = [&position.0, &limit];
    // Sent together: it costs one trip.
    let (rows, highest) = tokio::try_join!(connection.query(&LIST_AFTER, &after), connection.query(&HIGHEST, &[]))?;
    let endings: Vec<_> = rows.iter().map(rows::ending).collect::<Result<_, Fault>>()?;
    let highest = highest.first().map_or(Ok(0), |row| row.try_get(0))?;
    let last = endings.last().map_or(position.min(EndingPosition(highest)), |ending| ending.position);
    Ok((endings, last))
}

/// Which history the server tells.
pub(crate) async fn epoch(connection: Connection, knows_timeline: &AtomicBool) -> Result<Epoch, Fault> {
    if knows_timeline.load(Ordering::Relaxed) {
        match connection.query_opt(&EPOCH, &[]).await {
            Err(Fault::Refused { state, message, .. }) if is_kept_from_us(&state) => {
                tracing::warn!(
                    event = "timeline_unknown",
                    reason = message,
                    "a promoted standby is told by positions alone"
                );
                knows_timeline.store(false, Ordering::Relaxed);
            }
            row => return epoch_in(row?),
        }
    }
    epoch_in(connection.query_opt(&EPOCH_WITHOUT_TIMELINE, &[]).await?)
}

fn is_kept_from_us(state: &SqlState) -> bool {
    let states = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::INSUFFICIENT_PRIVILEGE, SqlState::UNDEFINED_FUNCTION];
    states.contains(state)
}

fn epoch_in(row: Option<Row>) -> Result<Epoch, Fault> {
    Ok(Epoch(row.ok_or(Fault::Unreadable("epoch"))?.try_get(0)?))
}

/// The endings of one user and one session.
pub(crate) async fn list_of(
    connection: Connection,
    user: UserId,
    session: Option<SessionId>,
) -> Result<Vec<Ending>, Fault> {
    let session = session.map(|session| *session.as_uuid());
    let rows = connection.query(&LIST_OF, &[&user.value(), &session]).await?;
    rows.iter().map(rows::ending).collect()
}
