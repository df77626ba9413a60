//! `…/events…`: the audit trail, one's own and everybody's.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use doorward::Auth;
use doorward::audit::{Event, EventPosition, EventQuery};
use doorward::events::EventPages;

use crate::access::{AdminUser, CurrentUser};
use crate::error::ApiError;
use crate::paged_body::{Making, Part, paged};
use crate::query::Query;
use crate::request_origin::RequestOrigin;
use crate::schemas::{EventPageResponse, EventResponse};

/// How many events a page has unless the request says.
const PAGE: u64 = 20;
/// The most events of a page.
const MAX_PAGE: u64 = 100;
/// The largest number of an event or an account: what a signed 64-bit integer holds.
const MAX_ID: u64 = i64::MAX as u64;

/// What somebody did to the account of whoever asks. No parameter names another account.
pub(crate) async fn own(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    RawQuery(query): RawQuery,
) -> Result<Json<EventPageResponse>, ApiError> {
    let mut query = Query::new(query.as_deref());
    let (before, limit) = page_of(&mut query);
    query.finish()?;
    // The token may be of an account that is gone since.
    auth.current_user(&identity).await?;
    let user_id = Some(identity.user_id);
    let asked = EventQuery { user_id, kind: None, since: None, until: None, before, limit };
    Ok(Json(EventPageResponse::for_its_owner(auth.list_events(asked).await?)))
}

/// What happened to anybody's account.
pub(crate) async fn list(
    State(auth): State<Arc<Auth>>,
    AdminUser(_): AdminUser,
    RawQuery(query): RawQuery,
) -> Result<Json<EventPageResponse>, ApiError> {
    let mut query = Query::new(query.as_deref());
    let filters = filters_of(&mut query);
    let (before, limit) = page_of(&mut query);
    query.finish()?;
    Ok(Json(EventPageResponse::new(auth.list_events(EventQuery { before, limit, ..filters }).await?)))
}

/// The same, all of it, one JSON object a line.
pub(crate) async fn export(
    State(auth): State<Arc<Auth>>,
    AdminUser(admin): AdminUser,
    from: RequestOrigin,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut query = Query::new(query.as_deref());
    let filters = filters_of(&mut query);
    query.finish()?;
    let mut pages = auth.export_events(filters, from.by(admin.id)).await?;
    let first = pages.next(&auth).await?.unwrap_or_default();
    let headers =
        [(CONTENT_TYPE, "application/x-ndjson"), (CONTENT_DISPOSITION, "attachment; filename=\"events.jsonl\"")];
    Ok((headers, paged(lines(first).into(), (auth, pages), next_part)).into_response())
}

type Export = (Arc<Auth>, EventPages);

fn next_part((auth, mut pages): Export) -> Making<Export> {
    Box::pin(async move {
        let part: Part<Export> = match pages.next(&auth).await {
            Ok(Some(events)) => Ok(Some((lines(events).into(), (auth, pages)))),
            Ok(None) => Ok(None),
            Err(fault) => Err(fault),
        };
        part
    })
}

fn lines(events: Vec<Event>) -> String {
    events.into_iter().map(|event| EventResponse::from(event).to_line()).collect()
}

fn page_of(query: &mut Query) -> (Option<EventPosition>, u32) {
    let before = query.optional_integer("before", 1, MAX_ID);
    let limit = u32::try_from(query.integer("limit", PAGE, 1, MAX_PAGE)).unwrap_or(u32::MAX);
    (before.and_then(|before| i64::try_from(before).ok()).map(EventPosition), limit)
}

fn filters_of(query: &mut Query) -> EventQuery {
    EventQuery {
        user_id: query.user("user_id"),
        kind: query.event_kind("type"),
        since: query.moment("since"),
        until: query.moment("until"),
        before: None,
        limit: 0,
    }
}
