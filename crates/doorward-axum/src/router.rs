//! Every route, in one list.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::http::HeaderValue;
use axum::routing::{delete, get, patch, post};
use doorward::Auth;

use crate::client_address::TrustedProxies;
use crate::layers::with_layers;
use crate::pages::pages;
use crate::routes::{account, admin, auth, documentation, events, mail, password, second_factor, service, sessions};

/// What an operator may set about HTTP.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RouterOptions {
    /// The origins whose pages may call from a browser, as `https://app.example.com`. None by default.
    pub allowed_origins: Vec<HeaderValue>,
    /// The proxies whose `X-Forwarded-For` is believed. None by default.
    pub trusted_proxies: TrustedProxies,
    /// How long a browser may remember that it may call. Ten minutes by default.
    pub preflight_max_age: Duration,
    /// Whether the [pages](crate::pages) are served that links in letters lead to. Yes by default.
    pub account_pages: bool,
}

impl Default for RouterOptions {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            trusted_proxies: TrustedProxies::default(),
            preflight_max_age: Duration::from_secs(600),
            account_pages: true,
        }
    }
}

/// The whole service: [`routes`], [`pages`], refusals in the error shape, and [`with_layers`].
pub fn router(auth: Arc<Auth>, options: &RouterOptions) -> Router {
    let served = if options.account_pages { routes().merge(pages()) } else { routes() };
    with_layers(served.with_state(auth), options)
}

/// The routes alone, for an application whose state holds an `Arc<Auth>`.
pub fn routes<S>() -> Router<S>
where
    Arc<Auth>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/auth/register", post(auth::register))
        .route("/auth/login", post(auth::login))
        .route("/auth/refresh", post(auth::refresh))
        .route("/auth/logout", post(auth::logout))
        .route("/auth/logout-all", post(sessions::logout_all))
        .route("/auth/sessions", get(sessions::list))
        .route("/auth/sessions/{session_id}", delete(sessions::end))
        .route("/auth/password", post(password::change))
        .route("/auth/reauthenticate", post(password::reauthenticate))
        .route("/auth/login/second-factor", post(second_factor::log_in))
        .route("/auth/totp", get(second_factor::show).post(second_factor::enrol).delete(second_factor::disable))
        .route("/auth/totp/confirm", post(second_factor::confirm))
        .route("/auth/recovery-codes", post(second_factor::renew_recovery_codes))
        .route("/auth/me", get(account::show).patch(account::change).delete(account::erase))
        .route("/auth/me/export", get(account::export))
        .route("/auth/events", get(events::own))
        .route("/admin/users", get(admin::list_users).post(admin::invite))
        .route("/admin/users/{user_id}", get(admin::show).delete(admin::erase))
        .route("/admin/users/{user_id}/role", patch(admin::set_role))
        .route("/admin/users/{user_id}/force-password-change", post(admin::force_password_change))
        .route("/auth/email", post(mail::change_email))
        .route("/auth/email/confirm", post(mail::confirm_email))
        .route("/auth/email/keep", post(mail::keep_email))
        .route("/auth/email/verification", post(mail::request_verification))
        .route("/auth/email/verify", post(mail::verify_email))
        .route("/auth/recovery", post(mail::request_recovery))
        .route("/auth/recovery/complete", post(mail::recover))
        .route("/auth/invitation/accept", post(mail::accept_invitation))
        .route("/admin/users/{user_id}/deactivate", patch(admin::deactivate))
        .route("/admin/users/{user_id}/email-verified", patch(admin::vouch_for_email))
        .route("/admin/users/{user_id}/reactivate", patch(admin::reactivate))
        .route("/admin/users/{user_id}/sessions", get(sessions::list_of))
        .route("/admin/users/{user_id}/sessions/{session_id}", delete(sessions::end_of))
        .route("/admin/users/{user_id}/logout-all", post(sessions::logout_all_of))
        .route("/admin/events", get(events::list))
        .route("/admin/events/export", get(events::export))
        .route("/health", get(service::health))
        .route("/ready", get(service::ready))
        .route("/openapi.json", get(documentation::openapi))
        .route("/docs", get(documentation::page))
        .route("/docs/docs.css", get(documentation::style))
        .route("/docs/docs.js", get(documentation::script))
}
