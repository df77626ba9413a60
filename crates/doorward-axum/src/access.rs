//! Who sent the request: the extractors and the layers that protect routes.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use doorward::{Auth, Identity, User};

use crate::error::ApiError;
use crate::request_origin::RequestOrigin;

/// Whoever holds a good access token. Costs no look into the store.
///
/// Refuses with 401 or, for a deactivated account, 403.
#[derive(Debug, Clone, Copy)]
pub struct CurrentUser(pub Identity);

/// Whoever holds a good access token, or nobody when none was sent. A bad one is refused as by [`CurrentUser`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct PerhapsUser(pub(crate) Option<Identity>);

/// An administrator, as the store says now: one point read, whatever the token says.
///
/// Refuses as [`CurrentUser`] does, and anybody else with 403 `AUTH_FORBIDDEN`.
#[derive(Debug, Clone)]
pub struct AdminUser(pub User);

/// An [administrator](AdminUser) who has proven in this session, at most `recent_for` ago, who they are: for what changes
/// other people's accounts, so that a stolen access token alone does nothing to them.
///
/// Refuses as [`AdminUser`] does, and with 403 `AUTH_REAUTHENTICATION_REQUIRED` whose proof is older.
#[derive(Debug, Clone)]
pub struct RecentAdmin(pub User);

impl<S> FromRequestParts<S> for CurrentUser
where
    Arc<Auth>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let token = bearer_token(&parts.headers)?;
        Ok(Self(Arc::from_ref(state).authenticate(token).await?))
    }
}

impl<S> FromRequestParts<S> for PerhapsUser
where
    Arc<Auth>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(Self(None));
        }
        let CurrentUser(identity) = CurrentUser::from_request_parts(parts, state).await?;
        Ok(Self(Some(identity)))
    }
}

impl<S> FromRequestParts<S> for AdminUser
where
    Arc<Auth>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let auth = Arc::<Auth>::from_ref(state);
        let identity = auth.authenticate(bearer_token(&parts.headers)?).await?;
        let from = RequestOrigin::of(parts);
        Ok(Self(auth.current_admin(&identity, from.origin()).await?))
    }
}

impl<S> FromRequestParts<S> for RecentAdmin
where
    Arc<Auth>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let auth = Arc::<Auth>::from_ref(state);
        let identity = auth.authenticate(bearer_token(&parts.headers)?).await?;
        let from = RequestOrigin::of(parts);
        let admin = auth.current_admin(&identity, from.origin()).await?;
        auth.require_recent(&identity, auth.now()).await?;
        Ok(Self(admin))
    }
}

/// Lets only requests with a good access token through to a group of routes:
/// `.route_layer(middleware::from_fn_with_state(auth, require_user))`.
///
/// The routes find the [`Identity`] among the request's extensions. Whoever is refused gets the answer of
/// [`CurrentUser`].
pub async fn require_user(CurrentUser(identity): CurrentUser, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(identity);
    next.run(request).await
}

/// Lets only administrators through to a group of routes:
/// `.route_layer(middleware::from_fn_with_state(auth, require_admin))`.
///
/// The routes find the [`User`] among the request's extensions. Whoever is refused gets the answer of
/// [`AdminUser`].
pub async fn require_admin(AdminUser(user): AdminUser, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(user);
    next.run(request).await
}

/// The token of the one `Authorization: Bearer` header (RFC 6750, section 2.1); no other carrier counts.
fn bearer_token(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or_else(ApiError::not_authenticated)?;
    if values.next().is_some() {
        return Err(ApiError::bad_request());
    }
    let Some((scheme, token)) = split_scheme(value.as_bytes()) else {
        return Err(ApiError::not_authenticated());
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.is_empty() {
        return Err(ApiError::not_authenticated());
    }
    std::str::from_utf8(token).map_err(|_| ApiError::access_token_invalid())
}

fn split_scheme(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = value.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
    // A tab stays with the token, which is then none.
    let token = if value[end] == b' ' { &value[end + 1..] } else { &value[end..] };
    Some((&value[..end], token))
}
