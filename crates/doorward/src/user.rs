//! A person's account.

use std::fmt;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::email::EmailAddress;
use crate::password::PasswordHash;
use crate::role::Role;
use crate::ticket::Ticket;

/// The number of an account: positive, given by the store, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(i64);

impl UserId {
    /// The id `value`, or `None` when it is not positive.
    pub const fn new(value: i64) -> Option<Self> {
        if value > 0 { Some(Self(value)) } else { None }
    }

    /// The number.
    pub const fn value(self) -> i64 {
        self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl From<UserId> for i64 {
    fn from(id: UserId) -> Self {
        id.0
    }
}

impl TryFrom<i64> for UserId {
    type Error = InvalidUserId;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        Self::new(number).ok_or(InvalidUserId)
    }
}

/// The text is not a user id in its one canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a user id")]
pub struct InvalidUserId;

impl FromStr for UserId {
    type Err = InvalidUserId;

    /// Reads decimal digits without sign, space or leading zero, so that one user has one spelling.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        if !canonical {
            return Err(InvalidUserId);
        }
        text.parse().ok().and_then(Self::new).ok_or(InvalidUserId)
    }
}

/// An account as everybody but the password check sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The account's number.
    pub id: UserId,
    /// The address as it was registered.
    pub email: EmailAddress,
    /// The person's name, when it was set.
    pub full_name: Option<String>,
    /// What the person may do.
    pub role: Role,
    /// `false`: the account is deactivated and nobody gets in.
    pub is_active: bool,
    /// When the address was proven to be the person's; `None` until then.
    pub email_verified_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The address; its key must not belong to another account.
    pub email: EmailAddress,
    /// The hash of the person's password.
    pub password_hash: PasswordHash,
    /// The person's name, when it is known.
    pub full_name: Option<String>,
    /// What the person may do.
    pub role: Role,
    /// When the address was proven to be the person's, if somebody vouches for it.
    pub email_verified_at: Option<Timestamp>,
    /// The links and codes that are sent with it.
    pub tickets: Vec<Ticket>,
    /// The moment of the account's making.
    pub created_at: Timestamp,
}

/// Counts a person's passwords and second factors, so that a login which began before a change cannot end after it.
///
/// Rehashing the same password with newer parameters does not make a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialVersion(pub i64);

/// What switching an account on or off comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivationDecision {
    /// Change the account; on deactivation every session ends in the same step.
    Change,
    /// It already is what was asked for.
    Keep,
    /// Administrators are not deactivated: whoever could would lock the others out.
    RefuseAdmin,
}

/// Decides whether `user` may be switched on or off.
pub fn decide_activation(user: &User, active: bool) -> ActivationDecision {
    if !active && user.role == Role::Admin {
        ActivationDecision::RefuseAdmin
    } else if user.is_active == active {
        ActivationDecision::Keep
    } else {
        ActivationDecision::Change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_has_one_spelling() {
        assert_eq!("42".parse::<UserId>().unwrap().value(), 42);
        for text in ["", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "9223372036854775808", "١"] {
            assert_eq!(text.parse::<UserId>(), Err(InvalidUserId), "{text:?}");
        }
    }
}
