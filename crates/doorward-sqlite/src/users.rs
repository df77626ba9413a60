//! Who has an account, as everybody but the checks of a login sees it.

use doorward::account::Record;
use doorward::clock::Timestamp;
use doorward::role::Role;
use doorward::session::NewSession;
use doorward::store::{UserCreation, UserPage, UserQuery};
use doorward::ticket;
use doorward::user::{NewUser, User, UserId};
use rusqlite::types::Value;
use rusqlite::{Connection, ToSql, named_params, params};

use crate::error::Fault;
use crate::{events, rows, sessions};

const INSERT: &str = "
    INSERT INTO users (email, email_key, full_name, role, email_verified_at, password_hash, tickets, created_at)
    VALUES
        (:email, :email_key, :full_name, :role, :email_verified_at, :password_hash, :tickets, :created_at)
    ON CONFLICT (email_key) DO NOTHING
    RETURNING id, email, email_key, full_name, role, is_active, email_verified_at, created_at";

const FIND: &str = "
    SELECT id, email, email_key, full_name, role, is_active, email_verified_at, created_at FROM users WHERE id = ?1";

const UPDATE_PASSWORD_HASH: &str = "UPDATE users SET password_hash = ?2 WHERE id = ?1";

const COUNT: &str = "
    SELECT count(*) FROM users
    WHERE (:role IS NULL OR role = :role) AND (:is_active IS NULL OR is_active = :is_active)";

const LIST: &str = "
    SELECT id, email, email_key, full_name, role, is_active, email_verified_at, created_at FROM users
    WHERE (:role IS NULL OR role = :role) AND (:is_active IS NULL OR is_active = :is_active)
    ORDER BY id DESC LIMIT :limit OFFSET :offset";

const COUNT_IN_RANGE: &str = "
    SELECT count(*) FROM users
    WHERE email_key >= :from AND email_key < :to
      AND (:role IS NULL OR role = :role) AND (:is_active IS NULL OR is_active = :is_active)";

const LIST_IN_RANGE: &str = "
    SELECT id, email, email_key, full_name, role, is_active, email_verified_at, created_at FROM users
    WHERE email_key >= :from AND email_key < :to
      AND (:role IS NULL OR role = :role) AND (:is_active IS NULL OR is_active = :is_active)
    ORDER BY id DESC LIMIT :limit OFFSET :offset";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[INSERT, FIND, UPDATE_PASSWORD_HASH, COUNT, LIST, COUNT_IN_RANGE, LIST_IN_RANGE];

pub(crate) fn create(
    connection: &Connection,
    new: &NewUser,
    session: Option<&NewSession>,
    record: &Record,
) -> Result<UserCreation, Fault> {
    let mut statement = connection.prepare_cached(INSERT)?;
    let values = named_params! {
        ":email": new.email.as_str(),
        ":email_key": new.email.key(),
        ":full_name": new.full_name,
        ":email_verified_at": new.email_verified_at.map(Timestamp::micros),
        ":role": new.role.as_str(),
        ":password_hash": new.password_hash.as_str(),
        ":tickets": ticket::to_stored(&new.tickets),
        ":created_at": new.created_at.micros(),
    };
    let Some(user) = statement.query_and_then(values, rows::user)?.next().transpose()? else {
        return Ok(UserCreation::AddressTaken);
    };
    if let Some(session) = session {
        sessions::insert(connection, session, user.id)?;
    }
    events::write(connection, Some(user.id), session.map(|session| session.id), record)?;
    Ok(UserCreation::Created(user))
}

pub(crate) fn find(connection: &Connection, id: UserId) -> Result<Option<User>, Fault> {
    let mut statement = connection.prepare_cached(FIND)?;
    statement.query_and_then([id.value()], rows::user)?.next().transpose()
}

pub(crate) fn update_password_hash(connection: &Connection, id: UserId, hash: &str) -> Result<(), Fault> {
    connection.prepare_cached(UPDATE_PASSWORD_HASH)?.execute(params![id.value(), hash])?;
    Ok(())
}

/// The page and the total are of one moment: one transaction reads both.
pub(crate) fn list(connection: &Connection, query: &UserQuery) -> Result<UserPage, Fault> {
    let transaction = connection.unchecked_transaction()?;
    let role = query.role.map(Role::as_str);
    let range = query.email_prefix.as_deref().map(|prefix| (prefix, end_of_range(prefix)));
    let mut filter: Vec<(&str, &dyn ToSql)> = vec![(":role", &role), (":is_active", &query.is_active)];
    if let Some((from, to)) = &range {
        filter.extend([(":from", from as &dyn ToSql), (":to", to)]);
    }
    let (count, list) = if range.is_some() { (COUNT_IN_RANGE, LIST_IN_RANGE) } else { (COUNT, LIST) };
    let total: i64 = transaction.prepare_cached(count)?.query_row(&*filter, |row| row.get(0))?;
    // Past the range of SQLite's integers there is no row either.
    let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
    filter.extend([(":limit", &query.limit as &dyn ToSql), (":offset", &offset)]);
    let users =
        transaction.prepare_cached(list)?.query_and_then(&*filter, rows::user)?.collect::<Result<_, Fault>>()?;
    Ok(UserPage { users, total: total.unsigned_abs() })
}

/// What is above all texts that begin with `prefix` and below all later ones. In SQLite's order, the order of code
/// points, that is the prefix with its last character raised; and every text is below every blob.
fn end_of_range(prefix: &str) -> Value {
    let mut kept = prefix.to_owned();
    while let Some(last) = kept.pop() {
        // The range of characters leaps over the surrogates, which are none.
        if let Some(next) = (last..=char::MAX).nth(1) {
            kept.push(next);
            return Value::Text(kept);
        }
    }
    Value::Blob(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_where_its_prefix_does() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(end_of_range("ada"), text("adb"));
        assert_eq!(end_of_range("a\u{d7ff}"), text("a\u{e000}"));
        assert_eq!(end_of_range("a\u{10ffff}\u{10ffff}"), text("b"));
        assert_eq!(end_of_range("\u{10ffff}"), Value::Blob(Vec::new()));
        assert_eq!(end_of_range(""), Value::Blob(Vec::new()));
    }
}
