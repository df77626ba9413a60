//! `/health` and `/ready`: for those who watch over the service.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use doorward::{Auth, Readiness};
use serde::Serialize;

use crate::error::ApiError;

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
    version: &'static str,
}

/// Liveness: the process answers. Touches nothing.
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

#[derive(Serialize)]
pub(crate) struct Ready {
    status: &'static str,
}

/// Readiness: the store can serve, and says what ended.
pub(crate) async fn ready(State(auth): State<Arc<Auth>>) -> Result<Json<Ready>, ApiError> {
    let status = match auth.check().await? {
        Readiness::Ready => "ready",
        Readiness::AskingStore => "asking_store",
    };
    Ok(Json(Ready { status }))
}
