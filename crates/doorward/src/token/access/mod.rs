//! Access tokens: JWTs under HS256, read strictly.
//!
//! What the verifier demands, in this order; whatever fails is [`AccessTokenError::Invalid`]:
//!
//! 1. **Size**: 4,096 bytes at most.
//! 2. **Form**: three segments of canonical base64url, without padding, white space or spare bits.
//! 3. **Header** (RFC 7515, section 4): `alg` is `HS256` and [`AccessTokenRules::algorithms`] has it; `typ`,
//!    when there is one, is `JWT`, `at+jwt` or `application/at+jwt`; `kid`, when there is one, names a key of
//!    the [`Keyring`]. No other member, none twice. The header chooses the key and nothing else; without a
//!    `kid` every key is tried, the current one first.
//! 4. **MAC**: compared in constant time. Nothing of the payload is looked at before it holds.
//! 5. **Claims** (RFC 7519, section 4.1): one JSON object. `sub` (a user id as a string), `role`, `jti` (a
//!    UUID), `iat` and `exp` (non-negative integers of seconds) must be there, `sid` (a UUID) may be, and `iss`
//!    and `aud` (one string each, compared whole) are there exactly when the rules have them; `nbf`, where it is
//!    there, is such an integer. UUIDs are in lower case, so that each has one spelling. A claim that is not ours is
//!    ignored, whatever JSON it is, nested 32 deep at most. No name stands twice, however it is escaped.
//! 6. **Time**: `iat` and `nbf` are no further in the future than [`MAX_CLOCK_SKEW`], and `iat` is before `exp`.
//! 7. **Expiry**: now is before `exp`. This alone, and only when all of the above held, is
//!    [`AccessTokenError::Expired`].
//! 8. **Lifetime**: `exp` is after `iat` by no more than the lifetime of the rules. Judged last, so that nobody is
//!    logged out when the lifetime is made shorter: a front end refreshes on *expired*, and gives up on *invalid*.

mod claims;
mod header;
mod json;
mod jws;
#[cfg(test)]
mod vectors;
mod written;

use std::fmt;
use std::time::Duration;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::keyring::Keyring;
use crate::clock::Timestamp;
use crate::random::{RandomnessError, reserved_uuid};
use crate::role::Role;
use crate::session::SessionId;
use crate::user::UserId;

/// How far in the future `iat` and `nbf` may lie: nodes' clocks differ. `exp` is given no such leeway.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

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
    /// How long a token is good, in whole seconds. Fifteen minutes by default.
    pub lifetime: Duration,
    /// The algorithms accepted. With none, every token is refused.
    pub algorithms: Vec<Algorithm>,
    /// Written as `iss` and demanded back, when given. When not, a token with an `iss` is refused.
    pub issuer: Option<String>,
    /// Written as `aud` and demanded back, when given. When not, a token with an `aud` is refused.
    pub audience: Option<String>,
    /// How far clocks may disagree at either end of a token's time, beyond [`MAX_CLOCK_SKEW`] at its beginning. Zero by
    /// default.
    pub leeway: Duration,
}

