//! Accounts read whole, and changed or erased in one transaction that is sent in one go.
//!
//! Every transaction locks in this order: the leave of administrators, the account, its sessions, the list of endings.
//!
//! A transaction begins with a claim: is the account what was read, and may it be changed so? What comes after asks what
//! the claim came to, by a setting of the transaction's own, and does nothing where it failed. So the whole is sent in one
//! go, and a race that was lost is no error in the server's log.

use doorward::account::{Account, Amended, Amendment, Erasure, SessionChange};
use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::revocation::EndingKind;
use doorward::second_factor::SecondFactor;
use doorward::session::{EndReason, SessionId};
use doorward::ticket;
use doorward::user::UserId;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::Fault;
use crate::records::{RecordColumns, record_types, with_record};
use crate::rows;
use crate::statement::{Connection, Statement, Value};
use crate::transaction::{Step, in_transaction};

macro_rules! find_where {
    ($condition:literal) => {
        concat!(
            "
    SELECT id, email, email_key, full_name, role, is_active, email_verified_at, created_at,
        password_hash, credential_version, must_change_password, second_factor, tickets, revision
    FROM users WHERE ",
            $condition
        )
    };
}

const FIND: Statement = Statement { sql: find_where!("id = $1"), types: &[Type::INT8] };

const FIND_BY_EMAIL: Statement = Statement { sql: find_where!("email_key = $1"), types: &[Type::TEXT] };

/// Administrators leave one at a time: the next statement sees what whoever had this lock before has done.
const LOCK_LEAVE: Statement = Statement { sql: "SELECT pg_advisory_xact_lock(4931282654413812326)", types: &[] };

/// Locks the account if it still is of the revision that was read, and says what the claim came to.
const CLAIM: Statement = Statement {
    sql: "
    WITH claimed AS (SELECT id FROM users WHERE id = $1 AND revision = $2 FOR NO KEY UPDATE)
    SELECT set_config('doorward.claimed', CASE
        WHEN NOT EXISTS (SELECT FROM claimed) THEN 'stale'
        WHEN $3 AND NOT EXISTS (SELECT FROM users WHERE role = 'admin' AND is_active AND id <> $1) THEN 'last_admin'
        WHEN EXISTS (SELECT FROM users WHERE email_key = $4 AND id <> $1) THEN 'address_taken'
        ELSE 'yes'
    END, true) AS claimed",
    types: &[Type::INT8, Type::INT8, Type::BOOL, Type::TEXT],
};

const WRITE: Statement = Statement {
    sql: "
    UPDATE users
    SET email = $2, email_key = $3, full_name = $4, role = $5, is_active = $6, email_verified_at = $7,
        password_hash = $8, credential_version = $9, must_change_password = $10, second_factor = $11, tickets = $12,
        revision = revision + 1
    WHERE id = $1 AND current_setting('doorward.claimed', true) = 'yes'",
    types: &[
        Type::INT8,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::BOOL,
        Type::INT8,
        Type::TEXT,
        Type::INT8,
        Type::BOOL,
        Type::TEXT,
        Type::TEXT,
    ],
};

const RECORD_IF_CLAIMED: Statement = Statement {
    sql: concat!(
        "WITH ",
        with_record!("SELECT $14::bigint, NULL::uuid WHERE current_setting('doorward.claimed', true) = 'yes'"),
        " SELECT"
    ),
    types: record_types![Type::INT8],
};

const REAUTHENTICATE: Statement = Statement {
    sql: "UPDATE sessions SET authenticated_at = $3 WHERE user_id = $1 AND id = $2 AND current_setting('doorward.claimed', true) = 'yes'",
    types: &[Type::INT8, Type::UUID, Type::INT8],
};

/// Without a reason no session ends. `$4` is the one that ends if `$5`, and otherwise the one that stays. The list of
/// what ended is sorted, so that every session is locked before the first ending is recorded.
const END: Statement = Statement {
    sql: "
    WITH ended AS (
        UPDATE sessions SET ended_at = $2, ended_reason = $3
        WHERE user_id = $1 AND ended_at IS NULL AND $3::text IS NOT NULL
            AND current_setting('doorward.claimed', true) = 'yes'
            AND CASE WHEN $5 THEN id = $4 ELSE id IS DISTINCT FROM $4 END
        RETURNING id, issued_at
    )
    INSERT INTO endings (at, kind, session_id, user_id, role)
    SELECT greatest($2, issued_at), kind, session_id, user_id, role
    FROM (
        SELECT 0 AS place, 'session' AS kind, id AS session_id, NULL::bigint AS user_id, NULL::text AS role, issued_at
        FROM ended WHERE $3::text <> 'expired'
        UNION ALL
        SELECT place, kind, NULL, $1, role, (SELECT max(issued_at) FROM sessions WHERE user_id = $1)
        FROM unnest($6::text[], $7::text[]) WITH ORDINALITY AS own (kind, role, place)
    ) AS news
    WHERE current_setting('doorward.claimed', true) = 'yes'
    ORDER BY place, session_id",
    types: &[Type::INT8, Type::INT8, Type::TEXT, Type::UUID, Type::BOOL, Type::TEXT_ARRAY, Type::TEXT_ARRAY],
};

