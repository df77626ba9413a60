//! From rows to the domain's types. A row that means nothing is a fault, never a panic.

use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::password::PasswordHash;
use doorward::revocation::{Ending, EndingKind, EndingPosition};
use doorward::session::{EndReason, Ended, Session, SessionId, SpentToken};
use doorward::token::refresh::{SealedSecret, SecretHash, SessionHandle};
use doorward::user::{Credential, CredentialVersion, User, UserId};
use rusqlite::Row;
use uuid::Uuid;

use crate::error::Fault;

pub(crate) fn user(row: &Row<'_>) -> Result<User, Fault> {
    let role: String = row.get("role")?;
    Ok(User {
        id: user_id(row.get("id")?)?,
        email: EmailAddress::from_stored(row.get("email")?, row.get("email_key")?),
        full_name: row.get("full_name")?,
        role: role.parse().map_err(|_| Fault::Unreadable("role"))?,
        is_active: row.get("is_active")?,
        created_at: Timestamp::from_micros(row.get("created_at")?),
    })
}

pub(crate) fn credential(row: &Row<'_>) -> Result<Credential, Fault> {
    Ok(Credential {
        user: user(row)?,
        password_hash: PasswordHash::from_stored(row.get::<_, String>("password_hash")?),
        version: CredentialVersion(row.get("credential_version")?),
    })
}

pub(crate) fn session(row: &Row<'_>) -> Result<Session, Fault> {
    Ok(Session {
        id: session_id(row.get("id")?),
        handle: SessionHandle::from_bytes(row.get("handle")?),
        user_id: user_id(row.get("user_id")?)?,
        created_at: Timestamp::from_micros(row.get("created_at")?),
        current: SecretHash::from_bytes(row.get("current_hash")?),
        issued_at: Timestamp::from_micros(row.get("issued_at")?),
        expires_at: Timestamp::from_micros(row.get("expires_at")?),
        spent: spent(row)?,
        ended: ended(row)?,
    })
}

pub(crate) fn session_id(bytes: [u8; 16]) -> SessionId {
    SessionId::from_uuid(Uuid::from_bytes(bytes))
}

pub(crate) fn ending(row: &Row<'_>) -> Result<Ending, Fault> {
    let kind: String = row.get("kind")?;
    let user_id = || user_id(row.get("user_id")?);
    let what = match kind.as_str() {
        "session" => EndingKind::Session(session_id(row.get("session_id")?)),
        "deactivated" => EndingKind::Deactivated(user_id()?),
        "reactivated" => EndingKind::Reactivated(user_id()?),
        "role_changed" => {
            let role: String = row.get("role")?;
            EndingKind::RoleChanged(user_id()?, role.parse().map_err(|_| Fault::Unreadable("role"))?)
        }
        _ => return Err(Fault::Unreadable("kind of an ending")),
    };
    Ok(Ending { position: EndingPosition(row.get("position")?), at: Timestamp::from_micros(row.get("at")?), what })
}

fn user_id(value: i64) -> Result<UserId, Fault> {
    UserId::new(value).ok_or(Fault::Unreadable("user id"))
}

fn spent(row: &Row<'_>) -> Result<Option<SpentToken>, Fault> {
    let Some(hash) = row.get::<_, Option<[u8; 32]>>("spent_hash")? else { return Ok(None) };
    Ok(Some(SpentToken {
        hash: SecretHash::from_bytes(hash),
        at: Timestamp::from_micros(row.get("spent_at")?),
        sealed_successor: row.get::<_, Option<[u8; 64]>>("sealed_successor")?.map(SealedSecret::from_bytes),
    }))
}

fn ended(row: &Row<'_>) -> Result<Option<Ended>, Fault> {
    let Some(at) = row.get("ended_at")? else { return Ok(None) };
    let reason: String = row.get("ended_reason")?;
    let reason = EndReason::from_name(&reason).ok_or(Fault::Unreadable("reason of a session's end"))?;
    Ok(Some(Ended { at: Timestamp::from_micros(at), reason }))
}
