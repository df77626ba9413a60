//! The port: every operation on a connection of its own.

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

use crate::{PostgresStore, endings, housekeeping, sessions, users};

#[async_trait]
impl Store for PostgresStore {
    async fn create_user(&self, user: NewUser, session: Option<NewSession>) -> StoreResult<UserCreation> {
        Ok(self.database.run(|connection| users::create(connection, &user, session.as_ref())).await?)
    }

    async fn find_credential(&self, email: &EmailAddress) -> StoreResult<Option<Credential>> {
        Ok(self.database.run(|connection| users::find_credential(connection, email.key())).await?)
    }

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>> {
        Ok(self.database.run(|connection| users::find(connection, id)).await?)
    }

    async fn open_session(&self, login: VerifiedLogin, session: NewSession) -> StoreResult<SessionOpening> {
        Ok(self.database.run(|connection| sessions::open(connection, &login, &session)).await?)
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
        now: Timestamp,
    ) -> StoreResult<Option<SessionId>> {
        let ended = self.database.run(|connection| sessions::end(connection, handle, reason, now)).await?;
        if ended.is_some() {
            self.hints.tell();
        }
        Ok(ended)
    }

    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> StoreResult<Activation> {
        let activation = self.database.run(|connection| users::set_active(connection, id, active, now)).await?;
        self.hints.tell();
        Ok(activation)
    }

    async fn set_role(&self, id: UserId, role: Role, now: Timestamp) -> StoreResult<Option<User>> {
        let user = self.database.run(|connection| users::set_role(connection, id, role, now)).await?;
        self.hints.tell();
        Ok(user)
    }

    async fn list_users(&self, query: UserQuery) -> StoreResult<UserPage> {
        Ok(self.database.run(|connection| users::list(connection, query)).await?)
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

    async fn purge(&self, sessions_before: Timestamp, endings_before: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(self.broom.sweep(&self.database, sessions_before, endings_before, limit).await?)
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
