//! Doorward over HTTP: the routes, extractors and one error shape for [axum] applications.
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::{Router, routing::get};
//! use doorward::Auth;
//! use doorward_axum::{AdminUser, CurrentUser};
//!
//! async fn hello(CurrentUser(identity): CurrentUser) -> String {
//!     format!("Hello, user {}!", identity.user_id)
//! }
//!
//! async fn report(AdminUser(admin): AdminUser) -> String {
//!     format!("For the eyes of {} only", admin.email.as_str())
//! }
//!
//! /// `/hello` and `/report` beside `/auth/…` and `/admin/…`.
//! fn application(auth: Arc<Auth>) -> Router {
//!     let routes = Router::new()
//!         .route("/hello", get(hello))
//!         .route("/report", get(report))
//!         .merge(doorward_axum::routes())
//!         .with_state(auth);
//!     doorward_axum::with_layers(routes, &doorward_axum::RouterOptions::default())
//! }
//! ```
//!
//! * [`router`]: everything, ready to serve.
//! * [`serve()`]: an application served with what belongs to it: clients' addresses, bounds, housekeeping, an orderly end.
//! * [`routes`]: the routes alone, to merge into an application; [`pages`]: the pages that links in letters lead to.
//! * [`CurrentUser`], [`AdminUser`], [`RecentAdmin`]: what a handler asks for; [`require_user`], [`require_admin`]: the
//!   same for a whole group of routes.
//! * [`RequestOrigin`]: where a request came from, for the use cases of [`doorward::Auth`].
//! * [`ApiError`]: the error shape, for the application's own errors too.

mod access;
mod body;
mod client_address;
mod error;
mod json;
mod layers;
mod paged_body;
mod pages;
mod qr_code;
mod query;
mod request_origin;
mod router;
mod routes;
mod schemas;
mod serve;
mod validation;

pub use access::{AdminUser, CurrentUser, RecentAdmin, require_admin, require_user};
pub use body::{BODY_LIMIT, JsonBody};
pub use client_address::{ClientAddress, TrustedProxies, unreadable_forwarding};
pub use error::ApiError;
pub use json::Json;
pub use layers::with_layers;
pub use pages::pages;
pub use request_origin::RequestOrigin;
pub use router::{RouterOptions, router, routes};
pub use schemas::{
    AdminUserResponse, ChoosePasswordRequest, ConfirmEmailRequest, EmailChangeRequest, EmailRequest, EventPageResponse,
    EventResponse, KeepEmailRequest, LoginRequest, PasswordChangeRequest, ProfileUpdate, ProofRequest,
    ReauthenticateRequest, RecoverRequest, RecoveryCodesResponse, RefreshRequest, RoleChange, SecondFactorRequest,
    SessionResponse, SessionsResponse, Ticket, TokenResponse, TotpConfirmRequest, TotpEnrolmentResponse, TotpResponse,
    UserCreate, UserInvite, UserPageResponse, UserResponse, VerifyEmailRequest,
};
pub use serve::connections::BACKLOG;
pub use serve::{ConnectionCounts, Connections, ServeLimits, Serving, StillOpen, Stopping, keep_house, serve};
pub use validation::{FieldFault, Fields, FromFields, Location};
