//! Sessions: one row each, rewritten in place.

use doorward::clock::Timestamp;
use doorward::session::{Decision, EndReason, NewSession, RotationAttempt, Session, SessionId, decide};
use doorward::store::{Rotation, SessionOpening, VerifiedLogin};
use doorward::token::refresh::{SecretHash, SessionHandle};
use doorward::user::CredentialVersion;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::connection::in_transaction;
use crate::error::Fault;
use crate::rows;
use crate::statement::{Connection, Statement, Value};
use crate::users::UPDATE_PASSWORD_HASH;

/// The account is locked against a deactivation that would not see the new session.
const OPEN: Statement = Statement {
    sql: "
    WITH login AS (
        SELECT id, role, is_active, credential_version FROM users WHERE id = $1 FOR NO KEY UPDATE
    ), opened AS (
        INSERT INTO sessions (handle, id, user_id, created_at, current_hash, issued_at, expires_at)
        SELECT $3::bytea, $4::uuid, login.id, $5::bigint, $6::bytea, $5::bigint, $7::bigint
        FROM login WHERE is_active AND credential_version = $2
    )
    SELECT role, is_active, credential_version FROM login",
    types: &[Type::INT8, Type::INT8, Type::BYTEA, Type::UUID, Type::INT8, Type::BYTEA, Type::INT8],
};

const FIND: Statement = Statement {
    sql: "
    SELECT handle, sessions.id, user_id, sessions.created_at, current_hash, issued_at, expires_at,
           spent_hash, spent_at, sealed_successor, ended_at, ended_reason, role, is_active
    FROM sessions JOIN users ON users.id = user_id WHERE handle = $1",
    types: &[Type::BYTEA],
};

/// The step that `decide` comes to when nothing is the matter, tried before anything is looked at.
const ROTATE_GOOD: Statement = Statement {
    sql: "
    UPDATE sessions
    SET current_hash = $3, issued_at = $4, expires_at = $5, spent_hash = $2, spent_at = $4, sealed_successor = $6
    FROM users
    WHERE handle = $1 AND current_hash = $2 AND ended_at IS NULL AND expires_at > $4
        AND users.id = user_id AND users.is_active
    RETURNING sessions.id, user_id, role",
    types: &[Type::BYTEA, Type::BYTEA, Type::BYTEA, Type::INT8, Type::INT8, Type::BYTEA],
};

const ROTATE: Statement = Statement {
    sql: "
    UPDATE sessions
    SET current_hash = $3, issued_at = $4, expires_at = $5, spent_hash = $6, spent_at = $7, sealed_successor = $8
    WHERE handle = $1 AND current_hash = $2 AND ended_at IS NULL",
    types: &[Type::BYTEA, Type::BYTEA, Type::BYTEA, Type::INT8, Type::INT8, Type::BYTEA, Type::INT8, Type::BYTEA],
};

/// An expired session's access tokens are long dead: nothing to remember.
const END: Statement = Statement {
    sql: "
    WITH ended AS (
        UPDATE sessions SET ended_at = $2, ended_reason = $3
        WHERE handle = $1 AND ended_at IS NULL AND ($4::bytea IS NULL OR current_hash = $4)
        RETURNING id
    ), recorded AS (
        INSERT INTO endings (at, kind, session_id)
        SELECT $2::bigint, 'session', id FROM ended WHERE $3::text <> 'expired'
    )
    SELECT id FROM ended",
    types: &[Type::BYTEA, Type::INT8, Type::TEXT, Type::BYTEA],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] = &[OPEN, FIND, ROTATE_GOOD, ROTATE, END];

/// How often a session may change between the look at it and the step that was decided on.
const LOOKS: usize = 16;

