//! For tests of an application that embeds Doorward: people who log in in one line, a clock that the test owns, and
//! the mail that people got. A *dev-dependency*.
//!
//! ```
//! use doorward_testing::TestAuth;
//! use std::time::Duration;
//!
//! # pollster::block_on(async {
//! let service = TestAuth::new();
//! // Hand `service.auth()` to the application's own router, then:
//! let ada = service.log_in("ada@example.com").await;
//! assert!(ada.bearer().starts_with("Bearer ey"));
//! assert_eq!(service.auth().authenticate(ada.access_token()).await?.user_id, ada.id());
//!
//! service.clock().advance(Duration::from_secs(15 * 60));
//! assert!(service.auth().authenticate(ada.access_token()).await.is_err());
//! # Ok::<(), doorward::AuthenticateError>(())
//! # }).unwrap();
//! ```
//!
//! Everything is real but three things: the store is in memory, a hash costs next to nothing, and nobody is limited.
//! [`TestAuth::with`] changes that. Nothing here can be switched on in a service: it is a crate of its own, without a
//! setting, a variable or a route, on which the server does not depend; a test looks.

mod mail;
mod person;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use doorward::password::{HashParameters, HashingPool, PoolSettings};
use doorward::testing::{MemoryStore, TestClock, block_on};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Auth, Clock, Store};

pub use doorward::letter::{Letter, LetterContent};
pub use doorward::testing::Authenticator;
pub use person::{PASSWORD, Person};

/// A secret for tests: published here, and so worth nothing.
const SECRET: &str = "testing-only-q7Xv2Lm9Rk4Tz8Wb3Nc6Yd1Hs5";

/// An [`Auth`] in a test's hands.
///
/// Its methods panic where a test would: what they ask for can't be refused to people whom the test made.
pub struct TestAuth {
    auth: Arc<Auth>,
    clock: Arc<TestClock>,
    store: Arc<dyn Store>,
    /// What was taken out of the outbox and not given to the test yet.
    mailbox: Mutex<Vec<Letter>>,
}

impl fmt::Debug for TestAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TestAuth").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl TestAuth {
    /// On a store in memory, hashing cheaply, without limits; the clock stands at 2027-01-15T08:00:00Z.
    pub fn new() -> Self {
        Self::with(|auth| auth)
    }

    /// The same, and with what `finish` says: other rules, a clock's own limits.
    pub fn with(finish: impl FnOnce(Auth) -> Auth) -> Self {
        Self::on(Arc::new(MemoryStore::new()), finish)
    }

    /// The same on another store, which must serve without this thread's doing: in memory or SQLite.
    #[expect(clippy::expect_used, reason = "for tests: its failures are panics")]
    pub fn on(store: Arc<dyn Store>, finish: impl FnOnce(Auth) -> Auth) -> Self {
        let parameters = HashParameters::new(8, 1, 1).expect("the least that Argon2id takes");
        let settings = PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(parameters) };
        let pool = HashingPool::start(settings).expect("a thread can be started");
        let keyring = Keyring::new(SecretKey::new(SECRET).expect("it is long and varied"), Vec::new());
        let clock = Arc::new(TestClock::default());
        let auth = block_on(Auth::open(Arc::clone(&store), pool, keyring))
            .expect("the store serves")
            .with_clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .danger_without_limits();
        Self { auth: Arc::new(finish(auth)), clock, store, mailbox: Mutex::default() }
    }

    /// What the application is given.
    pub fn auth(&self) -> Arc<Auth> {
        Arc::clone(&self.auth)
    }

    /// The clock. It stands still until it is moved.
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// The store behind it, to look at.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }
}

impl Default for TestAuth {
    fn default() -> Self {
        Self::new()
    }
}
