//! Sessions: one row each, rewritten in place.

use doorward::account::{Record, SessionChange};
use doorward::clock::Timestamp;
use doorward::revocation::EndingKind;
use doorward::session::{Decision, EndReason, NewSession, RotationAttempt, Session, SessionId, decide};
use doorward::store::{Rotation, SESSIONS_AT_ONCE, SESSIONS_OF_AN_ACCOUNT, SessionOpening, VerifiedLogin};
use doorward::token::refresh::{SealedSecret, SessionHandle};
use doorward::user::UserId;
use rusqlite::{Connection, Params, named_params, params};

use crate::error::Fault;
use crate::{accounts, endings, events, rows, users};

const INSERT: &str = "
    INSERT INTO sessions
        (handle, id, user_id, created_at, authenticated_at, device, address, current_hash, issued_at, expires_at)
    VALUES
        (:handle, :id, :user_id, :created_at, :authenticated_at, :device, :address,
         :current_hash, :issued_at, :expires_at)";

/// The session with what is to be known of its user, in one statement: refreshing is what is done most.
const FIND_FOR_ROTATION: &str = "
    SELECT handle, sessions.id, user_id, sessions.created_at,
           coalesce(authenticated_at, sessions.created_at),
           device, address, current_hash, issued_at, expires_at, spent_hash, spent_at, sealed_successor,
           ended_at, ended_reason, role, is_active
    FROM sessions JOIN users ON users.id = user_id WHERE handle = ?1";

const FIND_OF_USER: &str = "
    SELECT handle, id, user_id, created_at, coalesce(authenticated_at, created_at),
           device, address, current_hash, issued_at, expires_at, spent_hash, spent_at, sealed_successor,
           ended_at, ended_reason
    FROM sessions WHERE user_id = ?1 AND id = ?2";

const LIST: &str = "
    SELECT handle, id, user_id, created_at, coalesce(authenticated_at, created_at),
           device, address, current_hash, issued_at, expires_at, spent_hash, spent_at, sealed_successor,
           ended_at, ended_reason
    FROM sessions WHERE user_id = ?1 AND ended_at IS NULL AND expires_at > ?2
    ORDER BY issued_at DESC, id LIMIT ?3";

const ROTATE: &str = "
    UPDATE sessions
    SET current_hash = :current_hash, issued_at = :issued_at, expires_at = :expires_at, address = :address,
        spent_hash = :spent_hash, spent_at = :spent_at, sealed_successor = :sealed_successor
    WHERE handle = :handle";

const END: &str = "
    UPDATE sessions SET ended_at = ?2, ended_reason = ?3 WHERE handle = ?1 AND ended_at IS NULL
    RETURNING id, user_id, issued_at";

const END_ONE: &str = "
    UPDATE sessions SET ended_at = ?3, ended_reason = ?4 WHERE user_id = ?1 AND id = ?2 AND ended_at IS NULL
    RETURNING id, user_id, issued_at";

const END_ALL_BUT: &str = "
    UPDATE sessions SET ended_at = ?3, ended_reason = ?4 WHERE user_id = ?1 AND id IS NOT ?2 AND ended_at IS NULL
    RETURNING id, user_id, issued_at";

/// What lives beyond the last `?4` that were used.
const END_SURPLUS: &str = "
    UPDATE sessions SET ended_at = ?2, ended_reason = ?3
    WHERE handle IN (
        SELECT handle FROM sessions WHERE user_id = ?1 AND ended_at IS NULL AND expires_at > ?2
        ORDER BY issued_at DESC, handle LIMIT -1 OFFSET ?4
    )
    RETURNING id, user_id, issued_at";

const REAUTHENTICATE: &str = "UPDATE sessions SET authenticated_at = ?3 WHERE user_id = ?1 AND id = ?2";

const LAST_ISSUE: &str = "SELECT max(issued_at) FROM sessions WHERE user_id = ?1";

const DELETE_ALL_OF_USER: &str = "DELETE FROM sessions WHERE user_id = ?1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    INSERT,
    FIND_FOR_ROTATION,
    FIND_OF_USER,
    LIST,
    ROTATE,
    END,
    END_ONE,
    END_ALL_BUT,
    END_SURPLUS,
    REAUTHENTICATE,
    LAST_ISSUE,
    DELETE_ALL_OF_USER,
];

pub(crate) fn insert(connection: &Connection, new: &NewSession, user_id: UserId) -> Result<(), Fault> {
    let session = Session::open(new, user_id);
    connection.prepare_cached(INSERT)?.execute(named_params! {
        ":handle": session.handle.as_bytes(),
        ":id": session.id.as_uuid().as_bytes(),
        ":user_id": session.user_id.value(),
        ":created_at": session.created_at.micros(),
        ":authenticated_at": session.authenticated_at.micros(),
        ":device": session.device,
        ":address": session.address.map(events::address_bytes),
        ":current_hash": session.current.as_bytes(),
        ":issued_at": session.issued_at.micros(),
        ":expires_at": session.expires_at.micros(),
    })?;
    Ok(())
}

