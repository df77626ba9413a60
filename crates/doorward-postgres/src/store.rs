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
        Ok(self.database.run(|client| users::create(client, &user, session.as_ref())).await?)
    }

    async fn find_credential(&self, email: &EmailAddress) -> StoreResult<Option<Credential>> {
        Ok(self.database.run(|client| users::find_credential(client, email.key())).await?)
    }

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>> {
        Ok(self.database.run(|client| users::find(client, id)).await?)
    }

    async fn open_session(&self, login: VerifiedLogin, session: NewSession) -> StoreResult<SessionOpening> {
        Ok(self.database.run(|client| sessions::open(client, &login, &session)).await?)
    }

    async fn rotate_session(&self, attempt: RotationAttempt) -> StoreResult<Rotation> {
        Ok(self.database.run(|client| sessions::rotate(client, &attempt)).await?)
    }

    async fn end_session(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> StoreResult<Option<SessionId>> {
        Ok(self.database.run(|client| sessions::end(client, handle, reason, now)).await?)
    }

    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> StoreResult<Activation> {
        Ok(self.database.run(|client| users::set_active(client, id, active, now)).await?)
    }

    async fn set_role(&self, id: UserId, role: Role, now: Timestamp) -> StoreResult<Option<User>> {
        Ok(self.database.run(|client| users::set_role(client, id, role, now)).await?)
    }

    async fn list_users(&self, query: UserQuery) -> StoreResult<UserPage> {
        Ok(self.database.run(|client| users::list(client, query)).await?)
    }

    async fn endings_after(&self, position: EndingPosition) -> StoreResult<(Vec<Ending>, EndingPosition)> {
        Ok(self.database.run(|client| endings::list_after(client, position)).await?)
    }

    async fn purge(&self, sessions_before: Timestamp, endings_before: Timestamp, limit: u32) -> StoreResult<u64> {
        let purge = |client| housekeeping::purge(client, sessions_before, endings_before, limit);
        Ok(self.database.run(purge).await?)
    }

    async fn check(&self) -> StoreResult<()> {
        Ok(self.database.run(housekeeping::check).await?)
    }

    async fn close(&self) {
        self.database.close();
    }
}
