//! From rows to the domain's types. A row that means nothing is a fault, never a panic.

use std::net::IpAddr;

use doorward::Actor;
use doorward::account::{Account, Revision};
use doorward::audit::{Cause, Details, Event, EventKind, EventPosition, NewEvent};
use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::outbox::{Message, MessageKind};
use doorward::password::PasswordHash;
use doorward::revocation::{Ending, EndingKind, EndingPosition};
use doorward::role::Role;
use doorward::second_factor::SecondFactor;
use doorward::session::{EndReason, Ended, Session, SessionId, SpentToken};
use doorward::ticket;
use doorward::token::refresh::{SealedSecret, SecretHash, SessionHandle};
use doorward::user::{CredentialVersion, User, UserId};
use tokio_postgres::Row;

use crate::error::Fault;

pub(crate) fn user(row: &Row) -> Result<User, Fault> {
    Ok(User {
        id: user_id(row.try_get("id")?)?,
        email: EmailAddress::from_stored(row.try_get("email")?, row.try_get("email_key")?),
        full_name: row.try_get("full_name")?,
        role: role(row)?,
        is_active: row.try_get("is_active")?,
        email_verified_at: optional_moment(row, "email_verified_at")?,
        created_at: moment(row, "created_at")?,
    })
}

pub(crate) fn role(row: &Row) -> Result<Role, Fault> {
    row.try_get::<_, &str>("role")?.parse().map_err(|_| Fault::Unreadable("role"))
}

pub(crate) fn account(row: &Row) -> Result<Account, Fault> {
    let second_factor = row.try_get::<_, Option<&str>>("second_factor")?.map(SecondFactor::from_stored);
    let second_factor = second_factor.map(|stored| stored.ok_or(Fault::Unreadable("second factor"))).transpose()?;
    let tickets = ticket::from_stored(row.try_get("tickets")?).ok_or(Fault::Unreadable("tickets"))?;
    Ok(Account {
        user: user(row)?,
        password_hash: PasswordHash::from_stored(row.try_get::<_, String>("password_hash")?),
        version: CredentialVersion(row.try_get("credential_version")?),
        must_change_password: row.try_get("must_change_password")?,
        second_factor,
        tickets,
        revision: Revision(row.try_get("revision")?),
    })
}

pub(crate) fn session(row: &Row) -> Result<Session, Fault> {
    Ok(Session {
        id: session_id(row, "id")?,
        handle: SessionHandle::from_bytes(bytes(row, "handle")?),
        user_id: owner(row)?,
        created_at: moment(row, "created_at")?,
        authenticated_at: moment(row, "authenticated_at")?,
        device: row.try_get("device")?,
        address: address(row)?,
        current: SecretHash::from_bytes(bytes(row, "current_hash")?),
        issued_at: moment(row, "issued_at")?,
        expires_at: moment(row, "expires_at")?,
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
    Ok(Ending { position, at: moment(row, "at")?, what })
}

pub(crate) fn event(row: &Row) -> Result<Event, Fault> {
    let kind = EventKind::from_name(row.try_get("kind")?).ok_or(Fault::Unreadable("kind of an event"))?;
    let details = row.try_get::<_, Option<&str>>("details")?.map(serde_json::from_str::<Details>).transpose();
    let cause = Cause {
        actor: actor(row)?,
        address: address(row)?,
        user_agent: row.try_get("user_agent")?,
        request_id: row.try_get("request_id")?,
    };
    let what = NewEvent {
        at: moment(row, "at")?,
        kind,
        session: row.try_get::<_, Option<_>>("session_id")?.map(SessionId::from_uuid),
        cause,
        details: details.map_err(|_| Fault::Unreadable("details of an event"))?.unwrap_or_default(),
    };
    Ok(Event { position: EventPosition(row.try_get("position")?), user_id: optional_owner(row)?, what })
}

pub(crate) fn message(row: &Row) -> Result<Message, Fault> {
    Ok(Message {
        id: row.try_get("id")?,
        kind: MessageKind::from_name(row.try_get("kind")?).ok_or(Fault::Unreadable("kind of a message"))?,
        user_id: optional_owner(row)?,
        sealed: row.try_get("sealed")?,
        created_at: moment(row, "created_at")?,
        attempts: row.try_get::<_, i32>("attempts")?.unsigned_abs(),
    })
}

/// An address as it is stored: 4 or 16 bytes.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn address(row: &Row) -> Result<Option<IpAddr>, Fault> {
    let Some(octets) = row.try_get::<_, Option<&[u8]>>("address")? else { return Ok(None) };
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    address.map(Some).map_err(|_| Fault::Unreadable("address"))
}

fn actor(row: &Row) -> Result<Actor, Fault> {
    match (row.try_get("actor")?, row.try_get("actor_id")?) {
        ("anonymous", None) => Ok(Actor::Anonymous),
        ("operator", None) => Ok(Actor::Operator),
        ("user", Some(id)) => Ok(Actor::User(user_id(id)?)),
        _ => Err(Fault::Unreadable("actor of an event")),
    }
}

fn optional_owner(row: &Row) -> Result<Option<UserId>, Fault> {
    row.try_get::<_, Option<i64>>("user_id")?.map(user_id).transpose()
}

fn moment(row: &Row, column: &'static str) -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_micros(row.try_get(column)?))
}

fn optional_moment(row: &Row, column: &'static str) -> Result<Option<Timestamp>, Fault> {
    Ok(row.try_get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

fn user_id(value: i64) -> Result<UserId, Fault> {
    UserId::new(value).ok_or(Fault::Unreadable("user id"))
}

fn spent(row: &Row) -> Result<Option<SpentToken>, Fault> {
    let Some(hash) = optional_bytes(row, "spent_hash")? else { return Ok(None) };
    Ok(Some(SpentToken {
        hash: SecretHash::from_bytes(hash),
        at: moment(row, "spent_at")?,
        sealed_successor: optional_bytes(row, "sealed_successor")?.map(SealedSecret::from_bytes),
    }))
}

fn ended(row: &Row) -> Result<Option<Ended>, Fault> {
    let Some(at) = optional_moment(row, "ended_at")? else { return Ok(None) };
    let reason = EndReason::from_name(row.try_get("ended_reason")?);
    let reason = reason.ok_or(Fault::Unreadable("reason of a session's end"))?;
    Ok(Some(Ended { at, reason }))
}

fn bytes<const LENGTH: usize>(row: &Row, column: &'static str) -> Result<[u8; LENGTH], Fault> {
    optional_bytes(row, column)?.ok_or(Fault::Unreadable(column))
}

fn optional_bytes<const LENGTH: usize>(row: &Row, column: &'static str) -> Result<Option<[u8; LENGTH]>, Fault> {
    let Some(bytes) = row.try_get::<_, Option<&[u8]>>(column)? else { return Ok(None) };
    bytes.try_into().map(Some).map_err(|_| Fault::Unreadable(column))
}
