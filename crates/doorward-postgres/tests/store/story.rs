//! What the tests are told with: people, tokens, and what others do to the database meanwhile.

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
use doorward_postgres::{PostgresOptions, PostgresStore};
use tokio_postgres::Client;

use crate::cluster::Fresh;

pub(crate) const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(crate) async fn open(database: &Fresh) -> PostgresStore {
    open_with(database, PostgresOptions::default()).await
}

pub(crate) async fn open_with(database: &Fresh, options: PostgresOptions) -> PostgresStore {
    PostgresStore::open(database.url(), options).await.unwrap()
}

pub(crate) fn new_user(name: &str) -> NewUser {
    NewUser {
        email: EmailAddress::parse(&format!("{name}@example.com")).unwrap(),
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
        device: Some("Firefox on Linux".to_owned()),
        address: Some([192, 0, 2, 7].into()),
    };
    (session, token)
}

pub(crate) async fn register(store: &PostgresStore, name: &str) -> (User, RefreshToken) {
    let (session, token) = new_session();
    match store.create_user(new_user(name), Some(session), no_record()).await.unwrap() {
        UserCreation::Created(user) => (user, token),
        UserCreation::AddressTaken => panic!("the address is taken"),
    }
}

/// Presents a token one second after the start; a window of zero means that a spent one is theft.
pub(crate) async fn present(
    store: &PostgresStore,
    token: &RefreshToken,
    reuse_grace: Duration,
) -> (Rotation, RefreshToken) {
    let successor = token.successor().unwrap();
    let attempt = RotationAttempt {
        handle: token.handle(),
        presented: token.hash(),
        successor: successor.hash(),
        sealed_successor: (!reuse_grace.is_zero()).then(|| token.seal(&successor)),
        now: START.plus(Duration::from_secs(1)),
        address: Some([192, 0, 2, 8].into()),
        on_reuse: no_record(),
        rules: RefreshRules { lifetime: WEEK, reuse_grace, ..RefreshRules::default() },
    };
    (store.rotate_session(attempt).await.unwrap(), successor)
}

pub(crate) fn is_unavailable<T>(result: &StoreResult<T>) -> bool {
    matches!(result, Err(StoreError::Unavailable(_)))
}

/// Waits until as many of the database's connections stand before somebody's lock.
pub(crate) async fn until_waiting(observer: &Client, connections: i64) {
    let waiting = "
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while count(observer, waiting).await < connections {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn count(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}
