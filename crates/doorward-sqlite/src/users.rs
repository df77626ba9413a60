//! Accounts.

use doorward::clock::Timestamp;
use doorward::revocation::EndingKind;
use doorward::role::Role;
use doorward::session::NewSession;
use doorward::store::{Activation, UserCreation, UserPage, UserQuery};
use doorward::user::{ActivationDecision, Credential, NewUser, User, UserId, decide_activation};
use rusqlite::{Connection, named_params, params};

use crate::error::Fault;
use crate::{endings, rows, sessions};

const INSERT: &str = "
    INSERT INTO users (email, email_key, role, password_hash, created_at)
    VALUES (:email, :email_key, :role, :password_hash, :created_at)
    ON CONFLICT (email_key) DO NOTHING
    RETURNING id, email, email_key, full_name, role, is_active, created_at";

const FIND: &str = "
    SELECT id, email, email_key, full_name, role, is_active, created_at FROM users WHERE id = ?1";

const FIND_CREDENTIAL: &str = "
    SELECT id, email, email_key, full_name, role, is_active, created_at, password_hash, credential_version
    FROM users WHERE email_key = ?1";

const FIND_CREDENTIAL_BY_ID: &str = "
    SELECT id, email, email_key, full_name, role, is_active, created_at, password_hash, credential_version
    FROM users WHERE id = ?1";

const UPDATE_PASSWORD_HASH: &str = "UPDATE users SET password_hash = ?2 WHERE id = ?1";

const UPDATE_ACTIVE: &str = "UPDATE users SET is_active = ?2 WHERE id = ?1";

const UPDATE_ROLE: &str = "UPDATE users SET role = ?2 WHERE id = ?1";

const COUNT: &str = "
    SELECT count(*) FROM users
    WHERE (:role IS NULL OR role = :role) AND (:is_active IS NULL OR is_active = :is_active)";

const LIST: &str = "
    SELECT id, email, email_key, full_name, role, is_active, created_at FROM users
    WHERE (:role IS NULL OR role = :role) AND (:is_active IS NULL OR is_active = :is_active)
    ORDER BY id DESC LIMIT :limit OFFSET :offset";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    INSERT,
    FIND,
    FIND_CREDENTIAL,
    FIND_CREDENTIAL_BY_ID,
    UPDATE_PASSWORD_HASH,
    UPDATE_ACTIVE,
    UPDATE_ROLE,
    COUNT,
    LIST,
];

pub(crate) fn create(
    connection: &Connection,
    new: &NewUser,
    session: Option<&NewSession>,
) -> Result<UserCreation, Fault> {
    let mut statement = connection.prepare_cached(INSERT)?;
    let values = named_params! {
        ":email": new.email.as_str(),
        ":email_key": new.email.key(),
        ":role": new.role.as_str(),
        ":password_hash": new.password_hash.as_str(),
        ":created_at": new.created_at.micros(),
    };
    let Some(user) = statement.query_and_then(values, rows::user)?.next().transpose()? else {
        return Ok(UserCreation::AddressTaken);
    };
    if let Some(session) = session {
        sessions::insert(connection, session, user.id)?;
    }
    Ok(UserCreation::Created(user))
}

pub(crate) fn find(connection: &Connection, id: UserId) -> Result<Option<User>, Fault> {
    let mut statement = connection.prepare_cached(FIND)?;
    statement.query_and_then([id.value()], rows::user)?.next().transpose()
}

pub(crate) fn find_credential(connection: &Connection, email_key: &str) -> Result<Option<Credential>, Fault> {
    let mut statement = connection.prepare_cached(FIND_CREDENTIAL)?;
    statement.query_and_then([email_key], rows::credential)?.next().transpose()
}

pub(crate) fn find_credential_by_id(connection: &Connection, id: UserId) -> Result<Option<Credential>, Fault> {
    let mut statement = connection.prepare_cached(FIND_CREDENTIAL_BY_ID)?;
    statement.query_and_then([id.value()], rows::credential)?.next().transpose()
}

pub(crate) fn update_password_hash(connection: &Connection, id: UserId, hash: &str) -> Result<(), Fault> {
    connection.prepare_cached(UPDATE_PASSWORD_HASH)?.execute(params![id.value(), hash])?;
    Ok(())
}

pub(crate) fn set_active(
    connection: &Connection,
    id: UserId,
    active: bool,
    now: Timestamp,
) -> Result<Activation, Fault> {
    let Some(user) = find(connection, id)? else { return Ok(Activation::NotFound) };
    match decide_activation(&user, active) {
        ActivationDecision::RefuseAdmin => return Ok(Activation::RefusedAdmin),
        ActivationDecision::Keep => return Ok(Activation::Done(user)),
        ActivationDecision::Change => {}
    }
    connection.prepare_cached(UPDATE_ACTIVE)?.execute(params![id.value(), active])?;
    if active {
        endings::record(connection, EndingKind::Reactivated(id), now)?;
    } else {
        sessions::end_all_of_deactivated(connection, id, now)?;
        endings::record(connection, EndingKind::Deactivated(id), now)?;
    }
    Ok(Activation::Done(User { is_active: active, ..user }))
}

pub(crate) fn set_role(connection: &Connection, id: UserId, role: Role, now: Timestamp) -> Result<Option<User>, Fault> {
    let Some(user) = find(connection, id)? else { return Ok(None) };
    if user.role != role {
        connection.prepare_cached(UPDATE_ROLE)?.execute(params![id.value(), role.as_str()])?;
        endings::record(connection, EndingKind::RoleChanged(id, role), now)?;
    }
    Ok(Some(User { role, ..user }))
}

/// The page and the total are of one moment: one transaction reads both.
pub(crate) fn list(connection: &Connection, query: UserQuery) -> Result<UserPage, Fault> {
    let transaction = connection.unchecked_transaction()?;
    let role = query.role.map(Role::as_str);
    let total: i64 = transaction
        .prepare_cached(COUNT)?
        .query_row(named_params! { ":role": role, ":is_active": query.is_active }, |row| row.get(0))?;
    // Past the range of SQLite's integers there is no row either.
    let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
    let filter = named_params! {
        ":role": role, ":is_active": query.is_active, ":limit": query.limit, ":offset": offset,
    };
    let users = transaction.prepare_cached(LIST)?.query_and_then(filter, rows::user)?.collect::<Result<_, Fault>>()?;
    Ok(UserPage { users, total: total.unsigned_abs() })
}
