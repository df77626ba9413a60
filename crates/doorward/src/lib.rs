//! Password and token authentication for a web backend: Argon2id hashing that never holds up an async
//! executor, strict HS256 access tokens, rotating refresh tokens, and accounts with roles.
//!
//! No HTTP, no SQL and no async runtime is in here: `doorward-axum` has the routes, `doorward-sqlite` a
//! store. Whoever holds an [`Auth`] holds everything:
//!
//! ```
//! use std::sync::Arc;
//!
//! use doorward::password::{HashParameters, HashingPool, Password, PoolSettings};
//! use doorward::testing::MemoryStore;
//! use doorward::token::keyring::{Keyring, SecretKey};
//! use doorward::{Auth, EmailAddress, Origin};
//!
//! # pollster::block_on(async {
//! let keyring = Keyring::new(SecretKey::new("kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP")?, Vec::new());
//! let pool = HashingPool::start(PoolSettings::new(HashParameters::default()))?;
//! let auth = Auth::open(Arc::new(MemoryStore::new()), pool, keyring).await?;
//!
//! let email = EmailAddress::parse("ada@example.com")?;
//! let password = Password::new("correct horse battery staple".to_owned())?;
//! let password = auth.new_password(password, Some(&email))?;
//! let tokens = auth.register(email, &password, Origin::unknown()).await?;
//!
//! let who = auth.authenticate(tokens.access_token.reveal()).await?;
//! let next = auth.refresh(&tokens.refresh_token.reveal(), Origin::unknown()).await?;
//! auth.logout(&next.refresh_token.reveal(), Origin::unknown()).await?;
//! assert!(auth.authenticate(tokens.access_token.reveal()).await.is_err());
//! # assert_eq!(who.user_id.value(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! | looking for | look at |
//! | --- | --- |
//! | the five functions | [`hash_password`], [`verify_password`], [`create_access_token`], [`decode_access_token`], [`generate_refresh_token`] |
//! | the use cases | [`Auth`], written in [`register`], [`login`], [`refresh`], [`logout`], [`authenticate`], [`reauthenticate`], [`change_password`], [`sessions`], [`admin`] |
//! | what becomes of a refresh token | [`session::decide`] |
//! | storage | [`Store`], the port that a database implements |
//! | tests of an application | `testing`, behind the feature of that name |

mod access_refusals;
pub mod account;
pub mod account_rules;
pub mod admin;
pub mod audit;
pub mod auth;
pub mod authenticate;
pub mod change_email;
pub mod change_password;
pub mod clock;
mod clock_watch;
mod data_key;
mod delivery_watch;
mod device;
pub mod email;
pub mod erase;
pub mod error;
pub mod events;
pub mod invitation;
pub mod invite;
pub mod letter;
pub mod limits;
pub mod login;
pub mod logout;
pub mod network;
pub mod origin;
pub mod outbox;
pub mod password;
pub mod personal_data;
pub mod profile;
pub mod random;
pub mod reauthenticate;
pub mod recovery;
pub mod redemption;
pub mod refresh;
pub mod register;
pub mod revocation;
pub mod role;
mod sealing;
pub mod second_factor;
pub mod session;
pub mod sessions;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
pub mod ticket;
pub mod token;
pub mod user;
pub mod verify_email;
pub mod webhook;

pub use account::Account;
pub use account_rules::AccountRules;
pub use auth::{Auth, Purged, Readiness, TokenPair};
pub use authenticate::{AuthenticateError, Identity};
pub use clock::{Clock, SystemClock, Timestamp};
pub use data_key::{DataKeyWork, OpenError};
pub use email::EmailAddress;
pub use error::Fault;
pub use origin::{Actor, Origin};
pub use password::{hash_password, verify_password};
pub use redemption::{RedeemError, TicketProof};
pub use role::Role;
pub use store::{Store, StoreError};
pub use token::access::{create_access_token, decode_access_token};
pub use token::refresh::generate_refresh_token;
pub use user::{User, UserId};
pub use verify_email::{EmailVerification, Registrant};
