//! `/auth/me…`: what a person sees, changes, takes away and erases of their own account.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use doorward::events::EventPages;
use doorward::{Auth, Fault};

use crate::access::CurrentUser;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::paged_body::{Making, Part, paged};
use crate::request_origin::RequestOrigin;
use crate::schemas::{EventResponse, PersonalDataResponse, ProfileUpdate, ProofRequest, UserResponse};

pub(crate) async fn show(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
) -> Result<Json<UserResponse>, ApiError> {
    Ok(Json(auth.current_user(&identity).await?.into()))
}

pub(crate) async fn change(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<ProfileUpdate>,
) -> Result<Json<UserResponse>, ApiError> {
    Ok(Json(auth.change_profile(&identity, request.change, from.by(identity.user_id)).await?.into()))
}

pub(crate) async fn erase(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<ProofRequest>,
) -> Result<StatusCode, ApiError> {
    auth.erase_own_account(&identity, &request.required()?, from.by(identity.user_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One JSON object: the account and the sessions, then every event, as fast as the client takes them.
pub(crate) async fn export(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
) -> Result<Response, ApiError> {
    let data = auth.personal_data(&identity, from.by(identity.user_id)).await?;
    let mut head = serde_json::to_string(&PersonalDataResponse::from(&data)).map_err(|_| ApiError::internal())?;
    head.pop();
    head.push_str(",\"events\":[");
    let export = Export { auth, pages: data.events, stage: Stage::First };
    let headers = [(CONTENT_TYPE, "application/json"), (CONTENT_DISPOSITION, "attachment; filename=\"account.json\"")];
    Ok((headers, paged(head.into(), export, next_part)).into_response())
}

/// The events of an export that are still to come.
struct Export {
    auth: Arc<Auth>,
    pages: EventPages,
    stage: Stage,
}

/// What comes next in an export.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first event, or none at all.
    First,
    /// An event after another.
    Further,
    /// Nothing: all was sent.
    Done,
}

fn next_part(export: Export) -> Making<Export> {
    Box::pin(events_of(export))
}

async fn events_of(mut export: Export) -> Part<Export> {
    if export.stage == Stage::Done {
        return Ok(None);
    }
    let Some(events) = export.pages.next(&export.auth).await? else {
        return Ok(Some((Bytes::from_static(b"]}\n"), Export { stage: Stage::Done, ..export })));
    };
    let mut text = String::new();
    for event in events {
        if export.stage == Stage::Further {
            text.push(',');
        }
        export.stage = Stage::Further;
        text.push('\n');
        text.push_str(EventResponse::for_its_owner(event).to_line().trim_end());
    }
    Ok::<_, Fault>(Some((text.into(), export)))
}
