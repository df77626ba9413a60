//! Sessions, as their owner and as administrators see them.

use doorward::session::{Session, SessionId};
use serde::{Deserialize, Serialize};

use super::rfc3339;

/// A living session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionResponse {
    /// Its name: the `sid` of its access tokens.
    pub id: String,
    /// What the client called itself at the login, shortened: `Firefox on Linux`.
    pub device: Option<String>,
    /// The client's address at the last login or refresh.
    pub address: Option<String>,
    /// When it was opened: RFC 3339 in UTC, with `Z`.
    pub created_at: String,
    /// When its newest refresh token was issued, likewise.
    pub last_used_at: String,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// A person's living sessions, the one used last first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsResponse {
    /// The sessions.
    pub items: Vec<SessionResponse>,
}

impl SessionsResponse {
    /// These sessions, as seen from within `current`.
    pub fn new(sessions: Vec<Session>, current: Option<SessionId>) -> Self {
        let items = sessions.into_iter().map(|session| SessionResponse {
            id: session.id.to_string(),
            is_current: Some(session.id) == current,
            device: session.device,
            address: session.address.map(|address| address.to_string()),
            created_at: rfc3339(session.created_at),
            last_used_at: rfc3339(session.issued_at),
        });
        Self { items: items.collect() }
    }
}
