//! Where a request came from, for the use cases' [`Origin`].

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use doorward::{Origin, UserId};

use crate::client_address::ClientAddress;

/// The id of the request, among its extensions: the client's if it is harmless, else one of ours.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

/// The origin of a request: the client's address, what it calls itself, the request's id. Never refuses.
///
/// Address and id are known within [`with_layers`](crate::with_layers).
#[derive(Debug, Clone)]
pub struct RequestOrigin {
    address: Option<IpAddr>,
    user_agent: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
}

impl RequestOrigin {
    pub(crate) fn of(parts: &Parts) -> Self {
        let client = parts.extensions.get::<ClientAddress>();
        if client.is_none() {
            warn_of_unknown_address();
        }
        Self {
            address: client.map(|client| client.0),
            user_agent: parts.headers.get(USER_AGENT).cloned(),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
        }
    }

    /// The origin of a request whose sender has proven nothing yet.
    pub fn origin(&self) -> Origin<'_> {
        Origin::unknown()
            .with_address(self.address)
            .with_user_agent(text(self.user_agent.as_ref()))
            .with_request_id(text(self.request_id.as_ref()))
    }

    /// The origin of a request that this user sent.
    pub fn by(&self, user_id: UserId) -> Origin<'_> {
        self.origin().by(user_id)
    }
}

/// Says once that nobody tells where requests come from: the limits count everybody as one client then.
fn warn_of_unknown_address() {
    static HAS_WARNED: AtomicBool = AtomicBool::new(false);
    if !HAS_WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            event = "clients_unknown",
            "no client's address is known, so limits count all clients as one: serve with doorward_axum::serve, or with \
             into_make_service_with_connect_info, within with_layers"
        );
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    std::str::from_utf8(value?.as_bytes()).ok()
}

impl<S: Send + Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
