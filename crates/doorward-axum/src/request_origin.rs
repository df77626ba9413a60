//! Where a request came from, for the use cases' [`Origin`].

use std::convert::Infallible;
use std::net::IpAddr;

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
        Self {
            address: parts.extensions.get::<ClientAddress>().map(|client| client.0),
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

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    std::str::from_utf8(value?.as_bytes()).ok()
}

impl<S: Send + Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
