//! Removing the dead, and telling whether the database still serves.

use deadpool_postgres::Client;
use doorward::clock::Timestamp;

use crate::error::Fault;

/// No index leads to what expired, since every rotation would have to move its row in it: this goes
/// through the table. The outer condition is asked again of a row that was rotated meanwhile.
const DELETE_EXPIRED: &str = "
    DELETE FROM sessions
    WHERE handle = ANY (ARRAY(SELECT handle FROM sessions WHERE expires_at < $1 LIMIT $2)) AND expires_at < $1";

const DELETE_ENDINGS: &str = "
    DELETE FROM endings
    WHERE position IN (SELECT position FROM endings WHERE at < $1 ORDER BY position LIMIT $2)";

const PROBE: &str = "UPDATE probes SET checks = checks + 1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[DELETE_EXPIRED, DELETE_ENDINGS, PROBE];

/// Removes up to `limit` expired sessions and as many endings; says how many went.
pub(crate) async fn purge(
    client: Client,
    sessions_before: Timestamp,
    endings_before: Timestamp,
    limit: u32,
) -> Result<u64, Fault> {
    let delete_sessions = client.prepare_cached(DELETE_EXPIRED).await?;
    let delete_endings = client.prepare_cached(DELETE_ENDINGS).await?;
    let limit = i64::from(limit);
    let sessions = client.execute(&delete_sessions, &[&sessions_before.micros(), &limit]).await?;
    let endings = client.execute(&delete_endings, &[&endings_before.micros(), &limit]).await?;
    Ok(sessions + endings)
}

/// Fails when the tables cannot be read, or nothing can be written: on a standby, or a full disk.
pub(crate) async fn check(client: Client) -> Result<(), Fault> {
    let statement = client.prepare_cached(PROBE).await?;
    match client.execute(&statement, &[]).await? {
        1 => Ok(()),
        _ => Err(Fault::Unreadable("row of the readiness check")),
    }
}
