//! Events of the audit trail.

use doorward::UserId;
use doorward::audit::{Details, Event};
use doorward::events::EventPage;
use serde::{Deserialize, Serialize};

use super::rfc3339;

/// An event: what happened to an account, by whom, from where. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventResponse {
    /// Its place among all: later events have higher ones.
    pub id: i64,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// When: RFC 3339 in UTC, with `Z`.
    pub at: String,
    /// Whose account it is about; `null` when it is nobody's.
    pub user_id: Option<i64>,
    /// In or about which session.
    pub session_id: Option<String>,
    /// On whose behalf: `anonymous`, `user` or `operator`; in a person's own trail also `administrator`.
    pub actor: String,
    /// The actor's account, where it has one.
    pub actor_id: Option<i64>,
    /// The client's address.
    pub address: Option<String>,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// The id under which the log has the request.
    pub request_id: Option<String>,
    /// What else there is to tell, by name.
    pub details: Details,
}

impl From<Event> for EventResponse {
    fn from(event: Event) -> Self {
        let cause = event.what.cause;
        Self {
            id: event.position.0,
            kind: event.what.kind.as_str().to_owned(),
            at: rfc3339(event.what.at),
            user_id: event.user_id.map(UserId::value),
            session_id: event.what.session.map(|session| session.to_string()),
            actor: cause.actor.name().to_owned(),
            actor_id: cause.actor.user_id().map(UserId::value),
            address: cause.address.map(|address| address.to_string()),
            user_agent: cause.user_agent,
            request_id: cause.request_id,
            details: event.what.details,
        }
    }
}

impl EventResponse {
    /// The event as the person it is about sees it: what an administrator did to their account, but neither which
    /// one nor from where.
    pub fn for_its_owner(event: Event) -> Self {
        let is_by_another = event.is_by_another();
        let shown = Self::from(event.for_its_owner());
        if is_by_another { Self { actor: "administrator".to_owned(), actor_id: None, ..shown } } else { shown }
    }

    /// The event as one line of JSON, its line end included.
    pub fn to_line(&self) -> String {
        // Numbers and strings: nothing of it can fail to be written.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// A page of events, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPageResponse {
    /// The events of this page.
    pub items: Vec<EventResponse>,
    /// To be sent as `before` for the next page; `null` on the last.
    pub next_before: Option<i64>,
}

impl EventPageResponse {
    /// The page as an administrator sees it.
    pub fn new(page: EventPage) -> Self {
        Self::shown(page, EventResponse::from)
    }

    /// The page as the person it is about sees it.
    pub fn for_its_owner(page: EventPage) -> Self {
        Self::shown(page, EventResponse::for_its_owner)
    }

    fn shown(page: EventPage, show: impl Fn(Event) -> EventResponse) -> Self {
        let next_before = page.next_before.map(|position| position.0);
        Self { items: page.events.into_iter().map(show).collect(), next_before }
    }
}