pub(crate) fn open(
    connection: &Connection,
    login: &VerifiedLogin,
    session: &NewSession,
    record: &Record,
) -> Result<SessionOpening, Fault> {
    let account = accounts::find(connection, login.user_id)?;
    let Some(account) = account.filter(|account| account.version == login.version) else {
        return Ok(SessionOpening::CredentialChanged);
    };
    if !account.user.is_active {
        return Ok(SessionOpening::UserInactive);
    }
    if let Some(hash) = &login.upgraded_hash {
        users::update_password_hash(connection, login.user_id, hash.as_str())?;
    }
    end_surplus(connection, login.user_id, session.created_at)?;
    insert(connection, session, login.user_id)?;
    events::write(connection, Some(login.user_id), Some(session.id), record)?;
    Ok(SessionOpening::Opened(account.user.role))
}

/// Leaves a place for one more session of that user.
fn end_surplus(connection: &Connection, user: UserId, now: Timestamp) -> Result<(), Fault> {
    let (kept, reason) = (i64::try_from(SESSIONS_OF_AN_ACCOUNT - 1).unwrap_or(i64::MAX), EndReason::Revoked);
    end_found(connection, END_SURPLUS, params![user.value(), now.micros(), reason.as_str(), kept], reason, now)?;
    Ok(())
}

pub(crate) fn rotate(connection: &Connection, attempt: &RotationAttempt) -> Result<Rotation, Fault> {
    let mut statement = connection.prepare_cached(FIND_FOR_ROTATION)?;
    let found =
        statement.query_and_then([attempt.handle.as_bytes()], rows::session_for_rotation)?.next().transpose()?;
    let Some((session, role, user_is_active)) = found else { return Ok(Rotation::Invalid) };
    let (id, user_id) = (session.id, session.user_id);
    match decide(&session, user_is_active, attempt) {
        Decision::Rotate(next) => {
            update(connection, &next)?;
            Ok(Rotation::Rotated { session: id, user_id, role })
        }
        Decision::Repeat(sealed_successor) => Ok(Rotation::Repeated { session: id, user_id, role, sealed_successor }),
        Decision::End(reason) => {
            let is_reuse = reason == EndReason::Reuse;
            let nothing = Record::default();
            let record = if is_reuse { &attempt.on_reuse } else { &nothing };
            end(connection, attempt.handle, reason, record, attempt.now)?;
            Ok(if is_reuse { Rotation::Reused { session: id, user_id } } else { Rotation::Invalid })
        }
        Decision::RefuseInactive => Ok(Rotation::UserInactive),
        Decision::RefuseEnded => Ok(Rotation::Invalid),
    }
}

/// Ends the session of that handle if it lives, and writes the record.
pub(crate) fn end(
    connection: &Connection,
    handle: SessionHandle,
    reason: EndReason,
    record: &Record,
    now: Timestamp,
) -> Result<Option<(SessionId, UserId)>, Fault> {
    let values = params![handle.as_bytes(), now.micros(), reason.as_str()];
    let ended = end_found(connection, END, values, reason, now)?.pop();
    if let Some((id, owner)) = ended {
        events::write(connection, Some(owner), Some(id), record)?;
    }
    Ok(ended)
}

/// Does to a user's sessions what an amendment of the account says.
pub(crate) fn change(
    connection: &Connection,
    user: UserId,
    change: SessionChange,
    now: Timestamp,
) -> Result<(), Fault> {
    let (user, at) = (user.value(), now.micros());
    match change {
        SessionChange::Keep => {}
        SessionChange::EndAllBut(kept, reason) => {
            let kept = kept.as_ref().map(|id| id.as_uuid().as_bytes());
            end_found(connection, END_ALL_BUT, params![user, kept, at, reason.as_str()], reason, now)?;
        }
        SessionChange::End(id, reason) => {
            let values = params![user, id.as_uuid().as_bytes(), at, reason.as_str()];
            end_found(connection, END_ONE, values, reason, now)?;
        }
        SessionChange::Reauthenticated(id) => {
            connection.prepare_cached(REAUTHENTICATE)?.execute(params![user, id.as_uuid().as_bytes(), at])?;
        }
    }
    Ok(())
}

/// `now`, or when the last tokens of that user were issued, where that was later by a clock that was ahead.
pub(crate) fn after_all_tokens_of(connection: &Connection, user: UserId, now: Timestamp) -> Result<Timestamp, Fault> {
    let last: Option<i64> = connection.prepare_cached(LAST_ISSUE)?.query_row([user.value()], |row| row.get(0))?;
    Ok(last.map_or(now, |last| now.max(Timestamp::from_micros(last))))
}

