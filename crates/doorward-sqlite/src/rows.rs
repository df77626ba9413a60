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
use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use uuid::Uuid;

use crate::error::Fault;

/// The columns of a row, taken from left to right as its statement names them. By name each would be looked for
/// among all the others, in every row.
struct Columns<'a> {
    row: &'a Row<'a>,
    taken: usize,
}

impl<'a> Columns<'a> {
    fn of(row: &'a Row<'a>) -> Self {
        Self { row, taken: 0 }
    }

    fn take<T: FromSql>(&mut self) -> Result<T, Fault> {
        self.taken += 1;
        Ok(self.row.get(self.taken - 1)?)
    }

    /// As [`take`](Self::take), of what is read where it lies.
    fn look<T>(&mut self, read: impl FnOnce(ValueRef<'a>) -> FromSqlResult<T>) -> Result<T, Fault> {
        self.taken += 1;
        read(self.row.get_ref(self.taken - 1)?).map_err(|_| Fault::Unreadable("type of a column"))
    }

    fn text(&mut self) -> Result<&'a str, Fault> {
        self.look(|value| value.as_str())
    }

    fn text_if_any(&mut self) -> Result<Option<&'a str>, Fault> {
        self.look(|value| value.as_str_or_null())
    }

    fn bytes_if_any(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        self.look(|value| value.as_blob_or_null())
    }

    fn moment(&mut self) -> Result<Timestamp, Fault> {
        self.take().map(Timestamp::from_micros)
    }

    fn moment_if_any(&mut self) -> Result<Option<Timestamp>, Fault> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp::from_micros))
    }

    fn user_id(&mut self) -> Result<UserId, Fault> {
        user_id(self.take()?)
    }

    fn role(&mut self) -> Result<Role, Fault> {
        role(self.text()?)
    }
}

pub(crate) fn user(row: &Row<'_>) -> Result<User, Fault> {
    user_in(&mut Columns::of(row))
}

fn user_in(columns: &mut Columns<'_>) -> Result<User, Fault> {
    Ok(User {
        id: columns.user_id()?,
        email: EmailAddress::from_stored(columns.take()?, columns.take()?),
        full_name: columns.take()?,
        role: columns.role()?,
        is_active: columns.take()?,
        email_verified_at: columns.moment_if_any()?,
        created_at: columns.moment()?,
    })
}

pub(crate) fn account(row: &Row<'_>) -> Result<Account, Fault> {
    let columns = &mut Columns::of(row);
    let second_factor = |text: &str| SecondFactor::from_stored(text).ok_or(Fault::Unreadable("second factor"));
    Ok(Account {
        user: user_in(columns)?,
        password_hash: PasswordHash::from_stored(columns.take::<String>()?),
        version: CredentialVersion(columns.take()?),
        must_change_password: columns.take()?,
        second_factor: columns.text_if_any()?.map(second_factor).transpose()?,
        tickets: ticket::from_stored(columns.text_if_any()?).ok_or(Fault::Unreadable("tickets"))?,
        revision: Revision(columns.take()?),
    })
}

pub(crate) fn session(row: &Row<'_>) -> Result<Session, Fault> {
    session_in(&mut Columns::of(row))
}

/// A session, and of its user the role and whether the account is active.
pub(crate) fn session_for_rotation(row: &Row<'_>) -> Result<(Session, Role, bool), Fault> {
    let columns = &mut Columns::of(row);
    Ok((session_in(columns)?, columns.role()?, columns.take()?))
}

fn session_in(columns: &mut Columns<'_>) -> Result<Session, Fault> {
    Ok(Session {
        handle: SessionHandle::from_bytes(columns.take()?),
        id: session_id(columns.take()?),
        user_id: columns.user_id()?,
        created_at: columns.moment()?,
        authenticated_at: columns.moment()?,
        device: columns.take()?,
        address: columns.bytes_if_any()?.map(address).transpose()?,
        current: SecretHash::from_bytes(columns.take()?),
        issued_at: columns.moment()?,
        expires_at: columns.moment()?,
        spent: spent(columns.take()?, columns.moment_if_any()?, columns.take()?)?,
        ended: ended(columns.moment_if_any()?, columns.text_if_any()?)?,
    })
}

/// Which session, whose, and when its last tokens were issued.
pub(crate) fn ended_session(row: &Row<'_>) -> Result<(SessionId, UserId, Timestamp), Fault> {
    let columns = &mut Columns::of(row);
    Ok((session_id(columns.take()?), columns.user_id()?, columns.moment()?))
}

