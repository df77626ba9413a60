//! What a person may do.

use std::fmt;
use std::str::FromStr;

/// The role of a user, as it stands in the database and in the `role` claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Everybody who registers.
    User,
    /// May list, deactivate and reactivate users. Made only by an administrator at the command line.
    Admin,
}

impl Role {
    /// Every role, in the order in which messages name them.
    pub const ALL: [Self; 2] = [Self::User, Self::Admin];

    /// The name in JSON, in tokens and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no role. Letter case counts: `Admin` is not `admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown role: expected user or admin")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}
