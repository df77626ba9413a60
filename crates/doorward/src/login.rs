//! Login: a password for a session.

use crate::auth::{Auth, TokenPair};
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::password::{ClientKey, ClientOfPool, Password, PasswordHash};
use crate::store::{SessionOpening, VerifiedLogin};

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such account, or not its password. Which of the two is nobody's business.
    #[error("invalid email or password")]
    InvalidCredentials,
    /// The password is right and the account deactivated.
    #[error("the account is deactivated")]
    Deactivated,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Auth {
    /// Opens a session for whoever knows the password of `email`.
    ///
    /// An unknown address costs the same time as a wrong password: a dummy hash is verified instead.
    /// No connection to the database is held while hashing. The attempt is [counted](crate::limits) first.
    ///
    /// # Errors
    ///
    /// [`LoginError`]: refused, or the request could not be carried out.
    pub async fn login(
        &self,
        email: &EmailAddress,
        password: &Password,
        origin: Origin<'_>,
    ) -> Result<TokenPair, LoginError> {
        let attempt = Attempt::Password { account: email.key(), address: origin.address };
        let admission = self.admit(attempt).await?;
        let outcome = self.log_in(email, password, origin).await;
        self.settle(admission, Outcome::of(&outcome, |error| matches!(error, LoginError::Fault(_)))).await;
        outcome
    }

    async fn log_in(
        &self,
        email: &EmailAddress,
        password: &Password,
        origin: Origin<'_>,
    ) -> Result<TokenPair, LoginError> {
        let pool = self.pool.for_client(origin.address.map(ClientKey::from));
        let credential = self.store.find_credential(email).await.map_err(Fault::from)?;
        let stored = credential.as_ref().map(|credential| &credential.password_hash);
        let verification = pool.verify_password(password, stored).await.map_err(Fault::from)?;
        let Some(credential) = credential.filter(|_| verification.matches) else {
            tracing::info!(event = "login_refused", reason = "credentials");
            return Err(LoginError::InvalidCredentials);
        };
        let user_id = credential.user.id;
        if !credential.user.is_active {
            tracing::info!(event = "login_refused", reason = "deactivated", user_id = %user_id);
            return Err(LoginError::Deactivated);
        }
        let upgraded_hash = if verification.needs_upgrade { upgrade(pool, password).await } else { None };
        let login = VerifiedLogin { user_id, version: credential.version, upgraded_hash };
        self.open_session(login).await
    }

    async fn open_session(&self, login: VerifiedLogin) -> Result<TokenPair, LoginError> {
        let now = self.clock.now();
        let user_id = login.user_id;
        let (session, refresh_token) = self.new_session(now)?;
        let session_id = session.id;
        match self.store.open_session(login, session).await.map_err(Fault::from)? {
            SessionOpening::Opened(role) => {
                tracing::info!(event = "login", user_id = %user_id, session_id = %session_id);
                Ok(self.token_pair(refresh_token, (user_id, role, session_id), now)?)
            }
            SessionOpening::UserInactive => Err(LoginError::Deactivated),
            SessionOpening::CredentialChanged => Err(LoginError::InvalidCredentials),
        }
    }
}

/// The password hashed with today's parameters. Under load the upgrade waits for another login.
async fn upgrade(pool: ClientOfPool<'_>, password: &Password) -> Option<PasswordHash> {
    pool.hash_password(password)
        .await
        .inspect_err(|error| tracing::warn!(event = "password_upgrade_postponed", %error))
        .ok()
}
