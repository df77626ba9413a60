//! Sessions: one row each, rewritten in place.

use doorward::account::Record;
use doorward::clock::Timestamp;
use doorward::password::PasswordHash;
use doorward::session::{Decision, EndReason, NewSession, RefreshRules, RotationAttempt, Session, SessionId, decide};
use doorward::store::{Rotation, SESSIONS_AT_ONCE, SESSIONS_OF_AN_ACCOUNT, SessionOpening, VerifiedLogin};
use doorward::token::refresh::{SecretHash, SessionHandle};
use doorward::user::{CredentialVersion, UserId};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::Fault;
use crate::records::{RecordColumns, record_types, with_record};
use crate::rows;
use crate::statement::{Connection, Statement, Value};
use crate::transaction::{Step, in_transaction};
use crate::users::UPDATE_PASSWORD_HASH;

/// The account is locked against a deactivation that would not see the new session. What lives beyond the last `$23` that
/// were used ends, all of it locked before the first ending is recorded.
const OPEN: Statement = Statement {
    sql: concat!(
        "
    WITH login AS (
        SELECT id, role, is_active, credential_version FROM users WHERE id = $14 FOR NO KEY UPDATE
    ), opened AS (
        INSERT INTO sessions
            (handle, id, user_id, created_at, authenticated_at, current_hash, issued_at, expires_at, device, address)
        SELECT $16::bytea, $17::uuid, login.id, $18::bigint, $18, $19::bytea, $18, $20::bigint, $21::text, $22::bytea
        FROM login WHERE is_active AND credential_version = $15
        RETURNING user_id, id
    ), surplus AS (
        UPDATE sessions SET ended_at = $18, ended_reason = 'revoked'
        WHERE ended_at IS NULL AND handle IN (
            SELECT handle FROM sessions
            WHERE user_id = (SELECT user_id FROM opened) AND ended_at IS NULL AND expires_at > $18
            ORDER BY issued_at DESC, handle OFFSET $23
        )
        RETURNING id, issued_at
    ), ended AS (
        INSERT INTO endings (at, kind, session_id)
        SELECT greatest($18, issued_at), 'session', id FROM surplus ORDER BY id
    ), ",
        with_record!("SELECT user_id, id FROM opened"),
        "
    SELECT role, is_active, credential_version FROM login"
    ),
    types: record_types![
        Type::INT8,
        Type::INT8,
        Type::BYTEA,
        Type::UUID,
        Type::INT8,
        Type::BYTEA,
        Type::INT8,
        Type::TEXT,
        Type::BYTEA,
        Type::INT8,
    ],
};

/// Sessions from before there was such a moment were begun with a password.
macro_rules! session_columns {
    () => {
        "handle, sessions.id, user_id, sessions.created_at, current_hash, issued_at, expires_at,
           spent_hash, spent_at, sealed_successor, ended_at, ended_reason, device, address,
           coalesce(authenticated_at, sessions.created_at) AS authenticated_at"
    };
}

const FIND: Statement = Statement {
    sql: concat!(
        "
    SELECT ",
        session_columns!(),
        ", role, is_active
    FROM sessions JOIN users ON users.id = user_id WHERE handle = $1"
    ),
    types: &[Type::BYTEA],
};

const FIND_OF_USER: Statement = Statement {
    sql: concat!("SELECT ", session_columns!(), " FROM sessions WHERE user_id = $1 AND id = $2"),
    types: &[Type::INT8, Type::UUID],
};

const LIST: Statement = Statement {
    sql: concat!(
        "
    SELECT ",
        session_columns!(),
        "
    FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2
    ORDER BY issued_at DESC, id LIMIT $3"
    ),
    types: &[Type::INT8, Type::INT8, Type::INT8],
};

/// The step that `decide` comes to when nothing is the matter, tried before anything is looked at. `$8` is how long a
/// session lives at most, if there is a bound.
const ROTATE_GOOD: Statement = Statement {
    sql: "
    UPDATE sessions
    SET current_hash = $3, issued_at = $4, expires_at = least($5, sessions.created_at + $8), spent_hash = $2,
        spent_at = $4, sealed_successor = $6, address = coalesce($7, address)
    FROM users
    WHERE handle = $1 AND current_hash = $2 AND ended_at IS NULL AND expires_at > $4
        AND users.id = user_id AND users.is_active
    RETURNING sessions.id, user_id, role",
    types: &[Type::BYTEA, Type::BYTEA, Type::BYTEA, Type::INT8, Type::INT8, Type::BYTEA, Type::BYTEA, Type::INT8],
};

const ROTATE: Statement = Statement {
    sql: "
    UPDATE sessions
    SET current_hash = $3, issued_at = $4, expires_at = $5, spent_hash = $6, spent_at = $7, sealed_successor = $8,
        address = $9
    WHERE handle = $1 AND current_hash = $2 AND ended_at IS NULL",
    types: &[
        Type::BYTEA,
        Type::BYTEA,
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::BYTEA,
        Type::INT8,
        Type::BYTEA,
        Type::BYTEA,
    ],
};

