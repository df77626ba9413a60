//! From rows to the domain's types. A row that means nothing is a fault, never a panic.

use std::net::IpAddr;

use doorward::account::{Account, Revision};
use doorward::audit::{Cause, Details, Event, EventKind, EventPosition, NewEvent};
use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::origin::Actor;
use doorward::outbox::{Message, MessageKind};
use doorward::password::PasswordHash;
use doorward::revocation::{Ending, EndingKind, EndingPosition};
use doorward::role::Role;
use doorward::second_factor::SecondFactor;
use doorward::session::{EndReason, Ended, Session, SessionId, SpentToken};
use doorward::ticket;
use doorward::token::refresh::{SealedSecret, SecretHash, SessionHandle};
use doorward::user::{CredentialVersion, User, UserId};
use rusqlite::Row;
use uuid::Uuid;

use crate::error::Fault;

pub(crate) fn user(row: &Row<'_>) -> Result<User, Fault> {
    Ok(User {
        id: user_id(row.get("id")?)?,
        email: EmailAddress::from_stored(row.get("email")?, row.get("email_key")?),
        full_name: row.get("full_name")?,
        role: role(row)?,
        is_active: row.get("is_active")?,
        email_verified_at: row.get::<_, Option<i64>>("email_verified_at")?.map(Timestamp::from_micros),
        created_at: Timestamp::from_micros(row.get("created_at")?),
    })
}

pub(crate) fn account(row: &Row<'_>) -> Result<Account, Fault> {
    let second_factor: Option<String> = row.get("second_factor")?;
    let second_factor =
        second_factor.map(|text| SecondFactor::from_stored(&text).ok_or(Fault::Unreadable("second factor")));
    let tickets: Option<String> = row.get("tickets")?;
    Ok(Account {
        user: user(row)?,
        password_hash: PasswordHash::from_stored(row.get::<_, String>("password_hash")?),
        version: CredentialVersion(row.get("credential_version")?),
        must_change_password: row.get("must_change_password")?,
        second_factor: second_factor.transpose()?,
        tickets: ticket::from_stored(tickets.as_deref()).ok_or(Fault::Unreadable("tickets"))?,
        revision: Revision(row.get("revision")?),
    })
}

pub(crate) fn session(row: &Row<'_>) -> Result<Session, Fault> {
    Ok(Session {
        id: session_id(row.get("id")?),
        handle: SessionHandle::from_bytes(row.get("handle")?),
        user_id: user_id(row.get("user_id")?)?,
        created_at: Timestamp::from_micros(row.get("created_at")?),
        authenticated_at: Timestamp::from_micros(row.get("authenticated_at")?),
        device: row.get("device")?,
        address: address(row)?,
        current: SecretHash::from_bytes(row.get("current_hash")?),
        issued_at: Timestamp::from_micros(row.get("issued_at")?),
        expires_at: Timestamp::from_micros(row.get("expires_at")?),
        spent: spent(row)?,
        ended: ended(row)?,
    })
}

pub(crate) fn ended_session(row: &Row<'_>) -> Result<(SessionId, UserId), Fault> {
    Ok((session_id(row.get("id")?), user_id(row.get("user_id")?)?))
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
        "role_changed" => EndingKind::RoleChanged(user_id()?, role(row)?),
        _ => return Err(Fault::Unreadable("kind of an ending")),
    };
    Ok(Ending { position: EndingPosition(row.get("position")?), at: Timestamp::from_micros(row.get("at")?), what })
}

pub(crate) fn event(row: &Row<'_>) -> Result<Event, Fault> {
    let kind: String = row.get("kind")?;
    let actor_id = row.get::<_, Option<i64>>("actor_id")?.map(user_id).transpose()?;
    let actor = match (row.get::<_, String>("actor")?.as_str(), actor_id) {
        ("anonymous", None) => Actor::Anonymous,
        ("operator", None) => Actor::Operator,
        ("user", Some(id)) => Actor::User(id),
        _ => return Err(Fault::Unreadable("actor of an event")),
    };
    let cause =
        Cause { actor, address: address(row)?, user_agent: row.get("user_agent")?, request_id: row.get("request_id")? };
    let what = NewEvent {
        at: Timestamp::from_micros(row.get("at")?),
        kind: EventKind::from_name(&kind).ok_or(Fault::Unreadable("kind of an event"))?,
        session: row.get::<_, Option<[u8; 16]>>("session_id")?.map(session_id),
        cause,
        details: details(row)?,
    };
    let user_id = row.get::<_, Option<i64>>("user_id")?.map(user_id).transpose()?;
    Ok(Event { position: EventPosition(row.get("position")?), user_id, what })
}

pub(crate) fn message(row: &Row<'_>) -> Result<Message, Fault> {
    let kind: String = row.get("kind")?;
    Ok(Message {
        id: Uuid::from_bytes(row.get("id")?),
        kind: MessageKind::from_name(&kind).ok_or(Fault::Unreadable("kind of a message"))?,
        user_id: row.get::<_, Option<i64>>("user_id")?.map(user_id).transpose()?,
        sealed: row.get("sealed")?,
        created_at: Timestamp::from_micros(row.get("created_at")?),
        attempts: row.get("attempts")?,
    })
}

pub(crate) fn role(row: &Row<'_>) -> Result<Role, Fault> {
    row.get::<_, String>("role")?.parse().map_err(|_| Fault::Unreadable("role"))
}

fn details(row: &Row<'_>) -> Result<Details, Fault> {
    let Some(text) = row.get::<_, Option<String>>("details")? else { return Ok(Details::new()) };
    serde_json::from_str(&text).map_err(|_| Fault::Unreadable("details of an event"))
}

fn address(row: &Row<'_>) -> Result<Option<IpAddr>, Fault> {
    let Some(bytes) = row.get::<_, Option<Vec<u8>>>("address")? else { return Ok(None) };
    let of_four = || <[u8; 4]>::try_from(&*bytes).ok().map(IpAddr::from);
    let of_sixteen = || <[u8; 16]>::try_from(&*bytes).ok().map(IpAddr::from);
    of_four().or_else(of_sixteen).map(Some).ok_or(Fault::Unreadable("address"))
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
