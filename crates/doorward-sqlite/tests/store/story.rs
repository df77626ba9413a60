//! What the tests are told with: a folder with a database, people, tokens, and futures begun but not awaited.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::password::PasswordHash;
use doorward::session::{NewSession, RefreshRules, RotationAttempt, SessionId};
use doorward::store::{Rotation, StoreResult, UserCreation};
use doorward::testing::amending::no_record;
use doorward::token::refresh::{RefreshToken, generate_refresh_token};
use doorward::user::{NewUser, User};
use doorward::{Role, Store, StoreError};
use doorward_sqlite::{SqliteOptions, SqliteStore};
use pollster::block_on;
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("doorward.db")
    }

    pub(crate) fn open(&self) -> SqliteStore {
        self.open_with(SqliteOptions::default())
    }

    pub(crate) fn open_with(&self, options: SqliteOptions) -> SqliteStore {
        SqliteStore::open(&self.path(), options).unwrap()
    }

    /// A connection of somebody else's.
    pub(crate) fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// Somebody else who holds the database until dropped.
    pub(crate) fn occupied(&self) -> Connection {
        let connection = self.connection();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }
}

/// Waits longer for an occupied database than any test lasts.
pub(crate) fn patient() -> SqliteOptions {
    SqliteOptions { busy_timeout: Duration::from_secs(120), ..SqliteOptions::default() }
}

pub(crate) fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

pub(crate) fn address(name: impl std::fmt::Display) -> EmailAddress {
    EmailAddress::parse(&format!("{name}@example.com")).unwrap()
}

pub(crate) fn new_user(name: impl std::fmt::Display) -> NewUser {
    NewUser {
        email: address(name),
        password_hash: PasswordHash::from_stored("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$dGFn"),
        full_name: None,
        role: Role::User,
        email_verified_at: None,
        tickets: Vec::new(),
        created_at: START,
    }
}

pub(crate) fn new_session() -> (NewSession, RefreshToken) {
    let token = generate_refresh_token().unwrap();
    let session = NewSession {
        id: SessionId::generate().unwrap(),
        handle: token.handle(),
        current: token.hash(),
        created_at: START,
        expires_at: START.plus(WEEK),
        device: None,
        address: None,
    };
    (session, token)
}

pub(crate) fn register(store: &SqliteStore, name: impl std::fmt::Display) -> (User, RefreshToken) {
    let (session, token) = new_session();
    match block_on(store.create_user(new_user(name), Some(session), no_record())).unwrap() {
        UserCreation::Created(user) => (user, token),
        UserCreation::AddressTaken => panic!("the address is taken"),
    }
}

pub(crate) fn attempt(token: &RefreshToken, now: Timestamp) -> (RotationAttempt, RefreshToken) {
    let successor = token.successor().unwrap();
    let attempt = RotationAttempt {
        handle: token.handle(),
        presented: token.hash(),
        successor: successor.hash(),
        sealed_successor: None,
        now,
        address: None,
        on_reuse: no_record(),
        rules: RefreshRules::default(),
    };
    (attempt, successor)
}

pub(crate) fn present(store: &SqliteStore, token: &RefreshToken, now: Timestamp) -> (Rotation, RefreshToken) {
    let (attempt, successor) = attempt(token, now);
    (block_on(store.rotate_session(attempt)).unwrap(), successor)
}

pub(crate) fn is_unavailable<T>(result: &StoreResult<T>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}

/// Lets a future run until it waits: its operation is in the store's queue then.
pub(crate) fn begin<F: Future>(future: F) -> (Pin<Box<F>>, Poll<F::Output>) {
    let mut future = Box::pin(future);
    let progress = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    (future, progress)
}

/// Begins what must wait.
pub(crate) fn begin_waiting<F: Future>(future: F) -> Pin<Box<F>> {
    let (future, progress) = begin(future);
    assert!(progress.is_pending());
    future
}
