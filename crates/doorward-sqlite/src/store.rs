//! The port: which operation goes to the writer, which to the readers.

use async_trait::async_trait;
use doorward::clock::Timestamp;
use doorward::email::EmailAddress;
use doorward::revocation::{Ending, EndingPosition};
use doorward::role::Role;
use doorward::session::{EndReason, NewSession, RotationAttempt, SessionId};
use doorward::store::{
    Activation, Rotation, SessionOpening, Store, StoreResult, UserCreation, UserPage, UserQuery, VerifiedLogin,
};
use doorward::token::refresh::SessionHandle;
use doorward::user::{Credential, NewUser, User, UserId};

use crate::{SqliteStore, endings, housekeeping, sessions, users};

#[async_trait]
impl Store for SqliteStore {
    async fn create_user(&self, user: NewUser, session: Option<NewSession>) -> StoreResult<UserCreation> {
        self.writer.write(move |connection| users::create(connection, &user, session.as_ref())).await
    }

    async fn find_credential(&self, email: &EmailAddress) -> StoreResult<Option<Credential>> {
        self.readers.read(|connection| users::find_credential(connection, email.key()))
    }

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>> {
        self.readers.read(|connection| users::find(connection, id))
    }

    async fn open_session(&self, login: VerifiedLogin, session: NewSession) -> StoreResult<SessionOpening> {
        self.writer.write(move |connection| sessions::open(connection, &login, &session)).await
    }

    async fn rotate_session(&self, attempt: RotationAttempt) -> StoreResult<Rotation> {
        self.writer.write(move |connection| sessions::rotate(connection, &attempt)).await
    }

    async fn end_session(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> StoreResult<Option<SessionId>> {
        self.writer.write(move |connection| sessions::end(connection, handle, reason, now)).await
    }

    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> StoreResult<Activation> {
        self.writer.write(move |connection| users::set_active(connection, id, active, now)).await
    }

    async fn set_role(&self, id: UserId, role: Role, now: Timestamp) -> StoreResult<Option<User>> {
        self.writer.write(move |connection| users::set_role(connection, id, role, now)).await
    }

    async fn list_users(&self, query: UserQuery) -> StoreResult<UserPage> {
        self.readers.scan(move |connection| users::list(connection, query)).await
    }

    async fn endings_after(&self, position: EndingPosition) -> StoreResult<(Vec<Ending>, EndingPosition)> {
        self.readers.read(|connection| endings::list_after(connection, position))
    }

    async fn endings_of(&self, user: UserId, session: Option<SessionId>) -> StoreResult<Vec<Ending>> {
        self.readers.read(|connection| endings::list_of(connection, user, session))
    }

    async fn purge(&self, sessions_before: Timestamp, endings_before: Timestamp, limit: u32) -> StoreResult<u64> {
        let find = move |connection: &_| housekeeping::find_expired(connection, sessions_before, limit);
        let expired = self.readers.scan(find).await?;
        self.writer
            .write(move |connection| housekeeping::purge(connection, &expired, sessions_before, endings_before, limit))
            .await
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
