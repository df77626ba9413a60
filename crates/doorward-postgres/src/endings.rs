//! What access tokens must not outlive.
//!
//! The statements that end something record it themselves; see `sessions.rs` and `users.rs`.

use doorward::revocation::{Ending, EndingPosition};
use doorward::session::SessionId;
use doorward::store::ENDINGS_AT_ONCE;
use doorward::user::UserId;
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

const LIST_OF: Statement = Statement {
    sql: "
    SELECT position, at, kind, session_id, user_id, role FROM endings WHERE user_id = $1
    UNION ALL
    SELECT position, at, kind, session_id, user_id, role FROM endings WHERE session_id = $2
    ORDER BY position",
    types: &[Type::INT8, Type::UUID],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] = &[LIST_AFTER, HIGHEST, LIST_OF];

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
