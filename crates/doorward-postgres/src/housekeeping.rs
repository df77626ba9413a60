//! Removing the dead, and telling whether the database still serves.

use std::sync::Mutex;
use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::store::PurgeBounds;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::connection::Database;
use crate::error::Fault;
use crate::statement::{Connection, Statement};

/// Keeps house if nobody else does; says how many pages the table of sessions has. The turn outlives the
/// pause between two rounds of the server, so that the same node goes on while it lives.
const TAKE_TURN: Statement = Statement {
    sql: "
    UPDATE housekeeping
    SET holder = coalesce($1, gen_random_uuid()), held_until = clock_timestamp() + interval '15 minutes'
    WHERE holder = $1 OR held_until < clock_timestamp()
    RETURNING holder, pg_relation_size('sessions') / current_setting('block_size')::bigint AS pages",
    types: &[Type::UUID],
};

/// No index leads to what expired, since every rotation would have to move its row in it: a few pages of
/// the table are read at a time. The outer condition is asked again of a row that was rotated meanwhile.
const DELETE_EXPIRED: Statement = Statement {
    sql: "
    DELETE FROM sessions
    WHERE handle = ANY (ARRAY(
        SELECT handle FROM sessions
        WHERE ctid >= $2::text::tid AND ctid < $3::text::tid AND expires_at < $1 LIMIT $4
    )) AND expires_at < $1",
    types: &[Type::INT8, Type::TEXT, Type::TEXT, Type::INT8],
};

const DELETE_ENDINGS: Statement = Statement {
    sql: "
    DELETE FROM endings
    WHERE position IN (SELECT position FROM endings WHERE at < $1 ORDER BY position LIMIT $2)",
    types: &[Type::INT8, Type::INT8],
};

const DELETE_EVENTS: Statement = Statement {
    sql: "
    DELETE FROM events
    WHERE position IN (SELECT position FROM events WHERE at < $1 ORDER BY at LIMIT $2)",
    types: &[Type::INT8, Type::INT8],
};

const DELETE_ABANDONED: Statement = Statement {
    sql: "
    DELETE FROM outbox
    WHERE id IN (SELECT id FROM outbox WHERE abandoned_at < $1 ORDER BY abandoned_at LIMIT $2)",
    types: &[Type::INT8, Type::INT8],
};

const PROBE: Statement = Statement { sql: "UPDATE probes SET checks = checks + 1", types: &[] };

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] =
    &[TAKE_TURN, DELETE_EXPIRED, DELETE_ENDINGS, DELETE_EVENTS, DELETE_ABANDONED, PROBE];

/// How many pages of the table one statement reads: two megabytes.
const SLICE: i64 = 256;
/// The time between two slices in which nothing was dead.
const PAUSE: Duration = Duration::from_millis(5);

/// How far a node has come in removing the dead.
#[derive(Debug, Default)]
pub(crate) struct Broom {
    held: Mutex<Held>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Held {
    turn: Option<Uuid>,
    page: i64,
}

impl Broom {
    /// Removes up to so many expired sessions and as many of each other kind; says how many went. None go while it is
    /// another node's turn.
    pub(crate) async fn sweep(&self, database: &Database, bounds: PurgeBounds) -> Result<u64, Fault> {
        let held = self.held();
        let taken = database.run(|connection| take_turn(connection, held.turn)).await?;
        let Some((turn, pages)) = taken else {
            self.hold(Held::default());
            return Ok(0);
        };
        let others = sweep_others(database, bounds).await?;
        let (mut page, mut sessions) = (held.page, 0);
        while page < pages {
            let left = u64::from(bounds.limit).saturating_sub(sessions);
            let gone =
                database.run(|connection| delete_expired(connection, bounds.sessions_before, page, left)).await?;
            sessions += gone;
            if gone >= left {
                self.hold(Held { turn: Some(turn), page });
                return Ok(sessions + others);
            }
            page += SLICE;
            self.hold(Held { turn: Some(turn), page });
            tokio::time::sleep(PAUSE).await;
        }
        self.hold(Held { turn: Some(turn), page: 0 });
        Ok(sessions + others)
    }

    fn held(&self) -> Held {
        *self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn hold(&self, held: Held) {
        *self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = held;
    }
}

async fn take_turn(connection: Connection, turn: Option<Uuid>) -> Result<Option<(Uuid, i64)>, Fault> {
    let row = connection.query_opt(&TAKE_TURN, &[&turn]).await?;
    row.map(|row| Ok((row.try_get("holder")?, row.try_get("pages")?))).transpose()
}

/// Everything but sessions.
async fn sweep_others(database: &Database, bounds: PurgeBounds) -> Result<u64, Fault> {
    let mut gone = 0;
    for (statement, before) in [
        (&DELETE_ENDINGS, Some(bounds.endings_before)),
        (&DELETE_EVENTS, bounds.events_before),
        (&DELETE_ABANDONED, Some(bounds.messages_before)),
    ] {
        if let Some(before) = before {
            gone += database.run(|connection| delete(connection, statement, before, bounds.limit)).await?;
        }
    }
    Ok(gone)
}

async fn delete(connection: Connection, statement: &Statement, before: Timestamp, limit: u32) -> Result<u64, Fault> {
    connection.execute(statement, &[&before.micros(), &i64::from(limit)]).await
}

async fn delete_expired(connection: Connection, before: Timestamp, page: i64, limit: u64) -> Result<u64, Fault> {
    let (first, end) = (format!("({page},0)"), format!("({},0)", page + SLICE));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection.execute(&DELETE_EXPIRED, &[&before.micros(), &first, &end, &limit]).await
}

/// Fails when the tables cannot be read, or nothing can be written: on a standby, or a full disk.
pub(crate) async fn check(connection: Connection) -> Result<(), Fault> {
    match connection.execute(&PROBE, &[]).await? {
        1 => Ok(()),
        _ => Err(Fault::Unreadable("row of the readiness check")),
    }
}
