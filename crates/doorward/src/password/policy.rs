//! What may be a password.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{PasswordHash, blocklist, context};
#[cfg(doc)]
use crate::account_rules::AccountRules;
use crate::auth::Auth;
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::origin::Origin;

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

    /// Whether it is that one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
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

/// What a new password must be. There are no rules of composition, and none expires (NIST SP 800-63B-4, 3.1.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordPolicy {
    /// The fewest code points. Eight by default.
    pub min_code_points: usize,
    /// The most bytes of UTF-8. [`PASSWORD_MAX_BYTES`] by default, which is the most that is ever taken.
    pub max_bytes: usize,
    /// Whether the passwords that leaked most often are refused. They are by default.
    pub refuses_common: bool,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min_code_points: 8, max_bytes: PASSWORD_MAX_BYTES, refuses_common: true }
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
    /// It has too many bytes.
    #[error("the password has more than {max_bytes} bytes")]
    TooLong {
        /// How many it may have.
        max_bytes: usize,
    },
    /// It is among those that everybody tries first.
    #[error("the password is one of those that leaked most often and are tried first")]
    Common,
    /// It is the address, a part of it, or the name of the service.
    #[error("the password is too much like the email address or the name of the service")]
    Guessable,
    /// It is the one that is to be changed.
    #[error("the password is the one in use")]
    Unchanged,
}

/// A password that the policy allows: the only kind that can be registered.
///
/// Whether it suits a person is seen where it is set, as their address is known there: see [`Auth::new_password`].
#[derive(Debug)]
pub struct NewPassword(Password);

impl NewPassword {
    /// Holds `password` against `policy`.
    ///
    /// # Errors
    ///
    /// [`PasswordRefused`] with the reason.
    pub fn new(password: Password, policy: PasswordPolicy) -> Result<Self, PasswordRefused> {
        let PasswordPolicy { min_code_points, max_bytes, refuses_common } = policy;
        if password.0.chars().count() < min_code_points {
            return Err(PasswordRefused::TooShort { min_code_points });
        }
        if password.0.len() > max_bytes {
            return Err(PasswordRefused::TooLong { max_bytes });
        }
        if refuses_common && blocklist::has(&password.0) {
            return Err(PasswordRefused::Common);
        }
        Ok(Self(password))
    }

    /// The password.
    pub const fn password(&self) -> &Password {
        &self.0
    }
}

/// Why no hash was made of a new password.
#[derive(Debug, thiserror::Error)]
pub enum NewPasswordError {
    /// It may not be chosen by that person.
    #[error(transparent)]
    Refused(#[from] PasswordRefused),
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Auth {
    /// Holds a password against the [rules](AccountRules::password_policy) of this service and, where the address of
    /// the person is known already, against what is easy to guess for them. The use cases do the latter themselves:
    /// nobody's password is ever set without.
    ///
    /// # Errors
    ///
    /// [`PasswordRefused`] with the reason.
    pub fn new_password(
        &self,
        password: Password,
        email: Option<&EmailAddress>,
    ) -> Result<NewPassword, PasswordRefused> {
        let password = NewPassword::new(password, self.account_rules.password_policy)?;
        self.suits(&password, email)?;
        Ok(password)
    }

    /// The hash of a new password of whoever has that address.
    pub(crate) async fn hash_new_password(
        &self,
        password: &NewPassword,
        email: &EmailAddress,
        origin: Origin<'_>,
    ) -> Result<PasswordHash, NewPasswordError> {
        self.suits(password, Some(email))?;
        let pool = self.pool_for(origin);
        Ok(pool.hash_password(password.password()).await.map_err(Fault::from)?)
    }

    /// Whether a password is easy to guess for who knows whose it is, and what for.
    pub(crate) fn suits(&self, password: &NewPassword, email: Option<&EmailAddress>) -> Result<(), PasswordRefused> {
        let is_guessable = self.account_rules.password_policy.refuses_common
            && context::has(&password.0.0, &self.account_rules.service_name, email);
        if is_guessable { Err(PasswordRefused::Guessable) } else { Ok(()) }
    }
}