/// So that whoever is ending one of them has told of it before the events are looked at.
const LOCK_SESSIONS: Statement =
    Statement { sql: "SELECT FROM sessions WHERE user_id = $1 ORDER BY handle FOR UPDATE", types: &[Type::INT8] };

const FORGET_MESSAGES: Statement = Statement {
    sql: "DELETE FROM outbox WHERE user_id = $1 AND current_setting('doorward.claimed', true) = 'yes'",
    types: &[Type::INT8],
};

const FORGET_PERSON: Statement = Statement {
    sql: "
    UPDATE events SET address = NULL, user_agent = NULL, request_id = NULL, details = NULL
    WHERE user_id = $1 AND num_nonnulls(address, user_agent, request_id, details) > 0
        AND current_setting('doorward.claimed', true) = 'yes'",
    types: &[Type::INT8],
};

/// Of events about others, where the person was. The terms are those of the index over them.
const FORGET_ACTOR: Statement = Statement {
    sql: "
    UPDATE events SET address = NULL, user_agent = NULL, request_id = NULL
    WHERE actor_id = $1 AND actor_id IS NOT NULL AND actor_id IS DISTINCT FROM user_id
      AND num_nonnulls(address, user_agent, request_id) > 0 AND current_setting('doorward.claimed', true) = 'yes'",
    types: &[Type::INT8],
};

const ERASE: Statement = Statement {
    sql: "
    WITH gone AS (
        DELETE FROM sessions WHERE user_id = $1 AND current_setting('doorward.claimed', true) = 'yes'
        RETURNING id, ended_at, issued_at
    ), erased AS (
        DELETE FROM users WHERE id = $1 AND current_setting('doorward.claimed', true) = 'yes' RETURNING id
    )
    INSERT INTO endings (at, kind, session_id, user_id)
    SELECT greatest($2, issued_at), kind, session_id, user_id
    FROM (
        SELECT 'session' AS kind, id AS session_id, NULL::bigint AS user_id, issued_at FROM gone WHERE ended_at IS NULL
        UNION ALL
        SELECT 'deactivated', NULL, id, (SELECT max(issued_at) FROM gone) FROM erased
    ) AS news
    ORDER BY session_id NULLS LAST",
    types: &[Type::INT8, Type::INT8],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] = &[
    FIND,
    FIND_BY_EMAIL,
    LOCK_LEAVE,
    CLAIM,
    WRITE,
    RECORD_IF_CLAIMED,
    REAUTHENTICATE,
    END,
    LOCK_SESSIONS,
    FORGET_MESSAGES,
    FORGET_PERSON,
    FORGET_ACTOR,
    ERASE,
];

pub(crate) async fn find(connection: Connection, id: UserId) -> Result<Option<Account>, Fault> {
    connection.query_opt(&FIND, &[&id.value()]).await?.as_ref().map(rows::account).transpose()
}

pub(crate) async fn find_by_email(connection: Connection, email: &EmailAddress) -> Result<Option<Account>, Fault> {
    connection.query_opt(&FIND_BY_EMAIL, &[&email.key()]).await?.as_ref().map(rows::account).transpose()
}

pub(crate) async fn amend(connection: Connection, amendment: &Amendment) -> Result<Amended, Fault> {
    let Amendment { account, needs_other_admin, record, now, .. } = amendment;
    let (id, revision, now) = (account.user.id.value(), account.revision.0, now.micros());
    let columns = AccountColumns::of(account);
    let record = RecordColumns::of(record);
    let ends = Ends::of(amendment);
    let claim = Claim { id, revision, needs_other_admin: *needs_other_admin, email_key: columns.email_key };
    let mut steps = claim.steps();
    steps.push(Step::new(&WRITE, columns.values()));
    if !record.is_empty() {
        steps.push(Step::new(&RECORD_IF_CLAIMED, record.and(&[&id])));
    }
    if let SessionChange::Reauthenticated(session) = &amendment.sessions {
        let values: [Value<'_>; 3] = [&id, session.as_uuid(), &now];
        steps.push(Step::new(&REAUTHENTICATE, values));
    }
    // The last: it holds up everybody else who ends something, until the commit.
    if ends.is_any() {
        let values: [Value<'_>; 7] = [&id, &now, &ends.reason, &ends.session, &ends.is_one, &ends.kinds, &ends.roles];
        steps.push(Step::new(&END, values));
    }
    outcome(in_transaction(&connection, &steps).await, &claim)
}

pub(crate) async fn erase(connection: Connection, erasure: &Erasure) -> Result<Amended, Fault> {
    let (id, revision) = (erasure.account.user.id.value(), erasure.account.revision.0);
    let (needs_other_admin, now) = (erasure.needs_other_admin(), erasure.now.micros());
    let record = RecordColumns::of(&erasure.record);
    let claim = Claim { id, revision, needs_other_admin, email_key: erasure.account.user.email.key() };
    let (own, last): ([Value<'_>; 1], [Value<'_>; 2]) = ([&id], [&id, &now]);
    let mut steps = claim.steps();
    steps.extend([
        Step::new(&LOCK_SESSIONS, own),
        Step::new(&FORGET_MESSAGES, own),
        Step::new(&RECORD_IF_CLAIMED, record.and(&own)),
        Step::new(&FORGET_PERSON, own),
        Step::new(&FORGET_ACTOR, own),
        Step::new(&ERASE, last),
    ]);
    outcome(in_transaction(&connection, &steps).await, &claim)
}

/// What a transaction begins with.
struct Claim<'a> {
    id: i64,
    revision: i64,
    needs_other_admin: bool,
    /// The address that the account is to have.
    email_key: &'a str,
}

impl Claim<'_> {
    fn steps(&self) -> Vec<Step<'_>> {
        let values: [Value<'_>; 4] = [&self.id, &self.revision, &self.needs_other_admin, &self.email_key];
        let lock = self.needs_other_admin.then(|| Step::new(&LOCK_LEAVE, []));
        lock.into_iter().chain([Step::new(&CLAIM, values)]).collect()
    }
}

