//! Users: made, found and listed.

use doorward::account::Record;
use doorward::clock::Timestamp;
use doorward::role::Role;
use doorward::session::NewSession;
use doorward::store::{UserCreation, UserPage, UserQuery};
use doorward::ticket;
use doorward::user::{NewUser, User, UserId};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::Fault;
use crate::records::{RecordColumns, record_types, with_record};
use crate::rows;
use crate::statement::{Connection, Statement, Value};

/// Without a session `$21` is null and no session is inserted beside the account.
const CREATE: Statement = Statement {
    sql: concat!(
        "
    WITH created AS (
        INSERT INTO users (email, email_key, full_name, role, password_hash, tickets, created_at, email_verified_at)
        VALUES ($14, $15, $16, $17, $18, $19, $20, $28)
        ON CONFLICT (email_key) DO NOTHING
        RETURNING id, email, email_key, full_name, role, is_active, email_verified_at, created_at
    ), opened AS (
        INSERT INTO sessions
            (handle, id, user_id, created_at, authenticated_at, current_hash, issued_at, expires_at, device, address)
        SELECT $21::bytea, $22::uuid, created.id, $23::bigint, $23, $24::bytea, $23, $25::bigint, $26::text, $27::bytea
        FROM created WHERE $21::bytea IS NOT NULL
    ), ",
        with_record!("SELECT id, $22::uuid FROM created"),
        "
    SELECT id, email, email_key, full_name, role, is_active, email_verified_at, created_at FROM created"
    ),
    types: record_types![
        Type::TEXT,
        Type::TEXT,
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
        Type::TEXT,
        Type::BYTEA,
        Type::INT8,
    ],
};

const FIND: Statement = Statement {
    sql: "
    SELECT id, email, email_key, full_name, role, is_active, email_verified_at, created_at FROM users WHERE id = $1",
    types: &[Type::INT8],
};

/// On the same conditions as the session that is opened with it.
pub(crate) const UPDATE_PASSWORD_HASH: Statement = Statement {
    sql: "
    UPDATE users SET password_hash = $3 WHERE id = $1 AND credential_version = $2 AND is_active",
    types: &[Type::INT8, Type::INT8, Type::TEXT],
};

/// The users that match. The addresses that begin so are a range of an index, where bytes are compared.
macro_rules! matching {
    () => {
        "
        WHERE ($1::text IS NULL OR role = $1) AND ($2::boolean IS NULL OR is_active = $2)
            AND ($5::text IS NULL OR email_key >= $5) AND ($6::text IS NULL OR email_key < $6)"
    };
}

/// The page and the total are of one moment. A page without users is one row, its `id` null.
const LIST: Statement = Statement {
    sql: concat!(
        "
    WITH matching AS (
        SELECT count(*) AS total FROM users",
        matching!(),
        "
    ), page AS (
        SELECT id, email, email_key, full_name, role, is_active, email_verified_at, created_at FROM users",
        matching!(),
        "
        ORDER BY id DESC LIMIT $3 OFFSET $4
    )
    SELECT total, id, email, email_key, full_name, role, is_active, email_verified_at, created_at
    FROM matching LEFT JOIN page ON true ORDER BY id DESC"
    ),
    types: &[Type::TEXT, Type::BOOL, Type::INT8, Type::INT8, Type::TEXT, Type::TEXT],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] = &[CREATE, FIND, UPDATE_PASSWORD_HASH, LIST];

pub(crate) async fn create(
    connection: Connection,
    new: &NewUser,
    session: Option<&NewSession>,
    record: &Record,
) -> Result<UserCreation, Fault> {
    let record = RecordColumns::of(record);
    let (email, email_key) = (new.email.as_str(), new.email.key());
    let (role, password_hash, created_at) = (new.role.as_str(), new.password_hash.as_str(), new.created_at.micros());
    let tickets = ticket::to_stored(&new.tickets);
    let values: [Value<'_>; 15] = [
        &email,
        &email_key,
        &new.full_name,
        &role,
        &password_hash,
        &tickets,
        &created_at,
        &session.map(|session| &session.handle.as_bytes()[..]),
        &session.map(|session| session.id.as_uuid()),
        &session.map(|session| session.created_at.micros()),
        &session.map(|session| &session.current.as_bytes()[..]),
        &session.map(|session| session.expires_at.micros()),
        &session.and_then(|session| session.device.as_deref()),
        &session.and_then(|session| session.address).map(rows::octets),
        &new.email_verified_at.map(Timestamp::micros),
    ];
    let row = connection.query_opt(&CREATE, &record.and(&values)).await?;
    row.map_or(Ok(UserCreation::AddressTaken), |row| Ok(UserCreation::Created(rows::user(&row)?)))
}

pub(crate) async fn find(connection: Connection, id: UserId) -> Result<Option<User>, Fault> {
    connection.query_opt(&FIND, &[&id.value()]).await?.as_ref().map(rows::user).transpose()
}

pub(crate) async fn list(connection: Connection, query: &UserQuery) -> Result<UserPage, Fault> {
    // Past the range of PostgreSQL's integers there is no row either.
    let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
    let (role, limit) = (query.role.map(Role::as_str), i64::from(query.limit));
    let from = query.email_prefix.as_deref();
    if from.is_some_and(|from| from.contains('\0')) {
        // PostgreSQL's texts have none, and so has no address.
        return Ok(UserPage { users: Vec::new(), total: 0 });
    }
    let to = from.and_then(end_of_prefix);
    let values: [Value<'_>; 6] = [&role, &query.is_active, &limit, &offset, &from, &to];
    let rows = connection.query_unprepared(&LIST, &values).await?;
    let first = rows.first().ok_or(Fault::Unreadable("page of users"))?;
    let total: i64 = first.try_get("total")?;
    let is_user = |row: &&Row| !matches!(row.try_get::<_, Option<i64>>("id"), Ok(None));
    let users = rows.iter().filter(is_user).map(rows::user).collect::<Result<_, Fault>>()?;
    Ok(UserPage { users, total: total.unsigned_abs() })
}

/// The first text after all that begin with `prefix`; `None` when there is none.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // Code points are compared as their bytes are; those in the middle that no text has are passed over.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::end_of_prefix;

    #[test]
    fn a_prefix_ends_before_the_next_text_of_its_length() {
        let ends = [
            ("ada", Some("adb")),
            ("", None),
            ("z", Some("{")),
            ("a\u{7f}", Some("a\u{80}")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ];
        for (prefix, end) in ends {
            assert_eq!(end_of_prefix(prefix).as_deref(), end, "{prefix:?}");
        }
    }
}
