//! What administrators do to accounts.

use crate::auth::Auth;
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::origin::Origin;
use crate::role::Role;
use crate::store::{Activation, UserPage, UserQuery};
use crate::user::{User, UserId};

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No such user.
    #[error("user not found")]
    UserNotFound,
    /// Administrators are not deactivated.
    #[error("administrators cannot be deactivated")]
    CannotDeactivateAdmin,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Auth {
    /// Deactivates an account: every session ends at once, access tokens included. Idempotent.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: no such user, an administrator, or the request could not be carried out.
    pub async fn deactivate(&self, id: UserId, origin: Origin<'_>) -> Result<User, AdminError> {
        self.set_active(id, false, origin).await
    }

    /// Reactivates an account. Sessions and tokens from before stay dead. Idempotent.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: no such user, or the request could not be carried out.
    pub async fn reactivate(&self, id: UserId, origin: Origin<'_>) -> Result<User, AdminError> {
        self.set_active(id, true, origin).await
    }

    /// Gives a user another role, in force at once whatever their access tokens say.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: no such user, or the request could not be carried out.
    pub async fn set_role(&self, id: UserId, role: Role, origin: Origin<'_>) -> Result<User, AdminError> {
        let _ = origin;
        let user = self.store.set_role(id, role, self.clock.now()).await.map_err(Fault::from)?;
        let user = user.ok_or(AdminError::UserNotFound)?;
        tracing::warn!(event = "role_set", user_id = %id, role = %role);
        self.learn_endings().await;
        Ok(user)
    }

    /// A page of the users that match, newest first.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the request could not be carried out.
    pub async fn list_users(&self, query: UserQuery) -> Result<UserPage, Fault> {
        Ok(self.store.list_users(query).await?)
    }

    /// The account of that number.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the request could not be carried out.
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, Fault> {
        Ok(self.store.find_user(id).await?)
    }

    /// The account of that address.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the request could not be carried out.
    pub async fn find_user_by_email(&self, email: &EmailAddress) -> Result<Option<User>, Fault> {
        Ok(self.store.find_credential(email).await?.map(|credential| credential.user))
    }

    async fn set_active(&self, id: UserId, active: bool, origin: Origin<'_>) -> Result<User, AdminError> {
        let _ = origin;
        match self.store.set_active(id, active, self.clock.now()).await.map_err(Fault::from)? {
            Activation::Done(user) => {
                let event = if active { "user_reactivated" } else { "user_deactivated" };
                tracing::warn!(event, user_id = %id);
                self.learn_endings().await;
                Ok(user)
            }
            Activation::RefusedAdmin => Err(AdminError::CannotDeactivateAdmin),
            Activation::NotFound => Err(AdminError::UserNotFound),
        }
    }
}
