//! Reading the audit trail: a page, or all of it page by page.

use crate::audit::{Cause, Event, EventKind, EventPosition, EventQuery, NewEvent};
use crate::auth::Auth;
use crate::error::Fault;
use crate::origin::{Actor, Origin};
use crate::user::UserId;

/// How many events an export has in memory at a time: 32 KiB and no more, for many may wait to be read.
pub const EVENTS_AT_ONCE: u32 = 32;

/// A page of events, the latest first.
#[derive(Debug)]
pub struct EventPage {
    /// The events of the page.
    pub events: Vec<Event>,
    /// Where the next page begins: to be asked for as [`before`](EventQuery::before). `None` on the last page.
    pub next_before: Option<EventPosition>,
}

impl Auth {
    /// A page of the events that match, the latest first.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the request could not be carried out.
    pub async fn list_events(&self, query: EventQuery) -> Result<EventPage, Fault> {
        let limit = query.limit as usize;
        // One more than asked for tells whether there is another page.
        let mut events = self.store.list_events(EventQuery { limit: query.limit.saturating_add(1), ..query }).await?;
        let has_more = events.len() > limit;
        events.truncate(limit);
        let next_before = events.last().filter(|_| has_more).map(|event| event.position);
        Ok(EventPage { events, next_before })
    }

    /// Every event that matches, page by page. That they were taken out is recorded first, and told among them.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the request could not be carried out.
    pub async fn export_events(&self, query: EventQuery, origin: Origin<'_>) -> Result<EventPages, Fault> {
        let event = NewEvent::new(EventKind::EventsExported, origin, self.clock.now());
        let event = match query.user_id {
            Some(id) => event.with("user_id", id.to_string()),
            None => event,
        };
        self.record_event(None, event).await?;
        Ok(EventPages::new(query))
    }
}

/// Events page by page, the latest first. However many there are, one page is in memory, and nothing is held in the
/// database between two.
#[derive(Debug)]
pub struct EventPages {
    next: Option<EventQuery>,
}

impl EventPages {
    pub(crate) const fn new(mut query: EventQuery) -> Self {
        query.limit = EVENTS_AT_ONCE;
        Self { next: Some(query) }
    }

    pub(crate) const fn of_user(id: UserId) -> Self {
        let limit = EVENTS_AT_ONCE;
        Self::new(EventQuery { user_id: Some(id), kind: None, since: None, until: None, before: None, limit })
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the store can't serve.
    pub async fn next(&mut self, auth: &Auth) -> Result<Option<Vec<Event>>, Fault> {
        let Some(query) = self.next.clone() else { return Ok(None) };
        let page = auth.list_events(query.clone()).await?;
        self.next = page.next_before.map(|before| EventQuery { before: Some(before), ..query });
        Ok(Some(page.events))
    }
}

impl Event {
    /// The event as the person it is about may see it: what another did to their account, without where the other is.
    #[must_use]
    pub fn for_its_owner(mut self) -> Self {
        if self.is_by_another() {
            self.what.cause = Cause { actor: self.what.cause.actor, ..Cause::default() };
        }
        self
    }

    /// Whether it is what an administrator did to another person's account.
    pub fn is_by_another(&self) -> bool {
        matches!(self.what.cause.actor, Actor::User(actor) if Some(actor) != self.user_id)
    }
}
