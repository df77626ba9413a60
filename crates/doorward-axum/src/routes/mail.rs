//! `/auth/…` where letters are asked for and their links and codes come back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use doorward::{Auth, Registrant, TicketProof};
use serde::Serialize;

use crate::access::{CurrentUser, PerhapsUser};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::request_origin::RequestOrigin;
use crate::schemas::{
    ChoosePasswordRequest, ConfirmEmailRequest, EmailChangeRequest, EmailRequest, KeepEmailRequest, RecoverRequest,
    VerifyEmailRequest,
};

/// `{}`: a letter may be on its way, and nothing is said about whether.
#[derive(Serialize)]
pub(crate) struct Accepted {}

type AcceptedAnswer = Result<(StatusCode, Json<Accepted>), ApiError>;

pub(crate) const ACCEPTED: (StatusCode, Json<Accepted>) = (StatusCode::ACCEPTED, Json(Accepted {}));

pub(crate) async fn request_verification(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
) -> AcceptedAnswer {
    auth.request_verification(&identity, from.by(identity.user_id)).await?;
    Ok(ACCEPTED)
}

pub(crate) async fn verify_email(
    State(auth): State<Arc<Auth>>,
    PerhapsUser(identity): PerhapsUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<VerifyEmailRequest>,
) -> Result<StatusCode, ApiError> {
    let proof = request.ticket.proof(identity.map(|identity| identity.user_id))?;
    let registrant = match (&request.password, &identity) {
        (Some(password), _) => Registrant::Password(password),
        (None, Some(identity)) => Registrant::Session(identity),
        (None, None) => Registrant::Unknown,
    };
    let origin = identity.map_or_else(|| from.origin(), |identity| from.by(identity.user_id));
    auth.verify_email(&proof, registrant, origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn request_recovery(
    State(auth): State<Arc<Auth>>,
    from: RequestOrigin,
    JsonBody(request): JsonBody<EmailRequest>,
) -> AcceptedAnswer {
    auth.request_recovery(&request.email, from.origin()).await?;
    Ok(ACCEPTED)
}

pub(crate) async fn recover(
    State(auth): State<Arc<Auth>>,
    from: RequestOrigin,
    JsonBody(RecoverRequest { choice, factor }): JsonBody<RecoverRequest>,
) -> Result<StatusCode, ApiError> {
    auth.recover(&choice.ticket.proof(None)?, &choice.password, factor, from.origin()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn accept_invitation(
    State(auth): State<Arc<Auth>>,
    from: RequestOrigin,
    JsonBody(request): JsonBody<ChoosePasswordRequest>,
) -> Result<StatusCode, ApiError> {
    auth.accept_invitation(&request.ticket.proof(None)?, &request.password, from.origin()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn change_email(
    State(auth): State<Arc<Auth>>,
    CurrentUser(identity): CurrentUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<EmailChangeRequest>,
) -> AcceptedAnswer {
    let proof = request.proof.ok_or_else(ApiError::reauthentication_required)?;
    auth.request_email_change(&identity, &request.email, &proof, from.by(identity.user_id)).await?;
    Ok(ACCEPTED)
}

pub(crate) async fn confirm_email(
    State(auth): State<Arc<Auth>>,
    PerhapsUser(identity): PerhapsUser,
    from: RequestOrigin,
    JsonBody(request): JsonBody<ConfirmEmailRequest>,
) -> Result<StatusCode, ApiError> {
    let user = identity.map(|identity| identity.user_id);
    let origin = user.map_or_else(|| from.origin(), |user| from.by(user));
    auth.confirm_email_change(&request.ticket.proof(user)?, origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn keep_email(
    State(auth): State<Arc<Auth>>,
    from: RequestOrigin,
    JsonBody(request): JsonBody<KeepEmailRequest>,
) -> Result<StatusCode, ApiError> {
    auth.keep_email(&TicketProof::link(&request.token), from.origin()).await?;
    Ok(StatusCode::NO_CONTENT)
}
