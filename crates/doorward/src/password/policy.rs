//! What may be a password.

use std::fmt;

use zeroize::Zeroizing;

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

    /// A copy for the thread that hashes.
    pub(super) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.as_bytes().to_vec())
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
    /// Holds `password` against `policy`. There are no rules of composition (NIST SP 800-63B-4, 3.1.1.2).
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
