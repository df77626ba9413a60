//! What happened, and what is written beside a change.

use std::net::IpAddr;

use doorward::account::Record;
use doorward::audit::{Event, EventKind, EventQuery, NewEvent};
use doorward::clock::Timestamp;
use doorward::session::SessionId;
use doorward::user::UserId;
use rusqlite::{Connection, named_params};

use crate::error::Fault;
use crate::{outbox, rows};

const INSERT: &str = "
    INSERT INTO events
        (at, kind, user_id, session_id, actor, actor_id, address, user_agent, request_id, details)
    VALUES
        (:at, :kind, :user_id, :session_id, :actor, :actor_id, :address, :user_agent, :request_id, :details)";

/// The events of a kind of query. In each one index, or none, gives the rows in the order of their positions; the
/// other terms are checked row by row, the way back from the latest.
macro_rules! list {
    ($found_by:literal) => {
        concat!(
            "SELECT position, at, kind, session_id, actor, actor_id, address, user_agent, request_id, details, user_id
             FROM events
             WHERE ",
            $found_by,
            " AND (:user_id IS NULL OR user_id = :user_id) AND (:kind IS NULL OR kind = :kind)
             AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)
             ORDER BY position DESC LIMIT :limit"
        )
    };
}

const LIST: &str = list!("position < :before");

const LIST_OF_USER: &str = list!("user_id = :user_id AND position < :before");

const LIST_OF_KIND: &str = list!("kind = :kind AND position < :before");

const FORGET_PERSON: &str = "
    UPDATE events SET address = NULL, user_agent = NULL, request_id = NULL, details = NULL WHERE user_id = ?1";

/// Of events about others, where the person was. The terms are those of the index over them.
const FORGET_ACTOR: &str = "
    UPDATE events SET address = NULL, user_agent = NULL, request_id = NULL
    WHERE actor_id = ?1 AND actor_id IS NOT NULL AND actor_id IS NOT user_id";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[INSERT, LIST, LIST_OF_USER, LIST_OF_KIND, FORGET_PERSON, FORGET_ACTOR];

/// Writes the record of what was done to `user` in `session`, in the transaction of what it is about.
pub(crate) fn write(
    connection: &Connection,
    user: Option<UserId>,
    session: Option<SessionId>,
    record: &Record,
) -> Result<(), Fault> {
    record.events.iter().try_for_each(|event| insert(connection, user, session, event))?;
    record.messages.iter().try_for_each(|message| outbox::insert(connection, user, message))
}

fn insert(
    connection: &Connection,
    user: Option<UserId>,
    session: Option<SessionId>,
    event: &NewEvent,
) -> Result<(), Fault> {
    let NewEvent { at, kind, session: its_own, cause, details } = event;
    let session = its_own.or(session);
    // An object of strings can't fail to be written.
    let details = (!details.is_empty()).then(|| serde_json::to_string(details).unwrap_or_default());
    connection.prepare_cached(INSERT)?.execute(named_params! {
        ":at": at.micros(),
        ":kind": kind.as_str(),
        ":user_id": user.map(UserId::value),
        ":session_id": session.as_ref().map(|session| session.as_uuid().as_bytes()),
        ":actor": cause.actor.name(),
        ":actor_id": cause.actor.user_id().map(UserId::value),
        ":address": cause.address.map(address_bytes),
        ":user_agent": cause.user_agent,
        ":request_id": cause.request_id,
        ":details": details,
    })?;
    Ok(())
}

pub(crate) fn list(connection: &Connection, query: &EventQuery) -> Result<Vec<Event>, Fault> {
    let sql = match (query.user_id, query.kind) {
        (Some(_), _) => LIST_OF_USER,
        (None, Some(_)) => LIST_OF_KIND,
        (None, None) => LIST,
    };
    let values = named_params! {
        ":user_id": query.user_id.map(UserId::value),
        ":kind": query.kind.map(EventKind::as_str),
        ":since": query.since.map(Timestamp::micros),
        ":until": query.until.map(Timestamp::micros),
        ":before": query.before.map_or(i64::MAX, |position| position.0),
        ":limit": query.limit,
    };
    connection.prepare_cached(sql)?.query_and_then(values, rows::event)?.collect()
}

/// Takes from a person's events what tells of the person.
pub(crate) fn forget_person(connection: &Connection, user: UserId) -> Result<(), Fault> {
    connection.prepare_cached(FORGET_PERSON)?.execute([user.value()])?;
    connection.prepare_cached(FORGET_ACTOR)?.execute([user.value()])?;
    Ok(())
}

/// An address as it is stored: 4 or 16 bytes.
pub(crate) fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
