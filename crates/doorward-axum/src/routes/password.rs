//! `/auth/…` where a person proves once more who they are.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use doorward::Auth;

use crate::access::CurrentUser;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::request_origin::RequestOrigin;
use crate::schemas::ReauthenticateRequest;

pub(crate) async fn reauthenticate(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<ReauthenticateRequest>,
) -> Result<StatusCode, ApiError> {
    auth.reauthenticate(&identity, &request.proof, from.by(identity.user_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
