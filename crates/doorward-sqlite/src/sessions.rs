//! Sessions: one row each, rewritten in place.

use doorward::clock::Timestamp;
use doorward::revocation::EndingKind;
use doorward::session::{Decision, EndReason, NewSession, RotationAttempt, Session, SessionId, decide};
use doorward::store::{Rotation, SessionOpening, VerifiedLogin};
use doorward::token::refresh::{SealedSecret, SessionHandle};
use doorward::user::UserId;
use rusqlite::{Connection, named_params, params};

use crate::error::Fault;
use crate::{endings, rows, users};

const INSERT: &str = "
    INSERT INTO sessions (handle, id, user_id, created_at, current_hash, issued_at, expires_at)
    VALUES (:handle, :id, :user_id, :created_at, :current_hash, :issued_at, :expires_at)";

const FIND: &str = "
    SELECT handle, id, user_id, created_at, current_hash, issued_at, expires_at,
           spent_hash, spent_at, sealed_successor, ended_at, ended_reason
    FROM sessions WHERE handle = ?1";

const ROTATE: &str = "
    UPDATE sessions
    SET current_hash = :current_hash, issued_at = :issued_at, expires_at = :expires_at,
        spent_hash = :spent_hash, spent_at = :spent_at, sealed_successor = :sealed_successor
    WHERE handle = :handle";

const END: &str = "
    UPDATE sessions SET ended_at = ?2, ended_reason = ?3 WHERE handle = ?1 AND ended_at IS NULL RETURNING id";

const END_ALL_OF_USER: &str = "
    UPDATE sessions SET ended_at = ?2, ended_reason = ?3 WHERE user_id = ?1 AND ended_at IS NULL RETURNING id";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[INSERT, FIND, ROTATE, END, END_ALL_OF_USER];

pub(crate) fn insert(connection: &Connection, new: &NewSession, user_id: UserId) -> Result<(), Fault> {
    let session = Session::open(new, user_id);
    connection.prepare_cached(INSERT)?.execute(named_params! {
        ":handle": session.handle.as_bytes(),
        ":id": session.id.as_uuid().as_bytes(),
        ":user_id": session.user_id.value(),
        ":created_at": session.created_at.micros(),
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
) -> Result<SessionOpening, Fault> {
    let credential = users::find_credential_by_id(connection, login.user_id)?;
    let Some(credential) = credential.filter(|credential| credential.version == login.version) else {
        return Ok(SessionOpening::CredentialChanged);
    };
    if !credential.user.is_active {
        return Ok(SessionOpening::UserInactive);
    }
    if let Some(hash) = &login.upgraded_hash {
        users::update_password_hash(connection, login.user_id, hash.as_str())?;
    }
    insert(connection, session, login.user_id)?;
    Ok(SessionOpening::Opened(credential.user.role))
}

pub(crate) fn rotate(connection: &Connection, attempt: &RotationAttempt) -> Result<Rotation, Fault> {
    let Some(session) = find(connection, attempt.handle)? else { return Ok(Rotation::Invalid) };
    let Some(user) = users::find(connection, session.user_id)? else { return Ok(Rotation::Invalid) };
    let (id, user_id, role) = (session.id, user.id, user.role);
    match decide(&session, user.is_active, attempt) {
        Decision::Rotate(next) => {
            update(connection, &next)?;
            Ok(Rotation::Rotated { session: id, user_id, role })
        }
        Decision::Repeat(sealed_successor) => Ok(Rotation::Repeated { session: id, user_id, role, sealed_successor }),
        Decision::End(reason) => {
            end(connection, attempt.handle, reason, attempt.now)?;
            match reason {
                EndReason::Reuse => Ok(Rotation::Reused { session: id, user_id }),
                _ => Ok(Rotation::Invalid),
            }
        }
        Decision::RefuseInactive => Ok(Rotation::UserInactive),
        Decision::RefuseEnded => Ok(Rotation::Invalid),
    }
}

pub(crate) fn end(
    connection: &Connection,
    handle: SessionHandle,
    reason: EndReason,
    now: Timestamp,
) -> Result<Option<SessionId>, Fault> {
    let mut statement = connection.prepare_cached(END)?;
    let values = params![handle.as_bytes(), now.micros(), reason.as_str()];
    let Some(id) = statement.query_and_then(values, ended_id)?.next().transpose()? else { return Ok(None) };
    // An expired session's access tokens are long dead: nothing to remember.
    if reason != EndReason::Expired {
        endings::record(connection, EndingKind::Session(id), now)?;
    }
    Ok(Some(id))
}

pub(crate) fn end_all_of_deactivated(connection: &Connection, user_id: UserId, now: Timestamp) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(END_ALL_OF_USER)?;
    let values = params![user_id.value(), now.micros(), EndReason::Deactivated.as_str()];
    let ended: Vec<_> = statement.query_and_then(values, ended_id)?.collect::<Result<_, Fault>>()?;
    ended.into_iter().try_for_each(|id| endings::record(connection, EndingKind::Session(id), now))
}

fn find(connection: &Connection, handle: SessionHandle) -> Result<Option<Session>, Fault> {
    let mut statement = connection.prepare_cached(FIND)?;
    statement.query_and_then([handle.as_bytes()], rows::session)?.next().transpose()
}

fn update(connection: &Connection, session: &Session) -> Result<(), Fault> {
    let spent = session.spent.as_ref();
    connection.prepare_cached(ROTATE)?.execute(named_params! {
        ":handle": session.handle.as_bytes(),
        ":current_hash": session.current.as_bytes(),
        ":issued_at": session.issued_at.micros(),
        ":expires_at": session.expires_at.micros(),
        ":spent_hash": spent.map(|spent| spent.hash.as_bytes()),
        ":spent_at": spent.map(|spent| spent.at.micros()),
        ":sealed_successor": spent.and_then(|spent| spent.sealed_successor.as_ref()).map(SealedSecret::as_bytes),
    })?;
    Ok(())
}

fn ended_id(row: &rusqlite::Row<'_>) -> Result<SessionId, Fault> {
    Ok(rows::session_id(row.get("id")?))
}
