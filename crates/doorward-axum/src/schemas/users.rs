//! Accounts, as their owners and as administrators see them.

use doorward::User;
use doorward::store::UserPage;
use serde::{Deserialize, Serialize};

use super::rfc3339;

/// An account as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserResponse {
    /// The account's number.
    pub id: i64,
    /// The address as it was registered.
    pub email: String,
    /// `user` or `admin`.
    pub role: String,
    /// The person's name, `null` until it is set.
    pub full_name: Option<String>,
    /// Whether the address was proven to be the person's.
    pub email_verified: bool,
    /// When the account was made: RFC 3339 in UTC, with `Z`.
    pub created_at: String,
}

impl From<User> for UserResponse {
    fn from(user: User) -> Self {
        Self {
            id: user.id.value(),
            email: user.email.as_str().to_owned(),
            role: user.role.to_string(),
            full_name: user.full_name,
            email_verified: user.email_verified_at.is_some(),
            created_at: rfc3339(user.created_at),
        }
    }
}

/// An account as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminUserResponse {
    /// The account's number.
    pub id: i64,
    /// The address as it was registered.
    pub email: String,
    /// `user` or `admin`.
    pub role: String,
    /// The person's name, `null` until it is set.
    pub full_name: Option<String>,
    /// Whether the address was proven to be the person's.
    pub email_verified: bool,
    /// `false`: deactivated.
    pub is_active: bool,
    /// When the account was made: RFC 3339 in UTC, with `Z`.
    pub created_at: String,
}

impl From<User> for AdminUserResponse {
    fn from(user: User) -> Self {
        Self {
            id: user.id.value(),
            email: user.email.as_str().to_owned(),
            role: user.role.to_string(),
            full_name: user.full_name,
            email_verified: user.email_verified_at.is_some(),
            is_active: user.is_active,
            created_at: rfc3339(user.created_at),
        }
    }
}

/// A page of accounts, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPageResponse {
    /// The accounts of this page.
    pub items: Vec<AdminUserResponse>,
    /// How many accounts match on all pages.
    pub total_count: u64,
    /// Which page this is, from 1.
    pub page: u64,
    /// How many accounts a page has at most.
    pub per_page: u32,
    /// How many pages there are.
    pub total_pages: u64,
}

impl UserPageResponse {
    /// The page of that number and size.
    pub fn new(found: UserPage, page: u64, per_page: u32) -> Self {
        Self {
            items: found.users.into_iter().map(AdminUserResponse::from).collect(),
            total_count: found.total,
            page,
            per_page,
            total_pages: found.total.div_ceil(u64::from(per_page)),
        }
    }
}
