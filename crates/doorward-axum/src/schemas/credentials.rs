//! What registers, logs in and refreshes, and the tokens that are answered.

use std::fmt;

use doorward::TokenPair;
use doorward::email::EmailAddress;
use doorward::password::{NewPassword, Password};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{read_email, read_password};
use crate::validation::{Fields, FromFields};

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
        let email = fields.string("email", |text, loc| read_email(&text, loc));
        let password = fields.new_password("password", email.as_ref());
        Some(Self { email: email?, password: password? })
    }
}

impl FromFields for LoginRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let email = fields.string("email", |text, loc| read_email(&text, loc));
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
