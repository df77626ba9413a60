//! [`Auth`]: the entry point that holds store, hashing pool, keyring, clock and rules.

use std::sync::Arc;
use std::time::Duration;

use crate::access_refusals::AccessRefusals;
use crate::account::{Account, Amended, Amendment, Record, SessionChange};
use crate::account_rules::AccountRules;
use crate::audit::NewEvent;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::clock_watch::ClockWatch;
use crate::data_key::DataKeys;
use crate::delivery_watch::DeliveryWatch;
use crate::device;
use crate::error::Fault;
use crate::limits::Limits;
use crate::origin::Origin;
use crate::password::{ClientOfPool, HashingPool};
use crate::revocation::Revocations;
use crate::role::Role;
use crate::session::{NewSession, RefreshRules, SessionId};
use crate::store::{PurgeBounds, Store, StoreError};
use crate::token::access::{AccessToken, AccessTokenRules, Subject, create_access_token};
use crate::token::keyring::Keyring;
use crate::token::refresh::{RefreshToken, generate_refresh_token};
use crate::user::UserId;
use crate::webhook;

/// How much longer than an access token lives the record of an ending is kept, for clocks that disagree.
const ENDING_MARGIN: Duration = Duration::from_secs(60 * 60);
/// How long an expired session is kept, for clocks that jump.
const SESSION_MARGIN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it is known that a message was abandoned.
const ABANDONED_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often an account may change between the look at it and the step that was decided on.
pub(crate) const LOOKS: usize = 16;
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
    pub(crate) data_keys: DataKeys,
    pub(crate) clock: Arc<dyn Clock>,
    clock_watch: ClockWatch,
    pub(crate) access_rules: AccessTokenRules,
    pub(crate) refresh_rules: RefreshRules,
    pub(crate) revocations: Revocations,
    pub(crate) limits: Limits,
    pub(crate) account_rules: AccountRules,
    pub(crate) access_refusals: AccessRefusals,
    events_kept: Option<Duration>,
    sends_webhooks: bool,
    delivery: DeliveryWatch,
}

impl Auth {
    pub(crate) fn of_parts(store: Arc<dyn Store>, pool: HashingPool, keyring: Keyring, data_keys: DataKeys) -> Self {
        Self {
            limits: Limits::default(),
            store,
            pool,
            keyring,
            data_keys,
            clock: Arc::new(SystemClock),
            clock_watch: ClockWatch::on(&SystemClock),
            access_rules: AccessTokenRules::default(),
            refresh_rules: RefreshRules::default(),
            revocations: Revocations::default(),
            account_rules: AccountRules::default(),
            access_refusals: AccessRefusals::default(),
            events_kept: None,
            sends_webhooks: false,
            delivery: DeliveryWatch::default(),
        }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock_watch: ClockWatch::on(&*clock), clock, ..self }
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

    /// The same keeping events that long; otherwise they are kept for ever.
    #[must_use]
    pub fn with_events_kept(self, events_kept: Option<Duration>) -> Self {
        Self { events_kept, ..self }
    }

    /// The same writing every event into the outbox, too, for a worker that delivers webhooks.
    #[must_use]
    pub fn with_webhooks(self) -> Self {
        Self { sends_webhooks: true, ..self }
    }

    /// Says that somebody delivers what is in the outbox, in this process or another. A worker says so itself. As long as
    /// nobody does, the first letter that is written is warned of in the log (`nobody_delivers`).
    pub fn promise_delivery(&self) {
        self.delivery.promise();
    }

    /// Whether somebody has said that what is in the outbox is delivered.
    pub fn is_delivery_promised(&self) -> bool {
        self.delivery.is_promised()
    }

    /// For each message that is written for people.
    pub(crate) fn expect_delivery(&self) {
        self.delivery.expect();
    }

