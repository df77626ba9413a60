//! The way from a node to the store: it may be cut, and an answer may get lost on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use doorward::account::{Account, Amended, Amendment, Erasure, Record};
use doorward::audit::{Event, EventQuery};
use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::outbox::{Delivery, Message, OutboxStatistics, Taking};
use doorward::revocation::{Ending, EndingPosition, Epoch};
use doorward::session::{EndReason, NewSession, RotationAttempt, Session, SessionId};
use doorward::store::data_keys::{DataKeyStore, Neighbours, StoredDataKey};
use doorward::store::limits::{Admittance, ChargedAttempt, LimitStore, Settlement};
use doorward::store::{
    OutboxStore, PurgeBounds, Rotation, SessionOpening, StoreResult, UserCreation, UserPage, UserQuery, VerifiedLogin,
};
use doorward::testing::MemoryStore;
use doorward::token::refresh::SessionHandle;
use doorward::user::{NewUser, User, UserId};
use doorward::{Store, StoreError};
use uuid::Uuid;

/// A store as one node reaches it.
#[derive(Debug)]
pub(crate) struct Link {
    store: Arc<MemoryStore>,
    is_cut: AtomicBool,
    loses_writes: AtomicBool,
}

impl Link {
    pub(crate) const fn to(store: Arc<MemoryStore>) -> Self {
        Self { store, is_cut: AtomicBool::new(false), loses_writes: AtomicBool::new(false) }
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }

    /// Is whole while a process starts: one that doesn't reach the store ends, and is started again until it does.
    pub(crate) fn whole_for<T>(&self, start: impl FnOnce() -> T) -> T {
        let was = [&self.is_cut, &self.loses_writes].map(|fault| fault.swap(false, Ordering::Relaxed));
        let started = start();
        self.is_cut.store(was[0], Ordering::Relaxed);
        self.loses_writes.store(was[1], Ordering::Relaxed);
        started
    }

    /// Whether what is written is done, and the node told that it wasn't.
    pub(crate) fn lose_writes(&self, loses: bool) {
        self.loses_writes.store(loses, Ordering::Relaxed);
    }

    fn ask(&self) -> StoreResult<&MemoryStore> {
        if self.is_cut() { Err(StoreError::unavailable("the link is cut")) } else { Ok(&self.store) }
    }

    fn wrote<T>(&self, answer: StoreResult<T>) -> StoreResult<T> {
        if self.loses_writes.load(Ordering::Relaxed) {
            return Err(StoreError::unavailable("the answer got lost"));
        }
        answer
    }
}

#[async_trait]
impl Store for Link {
    async fn create_user(
        &self,
        user: NewUser,
        session: Option<NewSession>,
        record: Record,
    ) -> StoreResult<UserCreation> {
        self.wrote(self.ask()?.create_user(user, session, record).await)
    }

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>> {
        self.ask()?.find_user(id).await
    }

    async fn find_account(&self, id: UserId) -> StoreResult<Option<Account>> {
        self.ask()?.find_account(id).await
    }

    async fn find_account_by_email(&self, email: &EmailAddress) -> StoreResult<Option<Account>> {
        self.ask()?.find_account_by_email(email).await
    }

    async fn amend_account(&self, amendment: Amendment) -> StoreResult<Amended> {
        self.wrote(self.ask()?.amend_account(amendment).await)
    }

    async fn erase_account(&self, erasure: Erasure) -> StoreResult<Amended> {
        self.wrote(self.ask()?.erase_account(erasure).await)
    }

    async fn open_session(
        &self,
        login: VerifiedLogin,
        session: NewSession,
        record: Record,
    ) -> StoreResult<SessionOpening> {
        self.wrote(self.ask()?.open_session(login, session, record).await)
    }

    async fn rotate_session(&self, attempt: RotationAttempt) -> StoreResult<Rotation> {
        self.wrote(self.ask()?.rotate_session(attempt).await)
    }

    async fn end_session(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        record: Record,
        now: Timestamp,
    ) -> StoreResult<Option<(SessionId, UserId)>> {
        self.wrote(self.ask()?.end_session(handle, reason, record, now).await)
    }

    async fn list_sessions(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        self.ask()?.list_sessions(user, now).await
    }

    async fn find_session(&self, user: UserId, session: SessionId) -> StoreResult<Option<Session>> {
        self.ask()?.find_session(user, session).await
    }

    async fn list_users(&self, query: UserQuery) -> StoreResult<UserPage> {
        self.ask()?.list_users(query).await
    }

    async fn list_events(&self, query: EventQuery) -> StoreResult<Vec<Event>> {
        self.ask()?.list_events(query).await
    }

    async fn epoch(&self) -> StoreResult<Epoch> {
        self.ask()?.epoch().await
    }

    async fn endings_after(&self, position: EndingPosition) -> StoreResult<(Vec<Ending>, EndingPosition)> {
        self.ask()?.endings_after(position).await
    }

    async fn endings_of(&self, user: UserId, session: Option<SessionId>) -> StoreResult<Vec<Ending>> {
        self.ask()?.endings_of(user, session).await
    }

    async fn purge(&self, bounds: PurgeBounds) -> StoreResult<u64> {
        self.ask()?.purge(bounds).await
    }

    async fn check(&self) -> StoreResult<()> {
        self.ask()?.check().await
    }

    async fn close(&self) {}
}

#[async_trait]
impl LimitStore for Link {
    async fn take_limits(&self, attempt: &ChargedAttempt, now: Timestamp) -> StoreResult<Admittance> {
        self.ask()?.take_limits(attempt, now).await
    }

    async fn settle_limits(&self, settlement: &Settlement, now: Timestamp) -> StoreResult<()> {
        self.ask()?.settle_limits(settlement, now).await
    }

    async fn purge_limits(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        self.ask()?.purge_limits(now, limit).await
    }
}

#[async_trait]
impl DataKeyStore for Link {
    async fn data_keys(&self) -> StoreResult<Vec<StoredDataKey>> {
        self.ask()?.data_keys().await
    }

    async fn replace_data_keys(&self, read: Vec<StoredDataKey>, new: Vec<StoredDataKey>) -> StoreResult<bool> {
        self.wrote(self.ask()?.replace_data_keys(read, new).await)
    }

    async fn second_factors_after(&self, after: Option<UserId>, limit: u32) -> StoreResult<Vec<UserId>> {
        self.ask()?.second_factors_after(after, limit).await
    }

    async fn count_second_factors(&self) -> StoreResult<u64> {
        self.ask()?.count_second_factors().await
    }

    async fn neighbours(&self) -> StoreResult<Neighbours> {
        self.ask()?.neighbours().await
    }
}

#[async_trait]
impl OutboxStore for Link {
    async fn record(&self, user: Option<UserId>, record: Record) -> StoreResult<()> {
        self.wrote(self.ask()?.record(user, record).await)
    }

    async fn take_messages(&self, taking: Taking) -> StoreResult<Vec<Message>> {
        self.ask()?.take_messages(taking).await
    }

    async fn settle_message(&self, id: Uuid, delivery: Delivery) -> StoreResult<()> {
        self.ask()?.settle_message(id, delivery).await
    }

    async fn outbox_statistics(&self) -> StoreResult<OutboxStatistics> {
        self.ask()?.outbox_statistics().await
    }
}
