//! `/auth/…` where a person proves once more who they are, and where they change their password.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use doorward::Auth;

use crate::access::CurrentUser;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::request_origin::RequestOrigin;
use crate::schemas::{PasswordChangeRequest, ReauthenticateRequest, TokenResponse};

pub(crate) async fn reauthenticate(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<ReauthenticateRequest>,
) -> Result<StatusCode, ApiError> {
    auth.reauthenticate(&identity, &request.proof, from.by(identity.user_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn change(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<PasswordChangeRequest>,
) -> Result<Json<TokenResponse>, ApiError> {
    let PasswordChangeRequest { proof, new_password } = request;
    Ok(Json(auth.change_password(&identity, &proof, &new_password, from.by(identity.user_id)).await?.into()))
}
