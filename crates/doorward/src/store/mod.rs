//! The port to storage: whole operations that are never half done.
//!
//! A store loads, the domain decides, the store applies: in one atomic step, durable before the method returns. For
//! a refresh token the store itself calls [`session::decide`](crate::session::decide) between its read and its write;
//! for an account the use case decides and hands over an [`Amendment`], which is applied if nothing was changed since
//! (`docs/decisions/0011`). `testing::contract` is the suite that every store must pass.

pub mod data_keys;
pub mod limits;

use std::error::Error;
use std::fmt::Debug;

use uuid::Uuid;

pub use self::data_keys::DataKeyStore;
pub use self::limits::LimitStore;
use crate::account::{Account, Amended, Amendment, Erasure, Record};
use crate::audit::{Event, EventQuery};
use crate::clock::Timestamp;
use crate::email::EmailAddress;
use crate::outbox::{Delivery, Message, OutboxStatistics, Taking};
use crate::password::PasswordHash;
use crate::revocation::{Ending, EndingPosition, Epoch};
use crate::role::Role;
use crate::session::{EndReason, NewSession, RotationAttempt, Session, SessionId};
use crate::token::refresh::{SealedSecret, SessionHandle};
use crate::user::{CredentialVersion, NewUser, User, UserId};

/// Why an operation could not be done. Nothing of it has happened, or its outcome is unknown and the
/// caller must not report success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database cannot serve now: busy, full, read-only, unreachable, or closed.
    #[error("the store is unavailable: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Others kept changing the same account or session. Nothing is wrong with the store, and nobody else meets it.
    #[error("others kept changing the same account or session")]
    Contended,
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

/// How many sessions [`Store::list_sessions`] gives at most.
pub const SESSIONS_AT_ONCE: usize = 200;

/// How many sessions of one account live at once. Whoever knows its password could open them without end otherwise, and
/// each is a row that is ended with the account.
pub const SESSIONS_OF_AN_ACCOUNT: usize = 100;

/// Keeps accounts, sessions, events, messages and data keys.
#[async_trait::async_trait]
pub trait Store: LimitStore + OutboxStore + DataKeyStore + Debug + Send + Sync {
    /// Makes an account and, with it, its first session when one is given. The record's events and messages are the
    /// new account's, and its events the new session's.
    async fn create_user(
        &self,
        user: NewUser,
        session: Option<NewSession>,
        record: Record,
    ) -> StoreResult<UserCreation>;

    /// What everybody may see of the account of that number.
    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>>;

    /// The account of that number.
    async fn find_account(&self, id: UserId) -> StoreResult<Option<Account>>;

    /// The account of that address: what a login is checked against.
    async fn find_account_by_email(&self, email: &EmailAddress) -> StoreResult<Option<Account>>;

    /// Writes an account anew, if it still is of the revision that was read, together with what goes with it.
    async fn amend_account(&self, amendment: Amendment) -> StoreResult<Amended>;

    /// Removes an account and its sessions, if it still is of the revision that was read. Its events stay, without
    /// address, client and details. Every session that lived has an ending, and so has the account.
    async fn erase_account(&self, erasure: Erasure) -> StoreResult<Amended>;

    /// Opens a session for a user whose password was just verified, unless the account was deactivated
    /// or a credential changed meanwhile. A rehashed password and the record are written in the same step. Past
    /// [`SESSIONS_OF_AN_ACCOUNT`] that live, those end ([`Revoked`](EndReason::Revoked)) that were not used for longest.
    async fn open_session(
        &self,
        login: VerifiedLogin,
        session: NewSession,
        record: Record,
    ) -> StoreResult<SessionOpening>;

    /// Carries out what [`session::decide`](crate::session::decide) says of a presented refresh token. On reuse the
    /// attempt's record is written with the session's end.
    async fn rotate_session(&self, attempt: RotationAttempt) -> StoreResult<Rotation>;

    /// Ends the session of that handle if it lives, and writes the record; gives its id and whose it was when it did.
    async fn end_session(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        record: Record,
        now: Timestamp,
    ) -> StoreResult<Option<(SessionId, UserId)>>;

    /// The sessions of that user that live at `now`, the one used last first, [`SESSIONS_AT_ONCE`] at most.
    async fn list_sessions(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>>;

    /// That session of that user, alive or not.
    async fn find_session(&self, user: UserId, session: SessionId) -> StoreResult<Option<Session>>;

    /// A page of the users that match, newest first.
    async fn list_users(&self, query: UserQuery) -> StoreResult<UserPage>;

    /// The events that match, the latest first.
    async fn list_events(&self, query: EventQuery) -> StoreResult<Vec<Event>>;

    /// Which history this store tells: another when its file was exchanged, when it was restored from a copy, or when
    /// another server took its place that may not have all that this one had.
    async fn epoch(&self) -> StoreResult<Epoch>;

    /// The endings recorded after `position`, oldest first and [`ENDINGS_AT_ONCE`] at most, and the position to go on
    /// from. That is less than `position` where the store has never given as far: it is not the store any more that
    /// `position` was read of, but was restored from a copy or exchanged for one.
    async fn endings_after(&self, position: EndingPosition) -> StoreResult<(Vec<Ending>, EndingPosition)>;

    /// The endings of that user and of that session that are still recorded, oldest first.
    async fn endings_of(&self, user: UserId, session: Option<SessionId>) -> StoreResult<Vec<Ending>>;

    /// A number that changes when the store has heard that another process recorded an ending. It may be
    /// late, or never change: it only shortens the wait.
    fn ending_hints(&self) -> u64 {
        0
    }

    /// Removes what is long dead, up to so many rows of each kind; says how many rows went. None go while another
    /// process keeps house.
    async fn purge(&self, bounds: PurgeBounds) -> StoreResult<u64>;

    /// `Ok` when the store can both read and write.
    async fn check(&self) -> StoreResult<()>;

    /// Finishes what was accepted and lets go of the database. Later operations are refused.
    async fn close(&self);
}

/// Keeps what is to be sent.
#[async_trait::async_trait]
pub trait OutboxStore: Debug + Send + Sync {
    /// Writes events and messages that go with no other change. They are about `user`, when it is given.
    async fn record(&self, user: Option<UserId>, record: Record) -> StoreResult<()>;

    /// Takes messages that are due, the oldest first: each goes to one caller until its lease ends, however many ask
    /// at once.
    async fn take_messages(&self, taking: Taking) -> StoreResult<Vec<Message>>;

    /// Says how the delivery of a message went.
    async fn settle_message(&self, id: Uuid, delivery: Delivery) -> StoreResult<()>;

    /// How full the outbox is.
    async fn outbox_statistics(&self) -> StoreResult<OutboxStatistics>;
}

/// What [`Store::purge`] removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurgeBounds {
    /// Sessions whose refresh token expired before.
    pub sessions_before: Timestamp,
    /// Endings recorded before.
    pub endings_before: Timestamp,
    /// Events from before; `None`: none go.
    pub events_before: Option<Timestamp>,
    /// Messages abandoned before.
    pub messages_before: Timestamp,
    /// How many of each at most.
    pub limit: u32,
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

/// Which users to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserQuery {
    /// Only users of this role.
    pub role: Option<Role>,
    /// Only active or only deactivated users.
    pub is_active: Option<bool>,
    /// Only users whose address, in the form of its [key](EmailAddress::key), begins so.
    pub email_prefix: Option<String>,
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
