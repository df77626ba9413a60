//! The schemas of the contract.

use std::fmt;

use doorward::email::EmailAddress;
use doorward::password::{NewPassword, PASSWORD_MAX_BYTES, Password, PasswordPolicy, PasswordRefused, PasswordTooLong};
use doorward::store::UserPage;
use doorward::{Timestamp, TokenPair, User};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::validation::{FieldFault, Fields, FromFields};

/// Who wants an account. There is no `role`: an unknown field is ignored and elevates nobody.
#[derive(Debug)]
pub struct UserCreate {
    /// The address, valid and not yet known to be free.
    pub email: EmailAddress,
    /// A password that the policy allows.
    pub password: NewPassword,
}

/// Who wants in.
#[derive(Debug)]
pub struct LoginRequest {
    /// The address of the account.
    pub email: EmailAddress,
    /// Whatever was typed, of any length up to the limit.
    pub password: Password,
}

/// A refresh token, to be rotated or to be ended.
pub struct RefreshRequest {
    /// The token as it was sent. Well-formed or not is for the domain to say.
    pub refresh_token: Zeroizing<String>,
}

impl fmt::Debug for RefreshRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RefreshRequest(…)")
    }
}

impl FromFields for UserCreate {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let email = fields.string("email", read_email);
        let password = fields.string("password", |text, loc| {
            let password = read_password(text, loc.clone())?;
            NewPassword::new(password, PasswordPolicy::default()).map_err(|refused| match refused {
                PasswordRefused::TooShort { min_code_points } => FieldFault::string_too_short(loc, min_code_points),
                other => FieldFault::value_error(loc, "Value error", &other.to_string()),
            })
        });
        Some(Self { email: email?, password: password? })
    }
}

impl FromFields for LoginRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let email = fields.string("email", read_email);
        let password = fields.string("password", read_password);
        Some(Self { email: email?, password: password? })
    }
}

impl FromFields for RefreshRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let refresh_token = fields.string("refresh_token", |text, _| Ok(Zeroizing::new(text)));
        Some(Self { refresh_token: refresh_token? })
    }
}

fn read_email(text: String, loc: Vec<&'static str>) -> Result<EmailAddress, FieldFault> {
    EmailAddress::parse(&text)
        .map_err(|invalid| FieldFault::value_error(loc, "value is not a valid email address", invalid.reason()))
}

fn read_password(text: String, loc: Vec<&'static str>) -> Result<Password, FieldFault> {
    Password::new(text).map_err(|PasswordTooLong| FieldFault::string_too_long(loc, PASSWORD_MAX_BYTES))
}

/// What a client gets for a password or a refresh token (RFC 6749, section 5.1).
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenResponse {
    /// The access token, a JWT.
    pub access_token: String,
    /// The refresh token, opaque, good once.
    pub refresh_token: String,
    /// Always `bearer`.
    pub token_type: String,
    /// How many seconds the access token is good.
    pub expires_in: u64,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenResponse").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl From<TokenPair> for TokenResponse {
    fn from(pair: TokenPair) -> Self {
        Self {
            access_token: pair.access_token.reveal().to_owned(),
            refresh_token: pair.refresh_token.reveal().to_string(),
            token_type: "bearer".to_owned(),
            expires_in: pair.expires_in.as_secs(),
        }
    }
}

/// An account as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserResponse {
    /// The account's number.
    pub id: i64,
    /// The address as it was registered.
    pub email: String,
    /// `user` or `admin`.
    pub role: String,
}

impl From<User> for UserResponse {
    fn from(user: User) -> Self {
        Self { id: user.id.value(), email: user.email.as_str().to_owned(), role: user.role.to_string() }
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

fn rfc3339(moment: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(moment.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