    /// The present moment by the clock that everything here goes by.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
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
        let (now, lifetime) = (self.clock.now(), self.access_rules.accepted_for());
        self.revocations.keep_current(&*self.store, now, lifetime).await?;
        let is_complete = self.revocations.is_complete(now, lifetime);
        Ok(if is_complete { Readiness::Ready } else { Readiness::AskingStore })
    }

    /// Removes one batch of what is long dead: expired sessions, endings that no living token is older than,
    /// and limits that remember nothing any more. Nothing in the first half minute, nor while the clock is not where it
    /// should be by the time that has passed.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] when the store can't serve.
    pub async fn purge(&self) -> Result<Purged, Fault> {
        if !self.clock_watch.trusts(&*self.clock) {
            return Ok(Purged { rows: 0, is_done: true });
        }
        let now = self.clock.now();
        let endings_before = now.minus(self.access_rules.accepted_for()).minus(ENDING_MARGIN);
        let bounds = PurgeBounds {
            sessions_before: now.minus(SESSION_MARGIN),
            endings_before,
            events_before: self.events_kept.map(|kept| now.minus(kept)),
            messages_before: now.minus(ABANDONED_KEPT),
            limit: PURGE_BATCH,
        };
        let rows = self.store.purge(bounds).await?;
        let limits = self.store.purge_limits(now, LIMIT_PURGE_BATCH).await?;
        let is_done = rows < u64::from(PURGE_BATCH) && limits < u64::from(LIMIT_PURGE_BATCH);
        Ok(Purged { rows: rows + limits, is_done })
    }

    /// Finishes what was accepted and closes the store.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// The hashing threads, for whoever asks from there.
    pub(crate) fn pool_for(&self, origin: Origin<'_>) -> ClientOfPool<'_> {
        self.pool.for_client(origin.address)
    }

    /// A new session and its first refresh token.
    pub(crate) fn new_session(&self, origin: Origin<'_>, now: Timestamp) -> Result<(NewSession, RefreshToken), Fault> {
        let token = generate_refresh_token()?;
        let session = NewSession {
            id: SessionId::generate()?,
            handle: token.handle(),
            current: token.hash(),
            created_at: now,
            expires_at: self.refresh_rules.expiry(now, now),
            device: device::label(origin.user_agent),
            address: origin.address,
        };
        Ok((session, token))
    }

    /// What is recorded of these events: they themselves and, where webhooks are sent, a message each.
    pub(crate) fn record(&self, events: impl Into<Vec<NewEvent>>) -> Result<Record, Fault> {
        let events = events.into();
        let mut messages = Vec::new();
        if self.sends_webhooks {
            for event in &events {
                messages.push(webhook::message(event, &self.sealer())?);
            }
        }
        Ok(Record { events, messages })
    }

    /// Records an event that goes with no other change.
    pub(crate) async fn record_event(&self, user: Option<UserId>, event: NewEvent) -> Result<(), Fault> {
        self.store.record(user, self.record([event.clone()])?).await?;
        event.log(user);
        Ok(())
    }

    /// Changes an account as `decide` says, in one atomic step; looks and decides again when somebody else was faster.
    /// `decide` gives the change, or none, and what is made of it.
    pub(crate) async fn amend<T, E>(
        &self,
        id: UserId,
        mut decide: impl FnMut(&Account) -> Result<(Option<Amendment>, T), E>,
    ) -> Result<T, E>
    where
        E: From<Fault> + From<AmendRefusal>,
    {
        for _ in 0..LOOKS {
            let account = self.store.find_account(id).await.map_err(Fault::from)?;
            let account = account.ok_or(AmendRefusal::NotFound)?;
            let (amendment, outcome) = decide(&account)?;
            let Some(amendment) = amendment else { return Ok(outcome) };
            match self.carry_out(amendment).await? {
                Amended::Done => return Ok(outcome),
                Amended::Stale => {}
                Amended::AddressTaken => return Err(AmendRefusal::AddressTaken.into()),
                Amended::LastAdmin => return Err(AmendRefusal::LastAdmin.into()),
            }
        }
        Err(Fault::from(StoreError::Contended).into())
    }

    /// Hands a change to the store. When it is done, it is logged, and what it ended is known here.
    pub(crate) async fn carry_out(&self, amendment: Amendment) -> Result<Amended, Fault> {
        let (id, events) = (amendment.account.user.id, amendment.record.events.clone());
        let ends_something = !amendment.endings.is_empty() || amendment.sessions != SessionChange::Keep;
        let amended = self.store.amend_account(amendment).await?;
        if amended == Amended::Done {
            events.iter().for_each(|event| event.log(Some(id)));
            if ends_something {
                self.learn_endings().await;
            }
        }
        Ok(amended)
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

/// Why an account was not changed, whatever the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AmendRefusal {
    /// No such account.
    #[error("user not found")]
    NotFound,
    /// Another account has the address.
    #[error("the address is already registered")]
    AddressTaken,
    /// There is no other active administrator.
    #[error("the last administrator can't be lost")]
    LastAdmin,
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
