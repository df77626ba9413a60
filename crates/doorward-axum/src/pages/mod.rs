//! The pages that links in letters lead to: plain forms that need no script and know no front end.
//!
//! * **A GET uses nothing up.** Mail scanners and previews follow links; only the form's POST redeems a ticket.
//! * **The token is the authority**, and it stands in the form: there is no cookie and nothing else that a browser sends
//!   of its own accord. So a form that another site has a person send can do nothing that its maker couldn't do alone.
//! * Nothing is loaded but the page's own style; nobody may frame it, and no address of it leaks to other sites
//!   (`no-referrer`) or stays in a cache (`no-store`).

mod account;
mod form;
mod html;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use doorward::Auth;

const STYLE: &str = include_str!("../../assets/account.css");

/// The pages alone, for an application whose state holds an `Arc<Auth>`. They are part of
/// [`router`](crate::router) unless its options say otherwise.
pub fn pages<S>() -> Router<S>
where
    Arc<Auth>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/account/verify-email", get(account::show_verify).post(account::verify))
        .route("/account/recover", get(account::show_recover).post(account::recover))
        .route("/account/invitation", get(account::show_invitation).post(account::accept))
        .route("/account/change-email", get(account::show_change).post(account::change))
        .route("/account/keep-email", get(account::show_keep).post(account::keep))
        .route("/account/account.css", get(style))
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-store")], STYLE)
}
