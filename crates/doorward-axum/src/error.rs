//! The one error shape, and the one place where errors become status codes.

use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use doorward::admin::AdminError;
use doorward::change_password::ChangePasswordError;
use doorward::erase::EraseError;
use doorward::limits::RateLimited;
use doorward::login::LoginError;
use doorward::password::{HashingError, PasswordRefused};
use doorward::reauthenticate::{ProofError, ReauthenticateError, RecentError};
use doorward::redemption::RedeemError;
use doorward::refresh::RefreshError;
use doorward::register::RegisterError;
use doorward::second_factor::{LoginChallenge, SecondFactorError, SecondStepError};
use doorward::sessions::SessionsError;
use doorward::{AuthenticateError, Fault, StoreError};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::validation::FieldFault;

/// An answer that refuses: `{"detail": …, "code": …}`, with `"field"` where one field is to blame.
///
/// Says nothing of causes; those go to the log under the request's id.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Body,
    challenge: Option<&'static str>,
    retry_after: Option<Duration>,
}

#[derive(Debug, serde::Serialize)]
struct Body {
    detail: Detail,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(flatten)]
    second_step: Option<SecondStep>,
}

/// What goes on with a login whose password was right.
struct SecondStep(LoginChallenge);

impl fmt::Debug for SecondStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecondStep(…)")
    }
}

impl Serialize for SecondStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(2))?;
        members.serialize_entry("challenge", self.0.reveal())?;
        members.serialize_entry("expires_in", &self.0.expires_in().as_secs())?;
        members.end()
    }
}

#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
enum Detail {
    Sentence(&'static str),
    Faults(Vec<FieldFault>),
}

impl ApiError {
    /// A refusal of the application's own, in the same shape.
    pub fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        let body = Body { detail: Detail::Sentence(detail), code, field: None, second_step: None };
        Self { status, body, challenge: None, retry_after: None }
    }

