//! Accounts read whole, and changed or erased in one transaction that is sent in one go.
//!
//! Every transaction locks in this order: the leave of administrators, the account, its sessions, the list of endings.

use doorward::account::{Account, Amended, Amendment, Erasure, SessionChange};
use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::revocation::EndingKind;
use doorward::second_factor::SecondFactor;
use doorward::session::{EndReason, SessionId};
use doorward::ticket;
use doorward::user::UserId;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::Fault;
use crate::records::{RECORD, RecordColumns};
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

const CLAIM: Statement =
    Statement { sql: "SELECT claim_account($1, $2, $3)", types: &[Type::INT8, Type::INT8, Type::BOOL] };

const WRITE: Statement = Statement {
    sql: "
    UPDATE users
    SET email = $2, email_key = $3, full_name = $4, role = $5, is_active = $6, email_verified_at = $7,
        password_hash = $8, credential_version = $9, must_change_password = $10, second_factor = $11, tickets = $12,
        revision = revision + 1
    WHERE id = $1",
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

const REAUTHENTICATE: Statement = Statement {
    sql: "UPDATE sessions SET authenticated_at = $3 WHERE user_id = $1 AND id = $2",
    types: &[Type::INT8, Type::UUID, Type::INT8],
};

/// Without a reason no session ends. `$4` is the one that ends if `$5`, and otherwise the one that stays. The list of
/// what ended is sorted, so that every session is locked before the first ending is recorded.
const END: Statement = Statement {
    sql: "
    WITH ended AS (
        UPDATE sessions SET ended_at = $2, ended_reason = $3
        WHERE user_id = $1 AND ended_at IS NULL AND $3::text IS NOT NULL
            AND CASE WHEN $5 THEN id = $4 ELSE id IS DISTINCT FROM $4 END
        RETURNING id
    )
    INSERT INTO endings (at, kind, session_id, user_id, role)
    SELECT $2, kind, session_id, user_id, role
    FROM (
        SELECT 0 AS place, 'session' AS kind, id AS session_id, NULL::bigint AS user_id, NULL::text AS role
        FROM ended WHERE $3::text <> 'expired'
        UNION ALL
        SELECT place, kind, NULL, $1, role FROM unnest($6::text[], $7::text[]) WITH ORDINALITY AS own (kind, role, place)
    ) AS news
    ORDER BY place, session_id",
    types: &[
        Type::INT8,
        Type::INT8,
        Type::TEXT,
        Type::UUID,
        Type::BOOL,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
    ],
};

/// So that whoever is ending one of them has told of it before the events are looked at.
const LOCK_SESSIONS: Statement =
    Statement { sql: "SELECT FROM sessions WHERE user_id = $1 ORDER BY handle FOR UPDATE", types: &[Type::INT8] };

const FORGET_MESSAGES: Statement = Statement { sql: "DELETE FROM outbox WHERE user_id = $1", types: &[Type::INT8] };

const FORGET_PERSON: Statement = Statement {
    sql: "
    UPDATE events SET address = NULL, user_agent = NULL, request_id = NULL, details = NULL
    WHERE user_id = $1 AND num_nonnulls(address, user_agent, request_id, details) > 0",
    types: &[Type::INT8],
};

/// Of events about others, where the person was. The terms are those of the index over them.
const FORGET_ACTOR: Statement = Statement {
    sql: "
    UPDATE events SET address = NULL, user_agent = NULL, request_id = NULL
    WHERE actor_id = $1 AND actor_id IS NOT NULL AND actor_id IS DISTINCT FROM user_id
      AND num_nonnulls(address, user_agent, request_id) > 0",
    types: &[Type::INT8],
};

const ERASE: Statement = Statement {
    sql: "
    WITH gone AS (
        DELETE FROM sessions WHERE user_id = $1 RETURNING id, ended_at
    ), erased AS (
        DELETE FROM users WHERE id = $1 RETURNING id
    )
    INSERT INTO endings (at, kind, session_id, user_id)
    SELECT $2, kind, session_id, user_id
    FROM (
        SELECT 'session' AS kind, id AS session_id, NULL::bigint AS user_id FROM gone WHERE ended_at IS NULL
        UNION ALL
        SELECT 'deactivated', NULL, id FROM erased
    ) AS news
    ORDER BY session_id NULLS LAST",
    types: &[Type::INT8, Type::INT8],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] = &[
    FIND,
    FIND_BY_EMAIL,
    CLAIM,
    WRITE,
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
    let claim: [Value<'_>; 3] = [&id, &revision, needs_other_admin];
    let mut steps = vec![Step::new(&CLAIM, claim), Step::new(&WRITE, columns.values())];
    if !record.is_empty() {
        steps.push(Step::new(&RECORD, record.and(&[&id])));
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
    in_transaction(&connection, &steps).await.map_or_else(outcome, |_| Ok(Amended::Done))
}

pub(crate) async fn erase(connection: Connection, erasure: &Erasure) -> Result<Amended, Fault> {
    let (id, revision) = (erasure.account.user.id.value(), erasure.account.revision.0);
    let (needs_other_admin, now) = (erasure.needs_other_admin(), erasure.now.micros());
    let record = RecordColumns::of(&erasure.record);
    let (claim, own): ([Value<'_>; 3], [Value<'_>; 1]) = ([&id, &revision, &needs_other_admin], [&id]);
    let last: [Value<'_>; 2] = [&id, &now];
    let steps = [
        Step::new(&CLAIM, claim),
        Step::new(&LOCK_SESSIONS, own),
        Step::new(&FORGET_MESSAGES, own),
        Step::new(&RECORD, record.and(&own)),
        Step::new(&FORGET_PERSON, own),
        Step::new(&FORGET_ACTOR, own),
        Step::new(&ERASE, last),
    ];
    in_transaction(&connection, &steps).await.map_or_else(outcome, |_| Ok(Amended::Done))
}

/// What a transaction that failed came to, when it failed as it should.
fn outcome(fault: Fault) -> Result<Amended, Fault> {
    let Fault::Refused { state, constraint, .. } = &fault else { return Err(fault) };
    match (state.code(), constraint.as_deref()) {
        // These two are raised by `claim_account`.
        ("DW001", _) => Ok(Amended::Stale),
        ("DW002", _) => Ok(Amended::LastAdmin),
        ("23505", Some("users_email_key_key")) => Ok(Amended::AddressTaken),
        _ => Err(fault),
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
