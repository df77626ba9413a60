//! The port to storage: whole operations that are never half done.
//!
//! A store loads, the domain decides ([`session::decide`](crate::session::decide),
//! [`user::decide_activation`](crate::user::decide_activation)), the store applies: in one atomic step,
//! durable before the method returns. `testing::contract` is the suite that every store must pass.

pub mod limits;

use std::error::Error;
use std::fmt::Debug;

pub use self::limits::LimitStore;
use crate::clock::Timestamp;
use crate::email::EmailAddress;
use crate::password::PasswordHash;
use crate::revocation::{Ending, EndingPosition};
use crate::role::Role;
use crate::session::{EndReason, NewSession, RotationAttempt, SessionId};
use crate::token::refresh::{SealedSecret, SessionHandle};
use crate::user::{Credential, CredentialVersion, NewUser, User, UserId};

/// Why an operation could not be done. Nothing of it has happened, or its outcome is unknown and the
/// caller must not report success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database cannot serve now: busy, full, read-only, unreachable, or closed.
    #[error("the store is unavailable: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// More is waiting than the store will hold.
    #[error("too many operations are waiting for the store")]
    Overloaded,
}

impl StoreError {
    /// [`StoreError::Unavailable`] with its cause, which goes to the log and never to a client.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }
}

/// The result of a store's operation.
pub type StoreResult<T> = Result<T, StoreError>;

/// How many endings [`Store::endings_after`] gives at most.
pub const ENDINGS_AT_ONCE: usize = 1_000;

/// Keeps users and sessions.
#[async_trait::async_trait]
pub trait Store: LimitStore + Debug + Send + Sync {
    /// Makes an account and, with it, its first session when one is given.
    async fn create_user(&self, user: NewUser, session: Option<NewSession>) -> StoreResult<UserCreation>;

    /// What a login with this address is checked against.
    async fn find_credential(&self, email: &EmailAddress) -> StoreResult<Option<Credential>>;

    /// The account of that number.
    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>>;

    /// Opens a session for a user whose password was just verified, unless the account was deactivated
    /// or the password changed meanwhile. A rehashed password is stored in the same step.
    async fn open_session(&self, login: VerifiedLogin, session: NewSession) -> StoreResult<SessionOpening>;

    /// Carries out what [`session::decide`](crate::session::decide) says of a presented refresh token.
    async fn rotate_session(&self, attempt: RotationAttempt) -> StoreResult<Rotation>;

    /// Ends the session of that handle if it lives; gives its id when it did.
    async fn end_session(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> StoreResult<Option<SessionId>>;

    /// Switches an account on or off as [`user::decide_activation`](crate::user::decide_activation) says.
    /// Switching off ends every session of the user in the same step.
    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> StoreResult<Activation>;

    /// Gives a user another role; the account as it is then, or `None` when there is no such user.
    async fn set_role(&self, id: UserId, role: Role, now: Timestamp) -> StoreResult<Option<User>>;

    /// A page of the users that match, newest first.
    async fn list_users(&self, query: UserQuery) -> StoreResult<UserPage>;

    /// The endings recorded after `position`, oldest first and [`ENDINGS_AT_ONCE`] at most, and the
    /// position to go on from.
    async fn endings_after(&self, position: EndingPosition) -> StoreResult<(Vec<Ending>, EndingPosition)>;

    /// The endings of that user and of that session that are still recorded, oldest first.
    async fn endings_of(&self, user: UserId, session: Option<SessionId>) -> StoreResult<Vec<Ending>>;

    /// A number that changes when the store has heard that another process recorded an ending. It may be
    /// late, or never change: it only shortens the wait.
    fn ending_hints(&self) -> u64 {
        0
    }

    /// Removes up to `limit` sessions whose refresh token expired before `sessions_before`, and up to as
    /// many endings from before `endings_before`; says how many rows went. None go while another process
    /// keeps house.
    async fn purge(&self, sessions_before: Timestamp, endings_before: Timestamp, limit: u32) -> StoreResult<u64>;

    /// `Ok` when the store can both read and write.
    async fn check(&self) -> StoreResult<()>;

    /// Finishes what was accepted and lets go of the database. Later operations are refused.
    async fn close(&self);
}

/// What became of [`Store::create_user`].
#[derive(Debug)]
pub enum UserCreation {
    /// The account stands.
    Created(User),
    /// Another account has the address.
    AddressTaken,
}

/// Whose password was verified, against which version of it.
#[derive(Debug, Clone)]
pub struct VerifiedLogin {
    /// The user.
    pub user_id: UserId,
    /// The version that the password was checked against.
    pub version: CredentialVersion,
    /// The same password hashed anew, when the stored hash was weaker than today's parameters.
    pub upgraded_hash: Option<PasswordHash>,
}

/// What became of [`Store::open_session`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionOpening {
    /// The session is open; the role is the user's present one.
    Opened(Role),
    /// The account was deactivated meanwhile.
    UserInactive,
    /// The password was changed meanwhile, or the user is gone.
    CredentialChanged,
}

/// What became of [`Store::rotate_session`].
#[derive(Debug)]
pub enum Rotation {
    /// The presented token is spent, its successor stored.
    Rotated {
        /// Which session.
        session: SessionId,
        /// Whose.
        user_id: UserId,
        /// The user's present role.
        role: Role,
    },
    /// Nothing changed; the successor given before is to be given again.
    Repeated {
        /// Which session.
        session: SessionId,
        /// Whose.
        user_id: UserId,
        /// The user's present role.
        role: Role,
        /// The successor, sealed under the presented token.
        sealed_successor: SealedSecret,
    },
    /// A spent token came back; the session's end is on disk.
    Reused {
        /// Which session ended.
        session: SessionId,
        /// Whose.
        user_id: UserId,
    },
    /// The account is deactivated.
    UserInactive,
    /// No such session, or it is over.
    Invalid,
}

/// What became of [`Store::set_active`].
#[derive(Debug)]
pub enum Activation {
    /// The account is as asked for; this is how it stands now.
    Done(User),
    /// Administrators are not deactivated.
    RefusedAdmin,
    /// No such user.
    NotFound,
}

/// Which users to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserQuery {
    /// Only users of this role.
    pub role: Option<Role>,
    /// Only active or only deactivated users.
    pub is_active: Option<bool>,
    /// How many matching users to pass over.
    pub offset: u64,
    /// How many to return at most.
    pub limit: u32,
}

/// A page of users.
#[derive(Debug)]
pub struct UserPage {
    /// The users of the page.
    pub users: Vec<User>,
    /// How many users match on all pages together.
    pub total: u64,
}