pub(crate) fn session_id(bytes: [u8; 16]) -> SessionId {
    SessionId::from_uuid(Uuid::from_bytes(bytes))
}

pub(crate) fn ending(row: &Row<'_>) -> Result<Ending, Fault> {
    let columns = &mut Columns::of(row);
    let (position, at) = (EndingPosition(columns.take()?), columns.moment()?);
    let kind = columns.text()?;
    let (session, user, new_role) =
        (columns.take::<Option<_>>()?, columns.take::<Option<_>>()?, columns.text_if_any()?);
    let what = match (kind, session, user, new_role) {
        ("session", Some(id), None, None) => EndingKind::Session(session_id(id)),
        ("deactivated", None, Some(id), None) => EndingKind::Deactivated(user_id(id)?),
        ("reactivated", None, Some(id), None) => EndingKind::Reactivated(user_id(id)?),
        ("role_changed", None, Some(id), Some(text)) => EndingKind::RoleChanged(user_id(id)?, role(text)?),
        _ => return Err(Fault::Unreadable("kind of an ending")),
    };
    Ok(Ending { position, at, what })
}

pub(crate) fn event(row: &Row<'_>) -> Result<Event, Fault> {
    let columns = &mut Columns::of(row);
    Ok(Event {
        position: EventPosition(columns.take()?),
        what: NewEvent {
            at: columns.moment()?,
            kind: EventKind::from_name(columns.text()?).ok_or(Fault::Unreadable("kind of an event"))?,
            session: columns.take::<Option<_>>()?.map(session_id),
            cause: Cause {
                actor: actor(columns.text()?, columns.take()?)?,
                address: columns.bytes_if_any()?.map(address).transpose()?,
                user_agent: columns.take()?,
                request_id: columns.take()?,
            },
            details: columns.text_if_any()?.map_or(Ok(Details::new()), details)?,
        },
        user_id: columns.take::<Option<_>>()?.map(user_id).transpose()?,
    })
}

pub(crate) fn message(row: &Row<'_>) -> Result<Message, Fault> {
    let columns = &mut Columns::of(row);
    Ok(Message {
        id: Uuid::from_bytes(columns.take()?),
        kind: MessageKind::from_name(columns.text()?).ok_or(Fault::Unreadable("kind of a message"))?,
        user_id: columns.take::<Option<_>>()?.map(user_id).transpose()?,
        created_at: columns.moment()?,
        attempts: columns.take()?,
        sealed: columns.take()?,
    })
}

fn role(name: &str) -> Result<Role, Fault> {
    name.parse().map_err(|_| Fault::Unreadable("role"))
}

fn actor(kind: &str, id: Option<i64>) -> Result<Actor, Fault> {
    match (kind, id) {
        ("anonymous", None) => Ok(Actor::Anonymous),
        ("operator", None) => Ok(Actor::Operator),
        ("user", Some(id)) => Ok(Actor::User(user_id(id)?)),
        _ => Err(Fault::Unreadable("actor of an event")),
    }
}

fn details(text: &str) -> Result<Details, Fault> {
    serde_json::from_str(text).map_err(|_| Fault::Unreadable("details of an event"))
}

fn address(bytes: &[u8]) -> Result<IpAddr, Fault> {
    let of_four = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    let of_sixteen = || <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from);
    of_four().or_else(of_sixteen).ok_or(Fault::Unreadable("address"))
}

fn user_id(value: i64) -> Result<UserId, Fault> {
    UserId::new(value).ok_or(Fault::Unreadable("user id"))
}

/// A hash without its moment is no row of ours: taken for nothing spent, a stolen token would go unnoticed.
fn spent(
    hash: Option<[u8; 32]>,
    at: Option<Timestamp>,
    sealed_successor: Option<[u8; 64]>,
) -> Result<Option<SpentToken>, Fault> {
    let Some(hash) = hash else { return Ok(None) };
    Ok(Some(SpentToken {
        hash: SecretHash::from_bytes(hash),
        at: at.ok_or(Fault::Unreadable("moment of a spent token"))?,
        sealed_successor: sealed_successor.map(SealedSecret::from_bytes),
    }))
}

fn ended(at: Option<Timestamp>, reason: Option<&str>) -> Result<Option<Ended>, Fault> {
    let Some(at) = at else { return Ok(None) };
    let reason = reason.and_then(EndReason::from_name).ok_or(Fault::Unreadable("reason of a session's end"))?;
    Ok(Some(Ended { at, reason }))
}
