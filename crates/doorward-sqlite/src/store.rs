//! The port: which operation goes to the writer, which to the readers.

use async_trait::async_trait;
use doorward::account::{Account, Amended, Amendment, Erasure, Record};
use doorward::audit::{Event, EventQuery};
use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::revocation::{Ending, EndingPosition, Epoch};
use doorward::session::{EndReason, NewSession, RotationAttempt, Session, SessionId};
use doorward::store::{
    PurgeBounds, Rotation, SessionOpening, Store, StoreResult, UserCreation, UserPage, UserQuery, VerifiedLogin,
};
use doorward::token::refresh::SessionHandle;
use doorward::user::{NewUser, User, UserId};

use crate::{SqliteStore, accounts, endings, events, housekeeping, sessions, users};

#[async_trait]
impl Store for SqliteStore {
    async fn create_user(
        &self,
        user: NewUser,
        session: Option<NewSession>,
        record: Record,
    ) -> StoreResult<UserCreation> {
        self.writer.write(move |connection| users::create(connection, &user, session.as_ref(), &record)).await
    }

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>> {
        self.readers.read(|connection| users::find(connection, id))
    }

    async fn find_account(&self, id: UserId) -> StoreResult<Option<Account>> {
        self.readers.read(|connection| accounts::find(connection, id))
    }

    async fn find_account_by_email(&self, email: &EmailAddress) -> StoreResult<Option<Account>> {
        self.readers.read(|connection| accounts::find_by_email(connection, email.key()))
    }

    async fn amend_account(&self, amendment: Amendment) -> StoreResult<Amended> {
        self.writer.write(move |connection| accounts::amend(connection, &amendment)).await
    }

    async fn erase_account(&self, erasure: Erasure) -> StoreResult<Amended> {
        self.writer.write(move |connection| accounts::erase(connection, &erasure)).await
    }

    async fn open_session(
        &self,
        login: VerifiedLogin,
        session: NewSession,
        record: Record,
    ) -> StoreResult<SessionOpening> {
        self.writer.write(move |connection| sessions::open(connection, &login, &session, &record)).await
    }

    async fn rotate_session(&self, attempt: RotationAttempt) -> StoreResult<Rotation> {
        self.writer.write(move |connection| sessions::rotate(connection, &attempt)).await
    }

    async fn end_session(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        record: Record,
        now: Timestamp,
    ) -> StoreResult<Option<(SessionId, UserId)>> {
        self.writer.write(move |connection| sessions::end(connection, handle, reason, &record, now)).await
    }

    async fn list_sessions(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        self.readers.read(|connection| sessions::list(connection, user, now))
    }

    async fn find_session(&self, user: UserId, session: SessionId) -> StoreResult<Option<Session>> {
        self.readers.read(|connection| sessions::find_of_user(connection, user, session))
    }

    async fn list_users(&self, query: UserQuery) -> StoreResult<UserPage> {
        self.readers.scan(move |connection| users::list(connection, &query)).await
    }

    async fn list_events(&self, query: EventQuery) -> StoreResult<Vec<Event>> {
        self.readers.scan(move |connection| events::list(connection, &query)).await
    }

    async fn epoch(&self) -> StoreResult<Epoch> {
        Ok(self.readers.epoch()?)
    }

    async fn endings_after(&self, position: EndingPosition) -> StoreResult<(Vec<Ending>, EndingPosition)> {
        self.readers.read(|connection| endings::list_after(connection, position))
    }

    async fn endings_of(&self, user: UserId, session: Option<SessionId>) -> StoreResult<Vec<Ending>> {
        self.readers.read(|connection| endings::list_of(connection, user, session))
    }

    async fn purge(&self, bounds: PurgeBounds) -> StoreResult<u64> {
        let find = move |connection: &_| housekeeping::find_expired(connection, bounds.sessions_before, bounds.limit);
        let expired = self.readers.scan(find).await?;
        self.writer.write(move |connection| housekeeping::purge(connection, &expired, &bounds)).await
    }

    async fn check(&self) -> StoreResult<()> {
        self.readers.read(housekeeping::check_reading)?;
        self.writer.write(housekeeping::check_writing).await
    }

    async fn close(&self) {
        self.readers.finish().await;
        self.writer.finish().await;
    }
}
