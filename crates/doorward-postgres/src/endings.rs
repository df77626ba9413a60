//! What access tokens must not outlive.
//!
//! The statements that end something record it themselves; see `sessions.rs` and `users.rs`.

use deadpool_postgres::Client;
use doorward::revocation::{Ending, EndingPosition};

use crate::error::Fault;
use crate::rows;

const LIST_AFTER: &str = "
    SELECT position, at, kind, session_id, user_id, role FROM endings WHERE position > $1 ORDER BY position";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[LIST_AFTER];

/// The endings after `position`. Positions are committed in the order in which they are given (see
/// `next_ending_position` in the migrations), so none appears below one that was already seen.
pub(crate) async fn list_after(
    client: Client,
    position: EndingPosition,
) -> Result<(Vec<Ending>, EndingPosition), Fault> {
    let statement = client.prepare_cached(LIST_AFTER).await?;
    let rows = client.query(&statement, &[&position.0]).await?;
    let endings: Vec<_> = rows.iter().map(rows::ending).collect::<Result<_, Fault>>()?;
    let last = endings.last().map_or(position, |ending| ending.position);
    Ok((endings, last))
}