    /// 422: every fault of the request.
    pub fn validation(faults: Vec<FieldFault>) -> Self {
        let body = Body { detail: Detail::Faults(faults), code: "VALIDATION_ERROR", field: None, second_step: None };
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body, challenge: None, retry_after: None }
    }

    /// 422: the new password in that member of the body may not be chosen.
    pub(crate) fn password_refused(member: &'static str, refused: PasswordRefused) -> Self {
        Self::validation(vec![FieldFault::password(vec!["body", member], refused)])
    }

    fn unauthorized(code: &'static str, detail: &'static str) -> Self {
        Self { challenge: Some("Bearer"), ..Self::new(StatusCode::UNAUTHORIZED, code, detail) }
    }

    /// RFC 6750, section 3.1: the token that was sent is the reason.
    fn invalid_token(code: &'static str, detail: &'static str) -> Self {
        let challenge = Some("Bearer error=\"invalid_token\"");
        Self { challenge, ..Self::new(StatusCode::UNAUTHORIZED, code, detail) }
    }

    fn retry_later(code: &'static str, detail: &'static str, after: Duration) -> Self {
        Self { retry_after: Some(after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail) }
    }

    fn rate_limited(after: Duration) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "Too many requests");
        Self { retry_after: Some(after), ..refusal }
    }

    fn field(mut self, field: &'static str) -> Self {
        self.body.field = Some(field);
        self
    }

    pub(crate) fn not_authenticated() -> Self {
        Self::unauthorized("HTTP_401", "Not authenticated")
    }

    pub(crate) fn access_token_invalid() -> Self {
        Self::invalid_token("AUTH_TOKEN_INVALID", "Invalid access token")
    }

    pub(crate) fn bad_request() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "HTTP_400", "Bad Request")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "HTTP_404", "Not Found")
    }

    pub(crate) fn user_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "USER_NOT_FOUND", "User not found")
    }

    pub(crate) fn session_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "SESSION_NOT_FOUND", "Session not found")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "HTTP_405", "Method Not Allowed")
    }

    pub(crate) fn request_timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "HTTP_408", "Request Timeout")
    }

    pub(crate) fn payload_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "HTTP_413", "Payload Too Large")
    }

    pub(crate) fn unsupported_media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "HTTP_415", "Unsupported Media Type")
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "Internal server error")
    }

    fn account_deactivated() -> Self {
        let detail = "Account deactivated. Contact support.";
        Self::new(StatusCode::FORBIDDEN, "AUTH_ACCOUNT_DEACTIVATED", detail)
    }

    pub(crate) fn reauthentication_required() -> Self {
        let detail = "Reauthentication required";
        Self::new(StatusCode::FORBIDDEN, "AUTH_REAUTHENTICATION_REQUIRED", detail)
    }

    fn second_factor_required(challenge: LoginChallenge) -> Self {
        let mut refusal = Self::new(StatusCode::FORBIDDEN, "AUTH_SECOND_FACTOR_REQUIRED", "Second factor required");
        refusal.body.second_step = Some(SecondStep(challenge));
        refusal
    }

    fn last_admin() -> Self {
        Self::new(StatusCode::FORBIDDEN, "ADMN_LAST_ADMIN", "Cannot lose the last active admin account")
    }

    fn email_not_verified() -> Self {
        Self::new(StatusCode::FORBIDDEN, "AUTH_EMAIL_NOT_VERIFIED", "Email address not verified")
    }

    fn email_conflict() -> Self {
        Self::new(StatusCode::CONFLICT, "AUTH_EMAIL_CONFLICT", "Email already registered").field("email")
    }

    const USER_INACTIVE: (&'static str, &'static str) = ("AUTH_USER_INACTIVE", "User not found or inactive");
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let overloaded = |after| Self::retry_later("OVERLOADED", "Server is overloaded", after);
        match &fault {
            Fault::Hashing(HashingError::Overloaded { retry_after }) => overloaded(*retry_after),
            Fault::Store(StoreError::Overloaded) => overloaded(Duration::from_secs(1)),
            Fault::Store(StoreError::Contended) => {
                tracing::info!(event = "contended");
                Self::rate_limited(Duration::from_secs(1))
            }
            Fault::Store(error) => {
                tracing::error!(event = "store_unavailable", %error);
                Self::retry_later("STORE_UNAVAILABLE", "Storage is unavailable", Duration::from_secs(1))
            }
            Fault::Limited(RateLimited { retry_after }) => Self::rate_limited(*retry_after),
            other => {
                tracing::error!(event = "internal_error", error = %other);
                Self::internal()
            }
        }
    }
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::AddressTaken => Self::email_conflict(),
            RegisterError::Password(refused) => Self::password_refused("password", refused),
            // The route answers it as the success that it is.
            RegisterError::AwaitsVerification => Self::email_not_verified(),
            RegisterError::Fault(fault) => fault.into(),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => {
                Self::unauthorized("AUTH_INVALID_CREDENTIALS", "Invalid email or password")
            }
            LoginError::Deactivated => Self::account_deactivated(),
            LoginError::SecondFactorRequired(challenge) => Self::second_factor_required(challenge),
            LoginError::PasswordChangeRequired => {
                let detail = "Password change required. Follow the link in your e-mail.";
                Self::new(StatusCode::FORBIDDEN, "AUTH_PASSWORD_CHANGE_REQUIRED", detail)
            }
            LoginError::EmailNotVerified => Self::email_not_verified(),
            LoginError::Fault(fault) => fault.into(),
        }
    }
}

impl From<RefreshError> for ApiError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid => Self::unauthorized("AUTH_REFRESH_INVALID", "Invalid or expired refresh token"),
            RefreshError::Reused => {
                Self::unauthorized("AUTH_TOKEN_REUSE", "Refresh token reuse detected — all sessions revoked")
            }
            RefreshError::UserInactive => Self::unauthorized(Self::USER_INACTIVE.0, Self::USER_INACTIVE.1),
            RefreshError::Fault(fault) => fault.into(),
        }
    }
}

impl From<AuthenticateError> for ApiError {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Expired => Self::invalid_token("AUTH_TOKEN_EXPIRED", "Access token has expired"),
            AuthenticateError::Invalid => Self::access_token_invalid(),
            AuthenticateError::Deactivated => Self::account_deactivated(),
            AuthenticateError::UserNotFound => Self::invalid_token(Self::USER_INACTIVE.0, Self::USER_INACTIVE.1),
            AuthenticateError::AdminWithoutSecondFactor => {
                let detail = "Administrators need a second factor";
                Self::new(StatusCode::FORBIDDEN, "ADMN_SECOND_FACTOR_REQUIRED", detail)
            }
            AuthenticateError::NotAdmin => Self::new(StatusCode::FORBIDDEN, "AUTH_FORBIDDEN", "Admin access required"),
            AuthenticateError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ProofError> for ApiError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::WrongPassword => {
                Self::new(StatusCode::FORBIDDEN, "AUTH_PASSWORD_INVALID", "Wrong password").field("password")
            }
            ProofError::WrongCode => {
                Self::new(StatusCode::FORBIDDEN, "AUTH_CODE_INVALID", "Invalid code").field("code")
            }
            ProofError::Deactivated => Self::account_deactivated(),
            ProofError::UserNotFound => Self::invalid_token(Self::USER_INACTIVE.0, Self::USER_INACTIVE.1),
            ProofError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ChangePasswordError> for ApiError {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::Proof(error @ ProofError::WrongPassword) => {
                Self::from(error).field("current_password")
            }
            ChangePasswordError::Proof(error) => error.into(),
            ChangePasswordError::Refused(refused) => Self::password_refused("new_password", refused),
        }
    }
}

