//! Events and messages, written in the statement or the transaction of what they tell of.

use doorward::account::Record;
use doorward::audit::{Event, EventKind, EventQuery, NewEvent};
use doorward::clock::Timestamp;
use doorward::user::UserId;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::Fault;
use crate::rows;
use crate::statement::{Connection, Statement, Value};

/// The parts of a `WITH` that write a record, whose [columns](RecordColumns) are `$1` to `$13`. `$subject` is what gives a
/// row `(user_id, session_id)` when there is something to tell: whose account it is about, and which session where the
/// event itself names none.
macro_rules! with_record {
    ($subject:literal) => {
        concat!(
            "told AS (
        INSERT INTO events
            (at, kind, user_id, session_id, actor, actor_id, address, user_agent, request_id, details)
        SELECT at, kind, subject.user_id, coalesce(event.session_id, subject.session_id),
            actor, actor_id, address, user_agent, request_id, details
        FROM (",
            $subject,
            ") AS subject (user_id, session_id) CROSS JOIN
            unnest($1::bigint[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::bytea[], $7::text[], $8::text[],
                $9::text[]) WITH ORDINALITY
            AS event (at, kind, session_id, actor, actor_id, address, user_agent, request_id, details, place)
        ORDER BY place
    ), posted AS (
        INSERT INTO outbox (id, kind, user_id, sealed, created_at, due_at)
        SELECT id, kind, subject.user_id, sealed, created_at, created_at
        FROM (",
            $subject,
            ") AS subject (user_id, session_id) CROSS JOIN
            unnest($10::uuid[], $11::text[], $12::bytea[], $13::bigint[]) AS message (id, kind, sealed, created_at)
    )"
        )
    };
}
pub(crate) use with_record;

/// The types of a record's columns, and after them those of the statement's own values.
macro_rules! record_types {
    ($($own:expr),* $(,)?) => {
        &[
            Type::INT8_ARRAY, Type::TEXT_ARRAY, Type::UUID_ARRAY, Type::TEXT_ARRAY, Type::INT8_ARRAY,
            Type::BYTEA_ARRAY, Type::TEXT_ARRAY, Type::TEXT_ARRAY, Type::TEXT_ARRAY,
            Type::UUID_ARRAY, Type::TEXT_ARRAY, Type::BYTEA_ARRAY, Type::INT8_ARRAY,
            $($own),*
        ]
    };
}
pub(crate) use record_types;

pub(crate) const RECORD: Statement = Statement {
    sql: concat!("WITH ", with_record!("SELECT $14::bigint, NULL::uuid"), " SELECT"),
    types: record_types![Type::INT8],
};

/// What narrows the list differs from one to the next, and with it the index to go by.
const LIST: Statement = Statement {
    sql: "
    SELECT position, at, kind, user_id, session_id, actor, actor_id, address, user_agent, request_id, details
    FROM events
    WHERE ($1::bigint IS NULL OR user_id = $1) AND ($2::text IS NULL OR kind = $2)
        AND ($3::bigint IS NULL OR at >= $3) AND ($4::bigint IS NULL OR at < $4)
        AND ($5::bigint IS NULL OR position < $5)
    ORDER BY position DESC LIMIT $6",
    types: &[Type::INT8, Type::TEXT, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};

#[cfg(test)]
pub(crate) const STATEMENTS: &[Statement] = &[RECORD, LIST];

/// A record by columns, as statements take it.
#[derive(Default)]
pub(crate) struct RecordColumns<'a> {
    at: Vec<i64>,
    kind: Vec<&'static str>,
    session: Vec<Option<Uuid>>,
    actor: Vec<&'static str>,
    actor_id: Vec<Option<i64>>,
    address: Vec<Option<Vec<u8>>>,
    user_agent: Vec<Option<&'a str>>,
    request_id: Vec<Option<&'a str>>,
    details: Vec<Option<String>>,
    message_id: Vec<Uuid>,
    message_kind: Vec<&'static str>,
    sealed: Vec<&'a [u8]>,
    created_at: Vec<i64>,
}

impl<'a> RecordColumns<'a> {
    pub(crate) fn of(record: &'a Record) -> Self {
        let mut columns = Self::default();
        record.events.iter().for_each(|event| columns.add(event));
        for message in &record.messages {
            columns.message_id.push(message.id);
            columns.message_kind.push(message.kind.as_str());
            columns.sealed.push(&message.sealed);
            columns.created_at.push(message.created_at.micros());
        }
        columns
    }

    fn add(&mut self, event: &'a NewEvent) {
        let NewEvent { at, kind, session, cause, details } = event;
        self.at.push(at.micros());
        self.kind.push(kind.as_str());
        self.session.push(session.map(|session| *session.as_uuid()));
        self.actor.push(cause.actor.name());
        self.actor_id.push(cause.actor.user_id().map(UserId::value));
        self.address.push(cause.address.map(rows::octets));
        self.user_agent.push(cause.user_agent.as_deref());
        self.request_id.push(cause.request_id.as_deref());
        // A map of strings can always be written.
        self.details.push((!details.is_empty()).then(|| serde_json::to_string(details).unwrap_or_default()));
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.at.is_empty() && self.message_id.is_empty()
    }

    /// `$1` to `$13`, and after them the statement's own values.
    pub(crate) fn and<'b>(&'b self, own: &[Value<'b>]) -> Vec<Value<'b>> {
        let columns: [Value<'b>; 13] = [
            &self.at,
            &self.kind,
            &self.session,
            &self.actor,
            &self.actor_id,
            &self.address,
            &self.user_agent,
            &self.request_id,
            &self.details,
            &self.message_id,
            &self.message_kind,
            &self.sealed,
            &self.created_at,
        ];
        [&columns, own].concat()
    }
}

pub(crate) async fn write(connection: Connection, user: Option<UserId>, record: &Record) -> Result<(), Fault> {
    let columns = RecordColumns::of(record);
    if !columns.is_empty() {
        connection.execute(&RECORD, &columns.and(&[&user.map(UserId::value)])).await?;
    }
    Ok(())
}

pub(crate) async fn list(connection: Connection, query: EventQuery) -> Result<Vec<Event>, Fault> {
    let (user, kind) = (query.user_id.map(UserId::value), query.kind.map(EventKind::as_str));
    let (since, until) = (query.since.map(Timestamp::micros), query.until.map(Timestamp::micros));
    let (before, limit) = (query.before.map(|before| before.0), i64::from(query.limit));
    let values: [Value<'_>; 6] = [&user, &kind, &since, &until, &before, &limit];
    connection.query_unprepared(&LIST, &values).await?.iter().map(rows::event).collect()
}
