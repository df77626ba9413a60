//! `/admin/users…`: list, show, invite, deactivate, reactivate, vouch for the address, set the role, force another password, erase.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawPathParams, RawQuery, State};
use axum::http::StatusCode;
use doorward::admin::AdminError;
use doorward::email::EMAIL_MAX_BYTES;
use doorward::store::UserQuery;
use doorward::{Auth, EmailAddress};

use crate::access::{AdminUser, RecentAdmin};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::query::{PathRejected, Query, named_user};
use crate::request_origin::RequestOrigin;
use crate::schemas::{AdminUserResponse, RoleChange, UserInvite, UserPageResponse};

/// The largest page number: what a signed 64-bit integer holds.
const MAX_PAGE: u64 = i64::MAX as u64;

pub(crate) async fn list_users(
    State(auth): State<Arc<Auth>>,
    AdminUser(_): AdminUser,
    RawQuery(query): RawQuery,
) -> Result<Json<UserPageResponse>, ApiError> {
    let mut query = Query::new(query.as_deref());
    let page = query.integer("page", 1, 1, MAX_PAGE);
    let per_page = u32::try_from(query.integer("per_page", 20, 1, 100)).unwrap_or(100);
    let (role, is_active) = (query.role("role"), query.boolean("is_active"));
    let email_prefix = query.text("email", EMAIL_MAX_BYTES).map(|text| EmailAddress::key_prefix(&text));
    query.finish()?;
    let offset = (page - 1).saturating_mul(u64::from(per_page));
    let found = auth.list_users(UserQuery { role, is_active, email_prefix, offset, limit: per_page }).await?;
    Ok(Json(UserPageResponse::new(found, page, per_page)))
}

pub(crate) async fn show(
    State(auth): State<Arc<Auth>>,
    AdminUser(_): AdminUser,
    path: Result<RawPathParams, PathRejected>,
) -> Result<Json<AdminUserResponse>, ApiError> {
    let user = auth.find_user(named_user(path.as_ref().ok())?).await?;
    Ok(Json(user.ok_or(AdminError::UserNotFound)?.into()))
}

pub(crate) async fn vouch_for_email(
    State(auth): State<Arc<Auth>>,
    RecentAdmin(admin): RecentAdmin,
    from: RequestOrigin,
    path: Result<RawPathParams, PathRejected>,
) -> Result<Json<AdminUserResponse>, ApiError> {
    Ok(Json(auth.vouch_for_email(named_user(path.as_ref().ok())?, from.by(admin.id)).await?.into()))
}

pub(crate) async fn deactivate(
    State(auth): State<Arc<Auth>>,
    RecentAdmin(admin): RecentAdmin,
    from: RequestOrigin,
    path: Result<RawPathParams, PathRejected>,
) -> Result<Json<AdminUserResponse>, ApiError> {
    Ok(Json(auth.deactivate(named_user(path.as_ref().ok())?, from.by(admin.id)).await?.into()))
}

pub(crate) async fn reactivate(
    State(auth): State<Arc<Auth>>,
    RecentAdmin(admin): RecentAdmin,
    from: RequestOrigin,
    path: Result<RawPathParams, PathRejected>,
) -> Result<Json<AdminUserResponse>, ApiError> {
    Ok(Json(auth.reactivate(named_user(path.as_ref().ok())?, from.by(admin.id)).await?.into()))
}

pub(crate) async fn invite(
    State(auth): State<Arc<Auth>>,
    RecentAdmin(admin): RecentAdmin,
    from: RequestOrigin,
    JsonBody(request): JsonBody<UserInvite>,
) -> Result<(StatusCode, Json<AdminUserResponse>), ApiError> {
    let user = auth.invite_user(request.invitation, from.by(admin.id)).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

pub(crate) async fn set_role(
    State(auth): State<Arc<Auth>>,
    RecentAdmin(admin): RecentAdmin,
    from: RequestOrigin,
    path: Result<RawPathParams, PathRejected>,
    JsonBody(request): JsonBody<RoleChange>,
) -> Result<Json<AdminUserResponse>, ApiError> {
    Ok(Json(auth.set_role(named_user(path.as_ref().ok())?, request.role, from.by(admin.id)).await?.into()))
}

pub(crate) async fn force_password_change(
    State(auth): State<Arc<Auth>>,
    RecentAdmin(admin): RecentAdmin,
    from: RequestOrigin,
    path: Result<RawPathParams, PathRejected>,
) -> Result<Json<AdminUserResponse>, ApiError> {
    Ok(Json(auth.force_password_change(named_user(path.as_ref().ok())?, from.by(admin.id)).await?.into()))
}

pub(crate) async fn erase(
    State(auth): State<Arc<Auth>>,
    RecentAdmin(admin): RecentAdmin,
    from: RequestOrigin,
    path: Result<RawPathParams, PathRejected>,
) -> Result<StatusCode, ApiError> {
    auth.erase_user(named_user(path.as_ref().ok())?, from.by(admin.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