/// What a transaction that began with that claim came to.
fn outcome(done: Result<Vec<Vec<Row>>, Fault>, claim: &Claim<'_>) -> Result<Amended, Fault> {
    let rows = match done {
        Ok(rows) => rows,
        // Somebody else took the address after the claim had looked.
        Err(Fault::Refused { state, constraint: Some(constraint), .. })
            if state == SqlState::UNIQUE_VIOLATION && constraint == "users_email_key_key" =>
        {
            return Ok(Amended::AddressTaken);
        }
        Err(fault) => return Err(fault),
    };
    let claimed = rows.get(usize::from(claim.needs_other_admin)).and_then(|rows| rows.first());
    match claimed.ok_or(Fault::Unreadable("claim"))?.try_get("claimed")? {
        "yes" => Ok(Amended::Done),
        "stale" => Ok(Amended::Stale),
        "last_admin" => Ok(Amended::LastAdmin),
        "address_taken" => Ok(Amended::AddressTaken),
        _ => Err(Fault::Unreadable("claim")),
    }
}

/// An account by the columns that may change.
struct AccountColumns<'a> {
    account: &'a Account,
    id: i64,
    email: &'a str,
    email_key: &'a str,
    role: &'static str,
    email_verified_at: Option<i64>,
    password_hash: &'a str,
    second_factor: Option<String>,
    tickets: Option<String>,
}

impl<'a> AccountColumns<'a> {
    fn of(account: &'a Account) -> Self {
        let user = &account.user;
        Self {
            account,
            id: user.id.value(),
            email: user.email.as_str(),
            email_key: user.email.key(),
            role: user.role.as_str(),
            email_verified_at: user.email_verified_at.map(Timestamp::micros),
            password_hash: account.password_hash.as_str(),
            second_factor: account.second_factor.as_ref().map(SecondFactor::to_stored),
            tickets: ticket::to_stored(&account.tickets),
        }
    }

    fn values(&self) -> [Value<'_>; 12] {
        let Account { user, version, must_change_password, .. } = self.account;
        [
            &self.id,
            &self.email,
            &self.email_key,
            &user.full_name,
            &self.role,
            &user.is_active,
            &self.email_verified_at,
            &self.password_hash,
            &version.0,
            must_change_password,
            &self.second_factor,
            &self.tickets,
        ]
    }
}

/// What ends with an amendment.
struct Ends {
    reason: Option<&'static str>,
    session: Option<Uuid>,
    is_one: bool,
    kinds: Vec<&'static str>,
    roles: Vec<Option<&'static str>>,
}

impl Ends {
    fn of(amendment: &Amendment) -> Self {
        let sessions = match amendment.sessions {
            SessionChange::Keep | SessionChange::Reauthenticated(_) => (None, None, false),
            SessionChange::EndAllBut(kept, reason) => (Some(reason), kept, false),
            SessionChange::End(ended, reason) => (Some(reason), Some(ended), true),
        };
        let (reason, session, is_one): (Option<EndReason>, Option<SessionId>, bool) = sessions;
        let own = amendment.endings.iter().filter_map(|ending| match ending {
            EndingKind::Session(_) => None,
            EndingKind::Deactivated(_) => Some(("deactivated", None)),
            EndingKind::Reactivated(_) => Some(("reactivated", None)),
            EndingKind::RoleChanged(_, role) => Some(("role_changed", Some(role.as_str()))),
        });
        let (kinds, roles) = own.unzip();
        let session = session.map(|session| *session.as_uuid());
        Self { reason: reason.map(EndReason::as_str), session, is_one, kinds, roles }
    }

    const fn is_any(&self) -> bool {
        self.reason.is_some() || !self.kinds.is_empty()
    }
}
