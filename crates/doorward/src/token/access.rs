//! Access tokens: JWTs under HS256, read strictly.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::keyring::Keyring;
use crate::clock::Timestamp;
use crate::random::RandomnessError;
use crate::role::Role;
use crate::session::SessionId;
use crate::user::UserId;

/// A signature algorithm that a verifier may be told to accept. The token has no say in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256 (RFC 7518, section 3.2).
    Hs256,
}

/// The settings that decide about access tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessTokenRules {
    /// How long a token is good. Fifteen minutes by default.
    pub lifetime: Duration,
    /// The algorithms accepted.
    pub algorithms: Vec<Algorithm>,
    /// Written as `iss` and demanded back, when given.
    pub issuer: Option<String>,
    /// Written as `aud` and demanded back, when given.
    pub audience: Option<String>,
    /// How far clocks may disagree. Zero by default.
    pub leeway: Duration,
}

impl Default for AccessTokenRules {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(15 * 60),
            algorithms: vec![Algorithm::Hs256],
            issuer: None,
            audience: None,
            leeway: Duration::ZERO,
        }
    }
}

/// Whom an access token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The user: `sub`.
    pub user_id: UserId,
    /// The user's role: `role`.
    pub role: Role,
    /// The session the token was issued in: `sid`.
    pub session: Option<SessionId>,
}

/// A signed token, to be handed to the client and not kept.
#[derive(Clone)]
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// The token as the client gets it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AccessToken(…)")
    }
}

/// The claims of a token whose signature, header and claims all held. Only the verifier makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedToken {
    subject: Subject,
    id: Uuid,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl VerifiedToken {
    /// Whom the token speaks for.
    pub const fn subject(&self) -> Subject {
        self.subject
    }

    /// The token's own id: `jti`.
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// When it was issued: `iat`.
    pub const fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// From when on it is no longer good: `exp`.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// Why a token is refused. Deliberately no more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenError {
    /// Everything else held, but its time is over.
    #[error("the access token has expired")]
    Expired,
    /// It is not a token of ours.
    #[error("the access token is invalid")]
    Invalid,
}

/// Signs a token for `subject`, good from `now` for the lifetime of the rules.
pub fn create_access_token(
    subject: Subject,
    keyring: &Keyring,
    rules: &AccessTokenRules,
    now: Timestamp,
) -> Result<AccessToken, RandomnessError> {
    let _ = (subject, keyring, rules, now);
    Ok(AccessToken(Zeroizing::new(String::new())))
}

/// Verifies a token and gives its claims.
pub fn decode_access_token(
    token: &str,
    keyring: &Keyring,
    rules: &AccessTokenRules,
    now: Timestamp,
) -> Result<VerifiedToken, AccessTokenError> {
    let _ = (token, keyring, rules, now);
    Err(AccessTokenError::Invalid)
}
