//! The port: every operation on a connection of its own.

use async_trait::async_trait;
use doorward::account::{Account, Amended, Amendment, Erasure, Record, SessionChange};
use doorward::audit::{Event, EventQuery};
use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::outbox::{Delivery, Message, OutboxStatistics, Taking};
use doorward::revocation::{Ending, EndingPosition, Epoch};
use doorward::session::{EndReason, NewSession, RotationAttempt, Session, SessionId};
use doorward::store::{
    OutboxStore, PurgeBounds, Rotation, SessionOpening, Store, StoreResult, UserCreation, UserPage, UserQuery,
    VerifiedLogin,
};
use doorward::token::refresh::SessionHandle;
use doorward::user::{NewUser, User, UserId};
use uuid::Uuid;

use crate::{PostgresStore, accounts, endings, housekeeping, outbox, records, sessions, users};

#[async_trait]
impl Store for PostgresStore {
    async fn create_user(
        &self,
        user: NewUser,
        session: Option<NewSession>,
        record: Record,
    ) -> StoreResult<UserCreation> {
        Ok(self.database.run(|connection| users::create(connection, &user, session.as_ref(), &record)).await?)
    }

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>> {
        Ok(self.database.run(|connection| users::find(connection, id)).await?)
    }

    async fn find_account(&self, id: UserId) -> StoreResult<Option<Account>> {
        Ok(self.database.run(|connection| accounts::find(connection, id)).await?)
    }

    async fn find_account_by_email(&self, email: &EmailAddress) -> StoreResult<Option<Account>> {
        Ok(self.database.run(|connection| accounts::find_by_email(connection, email)).await?)
    }

    async fn amend_account(&self, amendment: Amendment) -> StoreResult<Amended> {
        let amended = self.database.run(|connection| accounts::amend(connection, &amendment)).await?;
        let ends = matches!(amendment.sessions, SessionChange::EndAllBut(..) | SessionChange::End(..));
        if amended == Amended::Done && (ends || !amendment.endings.is_empty()) {
            self.hints.tell();
        }
        Ok(amended)
    }

    async fn erase_account(&self, erasure: Erasure) -> StoreResult<Amended> {
        let amended = self.database.run(|connection| accounts::erase(connection, &erasure)).await?;
        if amended == Amended::Done {
            self.hints.tell();
        }
        Ok(amended)
    }

    async fn open_session(
        &self,
        login: VerifiedLogin,
        session: NewSession,
        record: Record,
    ) -> StoreResult<SessionOpening> {
        Ok(self.database.run(|connection| sessions::open(connection, &login, &session, &record)).await?)
    }

    async fn rotate_session(&self, attempt: RotationAttempt) -> StoreResult<Rotation> {
        let rotation = self.database.run(|connection| sessions::rotate(connection, &attempt)).await?;
        if matches!(rotation, Rotation::Reused { .. }) {
            self.hints.tell();
        }
        Ok(rotation)
    }

    async fn end_session(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        record: Record,
        now: Timestamp,
    ) -> StoreResult<Option<(SessionId, UserId)>> {
        let ended = self.database.run(|connection| sessions::end(connection, handle, reason, &record, now)).await?;
        if ended.is_some() {
            self.hints.tell();
        }
        Ok(ended)
    }

    async fn list_sessions(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        Ok(self.database.run(|connection| sessions::list(connection, user, now)).await?)
    }

    async fn find_session(&self, user: UserId, session: SessionId) -> StoreResult<Option<Session>> {
        Ok(self.database.run(|connection| sessions::find_of_user(connection, user, session)).await?)
    }

    async fn list_users(&self, query: UserQuery) -> StoreResult<UserPage> {
        Ok(self.database.run(|connection| users::list(connection, &query)).await?)
    }

    async fn list_events(&self, query: EventQuery) -> StoreResult<Vec<Event>> {
        Ok(self.database.run(|connection| records::list(connection, query.clone())).await?)
    }

    async fn epoch(&self) -> StoreResult<Epoch> {
        Ok(self.database.run(|connection| endings::epoch(connection, &self.knows_timeline)).await?)
    }

    async fn endings_after(&self, position: EndingPosition) -> StoreResult<(Vec<Ending>, EndingPosition)> {
        Ok(self.database.run(|connection| endings::list_after(connection, position)).await?)
    }

    async fn endings_of(&self, user: UserId, session: Option<SessionId>) -> StoreResult<Vec<Ending>> {
        Ok(self.database.run(|connection| endings::list_of(connection, user, session)).await?)
    }

    fn ending_hints(&self) -> u64 {
        self.hints.heard()
    }

    async fn purge(&self, bounds: PurgeBounds) -> StoreResult<u64> {
        Ok(self.broom.sweep(&self.database, bounds).await?)
    }

    async fn check(&self) -> StoreResult<()> {
        Ok(self.database.run(housekeeping::check).await?)
    }

    async fn close(&self) {
        if let Some(listener) = &self.listener {
            listener.stop();
        }
        self.database.close();
    }
}

#[async_trait]
impl OutboxStore for PostgresStore {
    async fn record(&self, user: Option<UserId>, record: Record) -> StoreResult<()> {
        Ok(self.database.run(|connection| records::write(connection, user, &record)).await?)
    }

    async fn take_messages(&self, taking: Taking) -> StoreResult<Vec<Message>> {
        Ok(self.database.run(|connection| outbox::take(connection, taking)).await?)
    }

    async fn settle_message(&self, id: Uuid, delivery: Delivery) -> StoreResult<()> {
        Ok(self.database.run(|connection| outbox::settle(connection, id, delivery)).await?)
    }

    async fn outbox_statistics(&self) -> StoreResult<OutboxStatistics> {
        Ok(self.database.run(outbox::statistics).await?)
    }
}