impl From<SecondStepError> for ApiError {
    fn from(error: SecondStepError) -> Self {
        match error {
            SecondStepError::ChallengeInvalid => {
                Self::unauthorized("AUTH_CHALLENGE_INVALID", "Invalid or expired challenge").field("challenge")
            }
            SecondStepError::CodeInvalid => Self::unauthorized("AUTH_CODE_INVALID", "Invalid code").field("code"),
            SecondStepError::Deactivated => Self::account_deactivated(),
            SecondStepError::Fault(fault) => fault.into(),
        }
    }
}

impl From<SecondFactorError> for ApiError {
    fn from(error: SecondFactorError) -> Self {
        let conflict = |code, detail| Self::new(StatusCode::CONFLICT, code, detail);
        let forbidden = |code, detail| Self::new(StatusCode::FORBIDDEN, code, detail);
        match error {
            SecondFactorError::Proof(error) => error.into(),
            SecondFactorError::EmailNotVerified => Self::email_not_verified(),
            SecondFactorError::AlreadyEnabled => {
                conflict("AUTH_SECOND_FACTOR_ENABLED", "A second factor is enabled already")
            }
            SecondFactorError::NotEnabled => conflict("AUTH_SECOND_FACTOR_NOT_ENABLED", "No second factor is enabled"),
            SecondFactorError::EnrolmentInvalid => {
                forbidden("AUTH_ENROLMENT_INVALID", "Invalid or expired enrolment").field("enrolment")
            }
            SecondFactorError::CodeInvalid => forbidden("AUTH_CODE_INVALID", "Invalid code").field("code"),
            SecondFactorError::Deactivated => Self::account_deactivated(),
            SecondFactorError::UserNotFound => Self::invalid_token(Self::USER_INACTIVE.0, Self::USER_INACTIVE.1),
            SecondFactorError::Fault(fault) => fault.into(),
        }
    }
}

impl From<RecentError> for ApiError {
    fn from(error: RecentError) -> Self {
        match error {
            RecentError::Required => Self::reauthentication_required(),
            RecentError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ReauthenticateError> for ApiError {
    fn from(error: ReauthenticateError) -> Self {
        match error {
            ReauthenticateError::Proof(error) => error.into(),
            ReauthenticateError::NoSession => Self::reauthentication_required(),
        }
    }
}

impl From<EraseError> for ApiError {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Proof(error) => error.into(),
            EraseError::LastAdmin => Self::last_admin(),
        }
    }
}

impl From<RedeemError> for ApiError {
    fn from(error: RedeemError) -> Self {
        match error {
            RedeemError::Invalid => {
                Self::new(StatusCode::FORBIDDEN, "AUTH_TICKET_INVALID", "Invalid or expired link or code")
            }
            RedeemError::WrongPassword => ProofError::WrongPassword.into(),
            RedeemError::Password(refused) => Self::password_refused("password", refused),
            RedeemError::AddressTaken => Self::email_conflict(),
            RedeemError::Fault(fault) => fault.into(),
        }
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::UserNotFound => Self::user_not_found(),
            AdminError::CannotDeactivateAdmin => {
                Self::new(StatusCode::FORBIDDEN, "ADMN_CANNOT_DEACTIVATE_ADMIN", "Cannot deactivate admin accounts")
            }
            AdminError::LastAdmin => Self::last_admin(),
            AdminError::OwnAccount => {
                let detail = "Erase your own account at DELETE /auth/me";
                Self::new(StatusCode::FORBIDDEN, "ADMN_CANNOT_ERASE_SELF", detail)
            }
            AdminError::Fault(fault) => fault.into(),
        }
    }
}

impl From<SessionsError> for ApiError {
    fn from(error: SessionsError) -> Self {
        match error {
            SessionsError::SessionNotFound => Self::session_not_found(),
            SessionsError::UserNotFound => Self::user_not_found(),
            SessionsError::Fault(fault) => fault.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}
