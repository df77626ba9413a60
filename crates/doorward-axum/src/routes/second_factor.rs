//! `/auth/totp`, `/auth/recovery-codes` and the second step of a login.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use doorward::Auth;

use crate::access::CurrentUser;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::qr_code;
use crate::request_origin::RequestOrigin;
use crate::schemas::{
    ProofRequest, RecoveryCodesResponse, SecondFactorRequest, TokenResponse, TotpConfirmRequest, TotpEnrolmentResponse,
    TotpResponse,
};

pub(crate) async fn log_in(
    State(auth): State<Arc<Auth>>,
    from: RequestOrigin,
    JsonBody(request): JsonBody<SecondFactorRequest>,
) -> Result<Json<TokenResponse>, ApiError> {
    Ok(Json(auth.login_with_code(&request.challenge, &request.code, from.origin()).await?.into()))
}

pub(crate) async fn show(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
) -> Result<Json<TotpResponse>, ApiError> {
    Ok(Json(auth.second_factor(&identity).await?.into()))
}

pub(crate) async fn enrol(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<ProofRequest>,
) -> Result<Json<TotpEnrolmentResponse>, ApiError> {
    let enrolment = auth.enrol_totp(&identity, &request.required()?, from.by(identity.user_id)).await?;
    let qr_svg = qr_code::svg(&enrolment.uri).ok_or_else(ApiError::internal)?;
    Ok(Json(TotpEnrolmentResponse::new(&enrolment, qr_svg)))
}

pub(crate) async fn confirm(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<TotpConfirmRequest>,
) -> Result<Json<RecoveryCodesResponse>, ApiError> {
    let origin = from.by(identity.user_id);
    Ok(Json(auth.confirm_totp(&identity, &request.enrolment, &request.code, origin).await?.into()))
}

pub(crate) async fn disable(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<ProofRequest>,
) -> Result<StatusCode, ApiError> {
    auth.disable_totp(&identity, &request.required()?, from.by(identity.user_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn renew_recovery_codes(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<ProofRequest>,
) -> Result<Json<RecoveryCodesResponse>, ApiError> {
    Ok(Json(auth.renew_recovery_codes(&identity, &request.required()?, from.by(identity.user_id)).await?.into()))
}
