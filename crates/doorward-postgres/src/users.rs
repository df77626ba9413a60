//! Accounts.

use doorward::clock::Timestamp;
use doorward::role::Role;
use doorward::session::NewSession;
use doorward::store::{Activation, UserCreation, UserPage, UserQuery};
use doorward::user::{ActivationDecision, Credential, NewUser, User, UserId, decide_activation};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::connection::in_transaction;
use crate::error::Fault;
use crate::rows;
use crate::statement::{Connection, Statement, Value};

/// Without a session `$6` is null and nothing is inserted beside the account.
const CREATE: Statement = Statement {
    sql: "
    WITH created AS (
        INSERT INTO users (email, email_key, role, password_hash, created_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (email_key) DO NOTHING
        RETURNING id, email, email_key, full_name, role, is_active, created_at
    ), opened AS (
        INSERT INTO sessions (handle, id, user_id, created_at, current_hash, issued_at, expires_at)
        SELECT $6::bytea, $7::uuid, created.id, $8::bigint, $9::bytea, $8::bigint, $10::bigint
        FROM created WHERE $6::bytea IS NOT NULL
    )
    SELECT id, email, email_key, full_name, role, is_active, created_at FROM created",
    types: &[
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::INT8,
        Type::BYTEA,
        Type::UUID,
        Type::INT8,
        Type::BYTEA,
        Type::INT8,
    ],
};

const FIND: Statement = Statement {
    sql: "
    SELECT id, email, email_key, full_name, role, is_active, created_at FROM users WHERE id = $1",
    types: &[Type::INT8],
};

const FIND_CREDENTIAL: Statement = Statement {
    sql: "
    SELECT id, email, email_key, full_name, role, is_active, created_at, password_hash, credential_version
    FROM users WHERE email_key = $1",
    types: &[Type::TEXT],
};

/// On the same conditions as the session that is opened with it.
pub(crate) const UPDATE_PASSWORD_HASH: Statement = Statement {
    sql: "
    UPDATE users SET password_hash = $3 WHERE id = $1 AND credential_version = $2 AND is_active",
    types: &[Type::INT8, Type::INT8, Type::TEXT],
};

const LOCK: Statement = Statement { sql: "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", types: &[Type::INT8] };

/// The list of what ended is sorted, so that every session is locked before the first ending is recorded.
const CHANGE_ACTIVE: Statement = Statement {
    sql: "
    WITH changed AS (
        UPDATE users SET is_active = $2 WHERE id = $1 AND is_active <> $2 AND role = $3 RETURNING id
    ), ended AS (
        UPDATE sessions SET ended_at = $4, ended_reason = 'deactivated'
        WHERE NOT $2 AND user_id IN (SELECT id FROM changed) AND ended_at IS NULL
        RETURNING id
    ), recorded AS (
        INSERT INTO endings (at, kind, session_id, user_id)
        SELECT $4::bigint, kind, session_id, user_id
        FROM (
            SELECT 'session' AS kind, id AS session_id, NULL::bigint AS user_id FROM ended
            UNION ALL
            SELECT CASE WHEN $2 THEN 'reactivated' ELSE 'deactivated' END, NULL, id FROM changed
        ) AS news
        ORDER BY session_id NULLS LAST
    )
    SELECT id FROM changed",
    types: &[Type::INT8, Type::BOOL, Type::TEXT, Type::INT8],
};

const CHANGE_ROLE: Statement = Statement {
    sql: "
    WITH changed AS (
        UPDATE users SET role = $2 WHERE id = $1 AND role <> $2
        RETURNING id, email, email_key, full_name, role, is_active, created_at
    ), recorded AS (
        INSERT INTO endings (at, kind, user_id, role) SELECT $3::bigint, 'role_changed', id, role FROM changed
    )
    SELECT id, email, email_key, full_name, role, is_active, created_at FROM changed",
    types: &[Type::INT8, Type::TEXT, Type::INT8],
};

/// The page and the total are of one moment. A page without users is one row, its `id` null.
const LIST: Statement = Statement {
    sql: "
    WITH matching AS (
        SELECT count(*) AS total FROM users
        WHERE ($1::text IS NULL OR role = $1) AND ($2::boolean IS NULL OR is_active = $2)
    ), page AS (
        SELECT id, email, email_key, full_name, role, is_active, created_at FROM users
        WHERE ($1::text IS NULL OR role = $1) AND ($2::boolean IS NULL OR is_active = $2)
        ORDER BY id DESC LIMIT $3 OFFSET $4
    )
    SELECT total, id, email, email_key, full_name, role, is_active, created_at
    FROM matching LEFT JOIN page ON true ORDER BY id DESC",
    types: &[Type::TEXT, Type::BOOL, Type::INT8, Type::INT8],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] =
    &[CREATE, FIND, FIND_CREDENTIAL, UPDATE_PASSWORD_HASH, LOCK, CHANGE_ACTIVE, CHANGE_ROLE, LIST];

/// How often an account may change between the look at it and the step that was decided on.
const LOOKS: usize = 16;

pub(crate) async fn create(
    connection: Connection,
    new: &NewUser,
    session: Option<&NewSession>,
) -> Result<UserCreation, Fault> {
    let (email, email_key) = (new.email.as_str(), new.email.key());
    let (role, password_hash, created_at) = (new.role.as_str(), new.password_hash.as_str(), new.created_at.micros());
    let values: [Value<'_>; 10] = [
        &email,
        &email_key,
        &role,
        &password_hash,
        &created_at,
        &session.map(|session| &session.handle.as_bytes()[..]),
        &session.map(|session| session.id.as_uuid()),
        &session.map(|session| session.created_at.micros()),
        &session.map(|session| &session.current.as_bytes()[..]),
        &session.map(|session| session.expires_at.micros()),
    ];
    let Some(row) = connection.query_opt(&CREATE, &values).await? else { return Ok(UserCreation::AddressTaken) };
    Ok(UserCreation::Created(rows::user(&row)?))
}

pub(crate) async fn find(connection: Connection, id: UserId) -> Result<Option<User>, Fault> {
    find_on(&connection, id).await
}

pub(crate) async fn find_credential(connection: Connection, email_key: &str) -> Result<Option<Credential>, Fault> {
    connection.query_opt(&FIND_CREDENTIAL, &[&email_key]).await?.as_ref().map(rows::credential).transpose()
}

/// Looks, lets the domain decide, and takes the step if the account still is what was looked at;
/// otherwise looks again. No lock is held between the two.
pub(crate) async fn set_active(
    connection: Connection,
    id: UserId,
    active: bool,
    now: Timestamp,
) -> Result<Activation, Fault> {
    for _ in 0..LOOKS {
        let Some(user) = find_on(&connection, id).await? else { return Ok(Activation::NotFound) };
        match decide_activation(&user, active) {
            ActivationDecision::RefuseAdmin => return Ok(Activation::RefusedAdmin),
            ActivationDecision::Keep => return Ok(Activation::Done(user)),
            ActivationDecision::Change => {}
        }
        if change_active(&connection, &user, active, now).await? {
            return Ok(Activation::Done(User { is_active: active, ..user }));
        }
    }
    Err(Fault::Contended)
}

pub(crate) async fn set_role(
    connection: Connection,
    id: UserId,
    role: Role,
    now: Timestamp,
) -> Result<Option<User>, Fault> {
    match connection.query_opt(&CHANGE_ROLE, &[&id.value(), &role.as_str(), &now.micros()]).await? {
        Some(row) => Ok(Some(rows::user(&row)?)),
        // Nobody, or somebody who has that role.
        None => find_on(&connection, id).await,
    }
}

pub(crate) async fn list(connection: Connection, query: UserQuery) -> Result<UserPage, Fault> {
    // Past the range of PostgreSQL's integers there is no row either.
    let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
    let (role, limit) = (query.role.map(Role::as_str), i64::from(query.limit));
    let rows = connection.query(&LIST, &[&role, &query.is_active, &limit, &offset]).await?;
    let first = rows.first().ok_or(Fault::Unreadable("page of users"))?;
    let total: i64 = first.try_get("total")?;
    let is_user = |row: &&Row| !matches!(row.try_get::<_, Option<i64>>("id"), Ok(None));
    let users = rows.iter().filter(is_user).map(rows::user).collect::<Result<_, Fault>>()?;
    Ok(UserPage { users, total: total.unsigned_abs() })
}

async fn find_on(connection: &Connection, id: UserId) -> Result<Option<User>, Fault> {
    connection.query_opt(&FIND, &[&id.value()]).await?.as_ref().map(rows::user).transpose()
}

/// Whether the account still had the role and state of `seen`, and now is switched.
///
/// The account is locked by a statement of its own: the one after it then sees every session that was
/// opened by somebody who held the lock before.
async fn change_active(connection: &Connection, seen: &User, active: bool, now: Timestamp) -> Result<bool, Fault> {
    let (id, role, now) = (seen.id.value(), seen.role.as_str(), now.micros());
    let (locked, changing): ([Value<'_>; 1], [Value<'_>; 4]) = ([&id], [&id, &active, &role, &now]);
    // Asked for beforehand, so that the transaction is sent in one go.
    connection.prepare(&LOCK).await?;
    connection.prepare(&CHANGE_ACTIVE).await?;
    let (lock, change) = (connection.query_opt(&LOCK, &locked), connection.query_opt(&CHANGE_ACTIVE, &changing));
    let (_, changed) = in_transaction(connection, lock, change).await?;
    Ok(changed.is_some())
}
