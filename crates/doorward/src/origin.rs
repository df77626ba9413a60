//! [`Origin`]: who asks for something, and from where. What an audit event says about its cause.

use std::fmt;
use std::net::IpAddr;

use crate::user::UserId;

/// On whose behalf something is asked for, as far as that was proven beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Actor {
    /// Nobody has proven who they are: somebody who registers, logs in, or presents a refresh token.
    #[default]
    Anonymous,
    /// The user of a good access token.
    User(UserId),
    /// Whoever runs the command line on the machine, or the service itself.
    Operator,
}

impl Actor {
    /// The actor's user, if it is one.
    pub const fn user_id(self) -> Option<UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Anonymous | Self::Operator => None,
        }
    }

    /// The kind of actor: a stable word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User(_) => "user",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(formatter, "user {id}"),
            other => formatter.write_str(other.name()),
        }
    }
}

/// Who asks and from where. Borrowed, copied freely, and the last argument of every use case that changes
/// something.
///
/// The texts are as the client sent them: nothing here is escaped or cut yet, and none of it proves anything.
///
/// ```
/// use doorward::{Origin, UserId};
///
/// let admin = UserId::new(1).unwrap();
/// let origin = Origin::unknown().by(admin).with_address("203.0.113.9".parse().ok()).with_request_id(Some("r-17"));
/// assert_eq!(origin.actor.user_id(), Some(admin));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin<'a> {
    /// On whose behalf.
    pub actor: Actor,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: Option<&'a str>,
    /// The id under which the log has the request.
    pub request_id: Option<&'a str>,
}

impl<'a> Origin<'a> {
    /// Nothing is known.
    pub const fn unknown() -> Self {
        Self { actor: Actor::Anonymous, address: None, user_agent: None, request_id: None }
    }

    /// The operator, on the command line.
    pub const fn operator() -> Self {
        Self { actor: Actor::Operator, ..Self::unknown() }
    }

    /// The same on behalf of that user.
    #[must_use]
    pub const fn by(self, user_id: UserId) -> Self {
        Self { actor: Actor::User(user_id), ..self }
    }

    /// The same from that address.
    #[must_use]
    pub const fn with_address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// The same from a client that calls itself so.
    #[must_use]
    pub const fn with_user_agent(self, user_agent: Option<&'a str>) -> Self {
        Self { user_agent, ..self }
    }

    /// The same under that request id.
    #[must_use]
    pub const fn with_request_id(self, request_id: Option<&'a str>) -> Self {
        Self { request_id, ..self }
    }
}