/// An expired session's access tokens are long dead: nothing to remember.
const END: Statement = Statement {
    sql: concat!(
        "
    WITH ended AS (
        UPDATE sessions SET ended_at = $15, ended_reason = $16
        WHERE handle = $14 AND ended_at IS NULL AND ($17::bytea IS NULL OR current_hash = $17)
        RETURNING id, user_id, issued_at
    ), recorded AS (
        INSERT INTO endings (at, kind, session_id)
        SELECT greatest($15::bigint, issued_at), 'session', id FROM ended WHERE $16::text <> 'expired'
    ), ",
        with_record!("SELECT user_id, id FROM ended"),
        "
    SELECT id, user_id FROM ended"
    ),
    types: record_types![Type::BYTEA, Type::INT8, Type::TEXT, Type::BYTEA],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] = &[OPEN, FIND, FIND_OF_USER, LIST, ROTATE_GOOD, ROTATE, END];

/// How often a session may change between the look at it and the step that was decided on.
const LOOKS: usize = 16;

pub(crate) async fn open(
    connection: Connection,
    login: &VerifiedLogin,
    new: &NewSession,
    record: &Record,
) -> Result<SessionOpening, Fault> {
    let (id, version) = (login.user_id.value(), login.version.0);
    let (handle, current) = (&new.handle.as_bytes()[..], &new.current.as_bytes()[..]);
    let (created_at, expires_at) = (new.created_at.micros(), new.expires_at.micros());
    let (record, address) = (RecordColumns::of(record), new.address.map(rows::octets));
    let kept = i64::try_from(SESSIONS_OF_AN_ACCOUNT - 1).unwrap_or(i64::MAX);
    let values: [Value<'_>; 10] =
        [&id, &version, &handle, new.id.as_uuid(), &created_at, &current, &expires_at, &new.device, &address, &kept];
    let values = record.and(&values);
    let row = match login.upgraded_hash.as_ref().map(PasswordHash::as_str) {
        None => connection.query_opt(&OPEN, &values).await?,
        Some(hash) => {
            let upgrade: [Value<'_>; 3] = [&id, &version, &hash];
            let steps = [Step::new(&OPEN, values), Step::new(&UPDATE_PASSWORD_HASH, upgrade)];
            in_transaction(&connection, &steps).await?.swap_remove(0).pop()
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
    record: &Record,
    now: Timestamp,
) -> Result<Option<(SessionId, UserId)>, Fault> {
    end_if(&connection, (handle, None), reason, record, now).await
}

pub(crate) async fn list(connection: Connection, user: UserId, now: Timestamp) -> Result<Vec<Session>, Fault> {
    let limit = i64::try_from(SESSIONS_AT_ONCE).unwrap_or(i64::MAX);
    let rows = connection.query(&LIST, &[&user.value(), &now.micros(), &limit]).await?;
    rows.iter().map(rows::session).collect()
}

pub(crate) async fn find_of_user(
    connection: Connection,
    user: UserId,
    session: SessionId,
) -> Result<Option<Session>, Fault> {
    let row = connection.query_opt(&FIND_OF_USER, &[&user.value(), session.as_uuid()]).await?;
    row.as_ref().map(rows::session).transpose()
}

/// `None` unless `decide` would say [`Decision::Rotate`]. That both agree is tested row by row.
async fn rotate_good(connection: &Connection, attempt: &RotationAttempt) -> Result<Option<Rotation>, Fault> {
    let (handle, presented) = (&attempt.handle.as_bytes()[..], &attempt.presented.as_bytes()[..]);
    let successor = &attempt.successor.as_bytes()[..];
    let (now, unused) = (attempt.now.micros(), RefreshRules { absolute: None, ..attempt.rules });
    let expires_at = unused.expiry(attempt.now, attempt.now).micros();
    let sealed = attempt.sealed_successor.as_ref().map(|sealed| &sealed.as_bytes()[..]);
    let address = attempt.address.map(rows::octets);
    let longest = attempt.rules.absolute.map(|absolute| i64::try_from(absolute.as_micros()).unwrap_or(i64::MAX));
    // The sum with any moment of a session's opening is one of PostgreSQL's integers.
    let longest = longest.map(|longest| longest.min(i64::MAX / 2));
    let values: [Value<'_>; 8] = [&handle, &presented, &successor, &now, &expires_at, &sealed, &address, &longest];
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
            let (session, record) = ((attempt.handle, None), &attempt.on_reuse);
            let ended = end_if(connection, session, EndReason::Reuse, record, attempt.now).await?;
            ended.map(|(session, user_id)| Rotation::Reused { session, user_id })
        }
        Decision::End(reason) => {
            let seen = (attempt.handle, Some(session.current));
            let ended = end_if(connection, seen, reason, &Record::default(), attempt.now).await?;
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
    let address = next.address.map(rows::octets);
    let values: [Value<'_>; 9] =
        [&handle, &seen, &current, &issued_at, &expires_at, &spent_hash, &spent_at, &sealed, &address];
    Ok(connection.execute(&ROTATE, &values).await? == 1)
}

/// Ends a session if it lives, and if its token still is the one that was `seen`, when one is given.
async fn end_if(
    connection: &Connection,
    (handle, seen): (SessionHandle, Option<SecretHash>),
    reason: EndReason,
    record: &Record,
    now: Timestamp,
) -> Result<Option<(SessionId, UserId)>, Fault> {
    let record = RecordColumns::of(record);
    let seen = seen.as_ref().map(|seen| &seen.as_bytes()[..]);
    let (handle, now) = (&handle.as_bytes()[..], now.micros());
    let row = connection.query_opt(&END, &record.and(&[&handle, &now, &reason.as_str(), &seen])).await?;
    row.map(|row| Ok((rows::session_id(&row, "id")?, rows::owner(&row)?))).transpose()
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
