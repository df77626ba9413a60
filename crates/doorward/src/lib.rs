//! Password and token authentication for a web backend.

pub mod admin;
pub mod auth;
pub mod authenticate;
pub mod clock;
pub mod email;
pub mod error;
pub mod login;
pub mod logout;
pub mod password;
pub mod random;
pub mod refresh;
pub mod register;
pub mod revocation;
pub mod role;
pub mod session;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod user;

pub use auth::{Auth, TokenPair};
pub use authenticate::{AuthenticateError, Identity};
pub use clock::{Clock, SystemClock, Timestamp};
pub use email::EmailAddress;
pub use error::Fault;
pub use password::{hash_password, verify_password};
pub use role::Role;
pub use store::{Store, StoreError};
pub use token::access::{create_access_token, decode_access_token};
pub use token::refresh::generate_refresh_token;
pub use user::{User, UserId};
