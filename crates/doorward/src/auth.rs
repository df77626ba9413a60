//! [`Auth`]: the entry point that holds store, hashing pool, keyring, clock and rules.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::Fault;
use crate::limits::Limits;
use crate::password::HashingPool;
use crate::revocation::Revocations;
use crate::role::Role;
use crate::session::{NewSession, RefreshRules, SessionId};
use crate::store::Store;
use crate::token::access::{AccessToken, AccessTokenRules, Subject, create_access_token};
use crate::token::keyring::Keyring;
use crate::token::refresh::{RefreshToken, generate_refresh_token};
use crate::user::UserId;

/// How much longer than an access token lives the record of an ending is kept, for clocks that disagree.
const ENDING_MARGIN: Duration = Duration::from_secs(60 * 60);
/// How long an expired session is kept, for clocks that jump.
const SESSION_MARGIN: Duration = Duration::from_secs(24 * 60 * 60);
/// How many rows one step of [`Auth::purge`] removes.
const PURGE_BATCH: u32 = 500;
/// How many limits one step of [`Auth::purge`] forgets: they are small and nobody waits for them.
const LIMIT_PURGE_BATCH: u32 = 5_000;

/// Everything an application does about passwords and tokens.
///
/// Share one behind an [`Arc`]. The use cases are methods: [`register`](Self::register),
/// [`login`](Self::login), [`refresh`](Self::refresh), [`logout`](Self::logout),
/// [`authenticate`](Self::authenticate), and the administrator's.
#[derive(Debug)]
pub struct Auth {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) pool: HashingPool,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) access_rules: AccessTokenRules,
    pub(crate) refresh_rules: RefreshRules,
    pub(crate) revocations: Revocations,
    pub(crate) limits: Limits,
}

impl Auth {
    /// Authentication on `store`, hashing in `pool`, signing with `keyring`; the machine's clock and the
    /// default rules (15 minutes, 7 days, the limits of [`LimitRules`](crate::limits::LimitRules)).
    pub fn new(store: Arc<dyn Store>, pool: HashingPool, keyring: Keyring) -> Self {
        Self {
            limits: Limits::new(&keyring),
            store,
            pool,
            keyring,
            clock: Arc::new(SystemClock),
            access_rules: AccessTokenRules::default(),
            refresh_rules: RefreshRules::default(),
            revocations: Revocations::default(),
        }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The same with other rules for access tokens.
    #[must_use]
    pub fn with_access_token_rules(self, access_rules: AccessTokenRules) -> Self {
        Self { access_rules, ..self }
    }

    /// The same with other rules for refresh tokens.
    #[must_use]
    pub fn with_refresh_rules(self, refresh_rules: RefreshRules) -> Self {
        Self { refresh_rules, ..self }
    }

    /// The same remembering that many endings at most; a million unless said otherwise. When more than
    /// that end within an access token's life, the store is asked about the older tokens.
    #[must_use]
    pub fn with_remembered_endings(self, limit: usize) -> Self {
        Self { revocations: Revocations::bounded(limit), ..self }
    }

    /// The pool that hashes, for its figures.
    pub const fn hashing_pool(&self) -> &HashingPool {
        &self.pool
    }

    /// Whether the store can serve, and every recent ending is known here.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] when the store can't serve, or can't say what ended within the last second.
    pub async fn check(&self) -> Result<Readiness, Fault> {
        self.store.check().await?;
        let (now, lifetime) = (self.clock.now(), self.access_rules.lifetime);
        self.revocations.keep_current(&*self.store, now, lifetime).await?;
        let is_complete = self.revocations.is_complete(now, lifetime);
        Ok(if is_complete { Readiness::Ready } else { Readiness::AskingStore })
    }

    /// Removes one batch of what is long dead: expired sessions, endings that no living token is older than,
    /// and limits that remember nothing any more.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] when the store can't serve.
    pub async fn purge(&self) -> Result<Purged, Fault> {
        let now = self.clock.now();
        let endings_before = now.minus(self.access_rules.lifetime).minus(ENDING_MARGIN);
        let rows = self.store.purge(now.minus(SESSION_MARGIN), endings_before, PURGE_BATCH).await?;
        let limits = self.store.purge_limits(now, LIMIT_PURGE_BATCH).await?;
        let is_done = rows < u64::from(PURGE_BATCH) && limits < u64::from(LIMIT_PURGE_BATCH);
        Ok(Purged { rows: rows + limits, is_done })
    }

    /// Finishes what was accepted and closes the store.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// A new session and its first refresh token.
    pub(crate) fn new_session(&self, now: Timestamp) -> Result<(NewSession, RefreshToken), Fault> {
        let token = generate_refresh_token()?;
        let session = NewSession {
            id: SessionId::generate()?,
            handle: token.handle(),
            current: token.hash(),
            created_at: now,
            expires_at: now.plus(self.refresh_rules.lifetime),
        };
        Ok((session, token))
    }

    /// The pair a client gets: a fresh access token beside `refresh_token`.
    pub(crate) fn token_pair(
        &self,
        refresh_token: RefreshToken,
        (user_id, role, session): (UserId, Role, SessionId),
        now: Timestamp,
    ) -> Result<TokenPair, Fault> {
        let subject = Subject { user_id, role, session: Some(session) };
        let access_token = create_access_token(subject, &self.keyring, &self.access_rules, now)?;
        Ok(TokenPair { access_token, refresh_token, expires_in: self.access_rules.lifetime })
    }
}

/// What a step of [`Auth::purge`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// How many rows went.
    pub rows: u64,
    /// Whether nothing dead is left; otherwise call again.
    pub is_done: bool,
}

/// How well a process can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Fully.
    Ready,
    /// Fully, but slower: more has ended than is remembered, and the store is asked about older tokens.
    AskingStore,
}

/// What a client gets for a password or a refresh token.
#[derive(Debug)]
pub struct TokenPair {
    /// Proves who asks, for minutes.
    pub access_token: AccessToken,
    /// Gets the next pair, once.
    pub refresh_token: RefreshToken,
    /// How long the access token is good.
    pub expires_in: Duration,
}