impl AccessTokenRules {
    /// How long after its issue a token may be accepted, by clocks that agree to [`MAX_CLOCK_SKEW`].
    pub(crate) fn accepted_for(&self) -> Duration {
        // The leeway moves both ends.
        self.lifetime.saturating_add(self.leeway.saturating_mul(2))
    }
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
///
/// The payload holds `sub`, `role`, `jti` (a fresh version 4 UUID), `iat` and `exp`, then `sid`, `iss` and
/// `aud` where the subject or the rules give them. Times are whole seconds, rounded down.
///
/// # Errors
///
/// [`RandomnessError`] when the operating system gives no random bytes for the `jti`.
///
/// # Examples
///
/// ```
/// use doorward::token::access::{AccessTokenRules, Subject};
/// use doorward::token::keyring::{Keyring, SecretKey};
/// use doorward::{Role, Timestamp, UserId, create_access_token, decode_access_token};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = SecretKey::new("kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP")?;
/// let keyring = Keyring::new(secret, Vec::new());
/// let rules = AccessTokenRules::default();
/// let now = Timestamp::from_seconds(1_700_000_000);
///
/// let user_id = UserId::new(42).ok_or("not positive")?;
/// let subject = Subject { user_id, role: Role::User, session: None };
/// let token = create_access_token(subject, &keyring, &rules, now)?;
///
/// let verified = decode_access_token(token.reveal(), &keyring, &rules, now)?;
/// assert_eq!(verified.subject(), subject);
/// # Ok(())
/// # }
/// ```
pub fn create_access_token(
    subject: Subject,
    keyring: &Keyring,
    rules: &AccessTokenRules,
    now: Timestamp,
) -> Result<AccessToken, RandomnessError> {
    Ok(sign(subject, reserved_uuid(now)?, keyring, rules, now))
}

fn sign(subject: Subject, id: Uuid, keyring: &Keyring, rules: &AccessTokenRules, now: Timestamp) -> AccessToken {
    let payload = claims::write(subject, id, rules, now);
    AccessToken(Zeroizing::new(jws::sign(payload.as_bytes(), keyring)))
}

/// Verifies a token and gives its claims (RFC 7519, section 7.2, and RFC 8725). See the
/// [module](self) for what is demanded of a token.
///
/// # Errors
///
/// [`AccessTokenError::Expired`] when all held but the token's time is over, otherwise
/// [`AccessTokenError::Invalid`].
pub fn decode_access_token(
    token: &str,
    keyring: &Keyring,
    rules: &AccessTokenRules,
    now: Timestamp,
) -> Result<VerifiedToken, AccessTokenError> {
    let mut buffer = jws::EMPTY;
    let payload = jws::verify(token, keyring, &rules.algorithms, &mut buffer).ok_or(AccessTokenError::Invalid)?;
    claims::verify(payload, rules, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::keyring::SecretKey;

    /// Fixed to the last byte: a change of what we write is a change for everybody who reads it. PyJWT agrees:
    ///
    /// ```text
    /// python3 -c 'import jwt, sys; print(jwt.decode(sys.argv[1], sys.argv[2], ["HS256"], {"verify_exp": False},
    ///     audience="clients", issuer="doorward"))' TOKEN SECRET
    /// ```
    #[test]
    fn a_token_is_written_as_ever() {
        let keyring = Keyring::new(SecretKey::new("kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP").unwrap(), Vec::new());
        let rules = AccessTokenRules {
            issuer: Some("doorward".to_owned()),
            audience: Some("clients".to_owned()),
            ..AccessTokenRules::default()
        };
        let subject = Subject {
            user_id: UserId::new(42).unwrap(),
            role: Role::Admin,
            session: Some(SessionId::from_uuid(Uuid::from_u128(0x0f0e_0d0c_0b0a_4908_8706_0504_0302_0100))),
        };
        let id = Uuid::from_u128(0x0001_0203_0405_4607_8809_0a0b_0c0d_0e0f);
        let now = Timestamp::from_micros(1_700_000_000_999_999);
        let token = sign(subject, id, &keyring, &rules, now);
        assert_eq!(
            token.reveal(),
            concat!(
                "eyJhbGciOiJIUzI1NiIsImtpZCI6ImpuRHY1Z1pOOGJHQSIsInR5cCI6IkpXVCJ9.",
                "eyJzdWIiOiI0MiIsInJvbGUiOiJhZG1pbiIsImp0aSI6IjAwMDEwMjAzLTA0MDUtNDYwNy04ODA5LTBhMGIwYzBkMGUwZiIsImlh",
                "dCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAwOTAwLCJzaWQiOiIwZjBlMGQwYy0wYjBhLTQ5MDgtODcwNi0wNTA0MDMwMjAxMDAi",
                "LCJpc3MiOiJkb29yd2FyZCIsImF1ZCI6ImNsaWVudHMifQ.",
                "Hd7FccLJEC18bvrr5qx3dUa92idneCopJMqv8t0PdqM",
            )
        );
        let verified = decode_access_token(token.reveal(), &keyring, &rules, now).unwrap();
        assert_eq!((verified.subject(), verified.id()), (subject, id));
        assert_eq!(verified.issued_at(), Timestamp::from_seconds(1_700_000_000));
        assert_eq!(verified.expires_at(), Timestamp::from_seconds(1_700_000_900));
    }

    #[test]
    fn debug_shows_no_token() {
        let token = AccessToken(Zeroizing::new("eyJ".to_owned()));
        assert_eq!(format!("{token:?}"), "AccessToken(…)");
    }
}
