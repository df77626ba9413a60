//! `/auth/…`: register, login, refresh, logout.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use doorward::Auth;
use doorward::register::RegisterError;

use crate::body::JsonBody;
use crate::error::ApiError;
use crate::request_origin::RequestOrigin;
use crate::routes::mail;
use crate::schemas::{LoginRequest, RefreshRequest, TokenResponse, UserCreate};

pub(crate) async fn register(
    State(auth): State<Arc<Auth>>,
    from: RequestOrigin,
    JsonBody(request): JsonBody<UserCreate>,
) -> Result<Response, ApiError> {
    match auth.register(request.email, &request.password, from.origin()).await {
        Ok(pair) => Ok((StatusCode::CREATED, Json(TokenResponse::from(pair))).into_response()),
        // The account stands; tokens come with the first login after the address is verified.
        Err(RegisterError::AwaitsVerification) => Ok(mail::ACCEPTED.into_response()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn login(
    State(auth): State<Arc<Auth>>,
    from: RequestOrigin,
    JsonBody(request): JsonBody<LoginRequest>,
) -> Result<Json<TokenResponse>, ApiError> {
    Ok(Json(auth.login(&request.email, &request.password, from.origin()).await?.into()))
}

pub(crate) async fn refresh(
    State(auth): State<Arc<Auth>>,
    from: RequestOrigin,
    JsonBody(request): JsonBody<RefreshRequest>,
) -> Result<Json<TokenResponse>, ApiError> {
    Ok(Json(auth.refresh(&request.refresh_token, from.origin()).await?.into()))
}

pub(crate) async fn logout(
    State(auth): State<Arc<Auth>>,
    from: RequestOrigin,
    JsonBody(request): JsonBody<RefreshRequest>,
) -> Result<StatusCode, ApiError> {
    auth.logout(&request.refresh_token, from.origin()).await?;
    Ok(StatusCode::NO_CONTENT)
}