pub(crate) async fn open(
    connection: Connection,
    login: &VerifiedLogin,
    new: &NewSession,
) -> Result<SessionOpening, Fault> {
    let open = async {
        let (id, version) = (login.user_id.value(), login.version.0);
        let (handle, current) = (&new.handle.as_bytes()[..], &new.current.as_bytes()[..]);
        let (created_at, expires_at) = (new.created_at.micros(), new.expires_at.micros());
        let values: [Value<'_>; 7] = [&id, &version, &handle, new.id.as_uuid(), &created_at, &current, &expires_at];
        connection.query_opt(&OPEN, &values).await
    };
    let row = match &login.upgraded_hash {
        None => open.await?,
        Some(hash) => {
            // Asked for beforehand, so that the transaction is sent in one go.
            connection.prepare(&OPEN).await?;
            connection.prepare(&UPDATE_PASSWORD_HASH).await?;
            let (id, version, hash) = (login.user_id.value(), login.version.0, hash.as_str());
            let values: [Value<'_>; 3] = [&id, &version, &hash];
            let upgrade = connection.execute(&UPDATE_PASSWORD_HASH, &values);
            in_transaction(&connection, open, upgrade).await?.0
        }
    };
    row.map_or(Ok(SessionOpening::CredentialChanged), |row| opening(&row, login.version))
}

/// A good token is rotated in one statement. Of any other the domain decides: it is looked at, and the step
/// taken if the session still is what was looked at; otherwise looked at again. No lock is held between the two.
pub(crate) async fn rotate(connection: Connection, attempt: &RotationAttempt) -> Result<Rotation, Fault> {
    if let Some(rotation) = rotate_good(&connection, attempt).await? {
        return Ok(rotation);
    }
    for _ in 0..LOOKS {
        let Some(seen) = find(&connection, attempt.handle).await? else { return Ok(Rotation::Invalid) };
        if let Some(rotation) = try_to_rotate(&connection, &seen, attempt).await? {
            return Ok(rotation);
        }
    }
    Err(Fault::Contended)
}

pub(crate) async fn end(
    connection: Connection,
    handle: SessionHandle,
    reason: EndReason,
    now: Timestamp,
) -> Result<Option<SessionId>, Fault> {
    end_if(&connection, handle, None, reason, now).await
}

/// `None` unless `decide` would say [`Decision::Rotate`]. That both agree is tested row by row.
async fn rotate_good(connection: &Connection, attempt: &RotationAttempt) -> Result<Option<Rotation>, Fault> {
    let (handle, presented) = (&attempt.handle.as_bytes()[..], &attempt.presented.as_bytes()[..]);
    let successor = &attempt.successor.as_bytes()[..];
    let (now, expires_at) = (attempt.now.micros(), attempt.now.plus(attempt.rules.lifetime).micros());
    let sealed = attempt.sealed_successor.as_ref().map(|sealed| &sealed.as_bytes()[..]);
    let values: [Value<'_>; 6] = [&handle, &presented, &successor, &now, &expires_at, &sealed];
    let rotated = |row: Row| {
        let (session, user_id) = (rows::session_id(&row, "id")?, rows::owner(&row)?);
        Ok(Rotation::Rotated { session, user_id, role: rows::role(&row)? })
    };
    connection.query_opt(&ROTATE_GOOD, &values).await?.map(rotated).transpose()
}

struct Seen {
    session: Session,
    role: doorward::Role,
    user_is_active: bool,
}

async fn find(connection: &Connection, handle: SessionHandle) -> Result<Option<Seen>, Fault> {
    let row = connection.query_opt(&FIND, &[&&handle.as_bytes()[..]]).await?;
    let seen = |row: Row| {
        Ok(Seen { session: rows::session(&row)?, role: rows::role(&row)?, user_is_active: row.try_get("is_active")? })
    };
    row.map(seen).transpose()
}

/// `None` when the session is no longer as it was seen.
async fn try_to_rotate(
    connection: &Connection,
    seen: &Seen,
    attempt: &RotationAttempt,
) -> Result<Option<Rotation>, Fault> {
    let Seen { session, role, user_is_active } = seen;
    let (id, user_id, role) = (session.id, session.user_id, *role);
    Ok(match decide(session, *user_is_active, attempt) {
        Decision::Rotate(next) => {
            let rotated = update(connection, session.current, &next).await?;
            rotated.then_some(Rotation::Rotated { session: id, user_id, role })
        }
        Decision::Repeat(sealed_successor) => Some(Rotation::Repeated { session: id, user_id, role, sealed_successor }),
        // A spent token stays one, whatever happens to its session meanwhile.
        Decision::End(EndReason::Reuse) => {
            let ended = end_if(connection, attempt.handle, None, EndReason::Reuse, attempt.now).await?;
            ended.map(|session| Rotation::Reused { session, user_id })
        }
        Decision::End(reason) => {
            let ended = end_if(connection, attempt.handle, Some(session.current), reason, attempt.now).await?;
            ended.map(|_| Rotation::Invalid)
        }
        Decision::RefuseInactive => Some(Rotation::UserInactive),
        Decision::RefuseEnded => Some(Rotation::Invalid),
    })
}

/// Whether the session still had the token `seen` and now is `next`.
async fn update(connection: &Connection, seen: SecretHash, next: &Session) -> Result<bool, Fault> {
    let spent = next.spent.as_ref();
    let spent_hash = spent.map(|spent| &spent.hash.as_bytes()[..]);
    let spent_at = spent.map(|spent| spent.at.micros());
    let sealed = spent.and_then(|spent| spent.sealed_successor.as_ref()).map(|sealed| &sealed.as_bytes()[..]);
    let (handle, seen, current) = (&next.handle.as_bytes()[..], &seen.as_bytes()[..], &next.current.as_bytes()[..]);
    let (issued_at, expires_at) = (next.issued_at.micros(), next.expires_at.micros());
    let values: [Value<'_>; 8] = [&handle, &seen, &current, &issued_at, &expires_at, &spent_hash, &spent_at, &sealed];
    Ok(connection.execute(&ROTATE, &values).await? == 1)
}

/// Ends a session if it lives, and if its token still is the one that was `seen`, when one is given.
async fn end_if(
    connection: &Connection,
    handle: SessionHandle,
    seen: Option<SecretHash>,
    reason: EndReason,
    now: Timestamp,
) -> Result<Option<SessionId>, Fault> {
    let seen = seen.as_ref().map(|seen| &seen.as_bytes()[..]);
    let (handle, now) = (&handle.as_bytes()[..], now.micros());
    let row = connection.query_opt(&END, &[&handle, &now, &reason.as_str(), &seen]).await?;
    row.map(|row| rows::session_id(&row, "id")).transpose()
}

fn opening(row: &Row, version: CredentialVersion) -> Result<SessionOpening, Fault> {
    Ok(if row.try_get::<_, i64>("credential_version")? != version.0 {
        SessionOpening::CredentialChanged
    } else if !row.try_get::<_, bool>("is_active")? {
        SessionOpening::UserInactive
    } else {
        SessionOpening::Opened(rows::role(row)?)
    })
}
