//! `/auth/sessions`, `/auth/logout-all`, and the same of administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawPathParams, State};
use axum::http::StatusCode;
use doorward::Auth;

use crate::access::{AdminUser, CurrentUser, RecentAdmin};
use crate::error::ApiError;
use crate::query::{PathRejected, named_session, named_user};
use crate::request_origin::RequestOrigin;
use crate::schemas::SessionsResponse;

pub(crate) async fn list(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
) -> Result<Json<SessionsResponse>, ApiError> {
    let user = auth.current_user(&identity).await?;
    Ok(Json(SessionsResponse::new(auth.list_sessions(user.id).await?, identity.session)))
}

pub(crate) async fn end(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    path: Result<RawPathParams, PathRejected>,
) -> Result<StatusCode, ApiError> {
    let user = auth.current_user(&identity).await?;
    auth.end_session(user.id, named_session(path.as_ref().ok())?, from.by(user.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn logout_all(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
) -> Result<StatusCode, ApiError> {
    let user = auth.current_user(&identity).await?;
    auth.logout_all(user.id, from.by(user.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn list_of(
    State(auth): State<Arc<Auth>>,
    AdminUser(_): AdminUser,
    path: Result<RawPathParams, PathRejected>,
) -> Result<Json<SessionsResponse>, ApiError> {
    Ok(Json(SessionsResponse::new(auth.list_sessions(named_user(path.as_ref().ok())?).await?, None)))
}

pub(crate) async fn end_of(
    State(auth): State<Arc<Auth>>,
    RecentAdmin(admin): RecentAdmin,
    from: RequestOrigin,
    path: Result<RawPathParams, PathRejected>,
) -> Result<StatusCode, ApiError> {
    let user = named_user(path.as_ref().ok())?;
    let session = named_session(path.as_ref().ok())?;
    auth.revoke_session(user, session, from.by(admin.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn logout_all_of(
    State(auth): State<Arc<Auth>>,
    RecentAdmin(admin): RecentAdmin,
    from: RequestOrigin,
    path: Result<RawPathParams, PathRejected>,
) -> Result<StatusCode, ApiError> {
    auth.revoke_sessions(named_user(path.as_ref().ok())?, from.by(admin.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