/// Ends what `statement` finds, and records what access tokens must learn of it.
fn end_found(
    connection: &Connection,
    statement: &str,
    values: impl Params,
    reason: EndReason,
    now: Timestamp,
) -> Result<Vec<(SessionId, UserId)>, Fault> {
    let ended = connection
        .prepare_cached(statement)?
        .query_and_then(values, rows::ended_session)?
        .collect::<Result<Vec<_>, _>>()?;
    // An expired session's access tokens are long dead: nothing to remember.
    if reason != EndReason::Expired {
        ended.iter().try_for_each(|(id, _, issued_at)| {
            endings::record(connection, EndingKind::Session(*id), now.max(*issued_at))
        })?;
    }
    Ok(ended.into_iter().map(|(id, user, _)| (id, user)).collect())
}

pub(crate) fn find_of_user(connection: &Connection, user: UserId, id: SessionId) -> Result<Option<Session>, Fault> {
    let mut statement = connection.prepare_cached(FIND_OF_USER)?;
    statement.query_and_then(params![user.value(), id.as_uuid().as_bytes()], rows::session)?.next().transpose()
}

/// The living sessions of a user, the one used last first.
pub(crate) fn list(connection: &Connection, user: UserId, now: Timestamp) -> Result<Vec<Session>, Fault> {
    let mut statement = connection.prepare_cached(LIST)?;
    let limit = i64::try_from(SESSIONS_AT_ONCE).unwrap_or(i64::MAX);
    statement.query_and_then(params![user.value(), now.micros(), limit], rows::session)?.collect()
}

pub(crate) fn delete_all_of(connection: &Connection, user: UserId) -> Result<(), Fault> {
    connection.prepare_cached(DELETE_ALL_OF_USER)?.execute([user.value()])?;
    Ok(())
}

fn update(connection: &Connection, session: &Session) -> Result<(), Fault> {
    let spent = session.spent.as_ref();
    connection.prepare_cached(ROTATE)?.execute(named_params! {
        ":handle": session.handle.as_bytes(),
        ":current_hash": session.current.as_bytes(),
        ":issued_at": session.issued_at.micros(),
        ":expires_at": session.expires_at.micros(),
        ":address": session.address.map(events::address_bytes),
        ":spent_hash": spent.map(|spent| spent.hash.as_bytes()),
        ":spent_at": spent.map(|spent| spent.at.micros()),
        ":sealed_successor": spent.and_then(|spent| spent.sealed_successor.as_ref()).map(SealedSecret::as_bytes),
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doorward::role::Role;
    use doorward::session::RefreshRules;
    use doorward::store::UserCreation;
    use doorward::token::refresh::generate_refresh_token;
    use doorward::user::NewUser;
    use doorward::{EmailAddress, password::PasswordHash};
    use rusqlite::StatementStatus;

    use super::*;
    use crate::SqliteOptions;
    use crate::connection::Database;

    #[test]
    fn a_rotation_plans_its_statements_once() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(&folder.path().join("doorward.db"), SqliteOptions::default()).unwrap();
        let (connection, _) = crate::migrations::connect_migrated(&database).unwrap();
        let start = Timestamp::from_seconds(1_800_000_000);
        let mut token = generate_refresh_token().unwrap();
        let session = NewSession {
            id: SessionId::generate().unwrap(),
            handle: token.handle(),
            current: token.hash(),
            created_at: start,
            expires_at: start.plus(Duration::from_secs(60)),
            device: None,
            address: None,
        };
        let user = NewUser {
            email: EmailAddress::parse("ada@example.com").unwrap(),
            password_hash: PasswordHash::unusable(),
            full_name: None,
            role: Role::User,
            email_verified_at: None,
            tickets: Vec::new(),
            created_at: start,
        };
        let made = users::create(&connection, &user, Some(&session), &Record::default()).unwrap();
        assert!(matches!(made, UserCreation::Created(_)));
        for second in 1..10 {
            let successor = token.successor().unwrap();
            let attempt = RotationAttempt {
                handle: token.handle(),
                presented: token.hash(),
                successor: successor.hash(),
                sealed_successor: None,
                now: start.plus(Duration::from_secs(second)),
                address: None,
                on_reuse: Record::default(),
                rules: RefreshRules::default(),
            };
            assert!(matches!(rotate(&connection, &attempt).unwrap(), Rotation::Rotated { .. }));
            token = successor;
        }
        for statement in [FIND_FOR_ROTATION, ROTATE] {
            let cached = connection.prepare_cached(statement).unwrap();
            assert_eq!(
                (cached.get_status(StatementStatus::RePrepare), cached.get_status(StatementStatus::Run)),
                (0, 9)
            );
        }
    }
}
