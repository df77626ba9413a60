//! Passwords: what may be one, how it is hashed, and the threads that hash.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::random::RandomnessError;

/// The longest password accepted anywhere, in bytes of UTF-8.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// A password as it was typed: byte for byte, neither trimmed nor normalised. Wiped when dropped.
pub struct Password(Zeroizing<String>);

/// The text has more than [`PASSWORD_MAX_BYTES`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password has more than {PASSWORD_MAX_BYTES} bytes")]
pub struct PasswordTooLong;

impl Password {
    /// Takes a password that somebody typed.
    ///
    /// # Errors
    ///
    /// [`PasswordTooLong`], so that nothing longer is ever hashed.
    pub fn new(text: impl Into<Zeroizing<String>>) -> Result<Self, PasswordTooLong> {
        let text = text.into();
        if text.len() > PASSWORD_MAX_BYTES { Err(PasswordTooLong) } else { Ok(Self(text)) }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// What a new password must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// The fewest code points. Eight by default.
    pub min_code_points: usize,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min_code_points: 8 }
    }
}

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordRefused {
    /// It has too few code points.
    #[error("the password has fewer than {min_code_points} characters")]
    TooShort {
        /// How many it must have.
        min_code_points: usize,
    },
}

/// A password that the policy allows: the only kind that can be registered.
#[derive(Debug)]
pub struct NewPassword(Password);

impl NewPassword {
    /// Holds `password` against `policy`.
    ///
    /// # Errors
    ///
    /// [`PasswordRefused`] with the reason.
    pub fn new(password: Password, policy: PasswordPolicy) -> Result<Self, PasswordRefused> {
        let min_code_points = policy.min_code_points;
        if password.0.chars().count() < min_code_points {
            return Err(PasswordRefused::TooShort { min_code_points });
        }
        Ok(Self(password))
    }

    /// The password.
    pub const fn password(&self) -> &Password {
        &self.0
    }
}

/// A stored hash: a PHC string, or whatever another system left there.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The hash that a store kept. Nothing is checked before it is used.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text for the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(…)")
    }
}

/// What verifying a password found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// The password is the one that was hashed.
    pub matches: bool,
    /// The stored hash is of another algorithm or weaker than the pool's parameters. Only with `matches`.
    pub needs_upgrade: bool,
}

/// Why a password could not be hashed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[non_exhaustive]
pub enum HashingError {
    /// More passwords are waiting than can be hashed in time.
    #[error("too many passwords are waiting to be hashed")]
    Overloaded {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The operating system gave no salt.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

/// The threads that hash.
#[derive(Debug)]
pub struct HashingPool {}

/// Hashes a password.
pub async fn hash_password(pool: &HashingPool, password: &Password) -> Result<PasswordHash, HashingError> {
    let _ = (pool, password);
    Ok(PasswordHash::from_stored("stub"))
}

/// Verifies a password.
pub async fn verify_password(
    pool: &HashingPool,
    password: &Password,
    stored: Option<&PasswordHash>,
) -> Result<Verification, HashingError> {
    let _ = (pool, password, stored);
    Ok(Verification { matches: false, needs_upgrade: false })
}
