//! From rows to the domain's types. A row that means nothing is a fault, never a panic.

use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::password::PasswordHash;
use doorward::revocation::{Ending, EndingKind, EndingPosition};
use doorward::role::Role;
use doorward::session::{EndReason, Ended, Session, SessionId, SpentToken};
use doorward::token::refresh::{SealedSecret, SecretHash, SessionHandle};
use doorward::user::{Credential, CredentialVersion, User, UserId};
use tokio_postgres::Row;

use crate::error::Fault;

pub(crate) fn user(row: &Row) -> Result<User, Fault> {
    Ok(User {
        id: user_id(row.try_get("id")?)?,
        email: EmailAddress::from_stored(row.try_get("email")?, row.try_get("email_key")?),
        full_name: row.try_get("full_name")?,
        role: role(row)?,
        is_active: row.try_get("is_active")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
    })
}

pub(crate) fn role(row: &Row) -> Result<Role, Fault> {
    row.try_get::<_, &str>("role")?.parse().map_err(|_| Fault::Unreadable("role"))
}

pub(crate) fn credential(row: &Row) -> Result<Credential, Fault> {
    Ok(Credential {
        user: user(row)?,
        password_hash: PasswordHash::from_stored(row.try_get::<_, String>("password_hash")?),
        version: CredentialVersion(row.try_get("credential_version")?),
    })
}

pub(crate) fn session(row: &Row) -> Result<Session, Fault> {
    Ok(Session {
        id: session_id(row, "id")?,
        handle: SessionHandle::from_bytes(bytes(row, "handle")?),
        user_id: owner(row)?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        current: SecretHash::from_bytes(bytes(row, "current_hash")?),
        issued_at: Timestamp::from_micros(row.try_get("issued_at")?),
        expires_at: Timestamp::from_micros(row.try_get("expires_at")?),
        spent: spent(row)?,
        ended: ended(row)?,
    })
}

pub(crate) fn owner(row: &Row) -> Result<UserId, Fault> {
    user_id(row.try_get("user_id")?)
}

pub(crate) fn session_id(row: &Row, column: &str) -> Result<SessionId, Fault> {
    Ok(SessionId::from_uuid(row.try_get(column)?))
}

pub(crate) fn ending(row: &Row) -> Result<Ending, Fault> {
    let what = match row.try_get("kind")? {
        "session" => EndingKind::Session(session_id(row, "session_id")?),
        "deactivated" => EndingKind::Deactivated(owner(row)?),
        "reactivated" => EndingKind::Reactivated(owner(row)?),
        "role_changed" => EndingKind::RoleChanged(owner(row)?, role(row)?),
        _ => return Err(Fault::Unreadable("kind of an ending")),
    };
    let position = EndingPosition(row.try_get("position")?);
    Ok(Ending { position, at: Timestamp::from_micros(row.try_get("at")?), what })
}

fn user_id(value: i64) -> Result<UserId, Fault> {
    UserId::new(value).ok_or(Fault::Unreadable("user id"))
}

fn spent(row: &Row) -> Result<Option<SpentToken>, Fault> {
    let Some(hash) = optional_bytes(row, "spent_hash")? else { return Ok(None) };
    Ok(Some(SpentToken {
        hash: SecretHash::from_bytes(hash),
        at: Timestamp::from_micros(row.try_get("spent_at")?),
        sealed_successor: optional_bytes(row, "sealed_successor")?.map(SealedSecret::from_bytes),
    }))
}

fn ended(row: &Row) -> Result<Option<Ended>, Fault> {
    let Some(at) = row.try_get("ended_at")? else { return Ok(None) };
    let reason = EndReason::from_name(row.try_get("ended_reason")?);
    let reason = reason.ok_or(Fault::Unreadable("reason of a session's end"))?;
    Ok(Some(Ended { at: Timestamp::from_micros(at), reason }))
}

fn bytes<const LENGTH: usize>(row: &Row, column: &'static str) -> Result<[u8; LENGTH], Fault> {
    optional_bytes(row, column)?.ok_or(Fault::Unreadable(column))
}

fn optional_bytes<const LENGTH: usize>(row: &Row, column: &'static str) -> Result<Option<[u8; LENGTH]>, Fault> {
    let Some(bytes) = row.try_get::<_, Option<&[u8]>>(column)? else { return Ok(None) };
    bytes.try_into().map(Some).map_err(|_| Fault::Unreadable(column))
}
