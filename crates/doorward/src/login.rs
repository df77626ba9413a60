//! Login: a password for a session.

use crate::account::Account;
use crate::audit::{EventKind, NewEvent};
use crate::auth::{Auth, TokenPair};
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::password::{ClientOfPool, Password, PasswordHash};
use crate::redemption::RedeemError;
use crate::second_factor::LoginChallenge;
use crate::store::{SessionOpening, VerifiedLogin};
use crate::ticket::Purpose;
use crate::user::UserId;

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such account, or not its password. Which of the two is nobody's business.
    #[error("invalid email or password")]
    InvalidCredentials,
    /// The password is right and the account deactivated.
    #[error("the account is deactivated")]
    Deactivated,
    /// The password is right, and a code is needed beside it: see [`Auth::login_with_code`].
    #[error("a second factor is required")]
    SecondFactorRequired(LoginChallenge),
    /// The password is right and must be changed: by the link that was sent, or by another of recovery.
    #[error("the password must be changed")]
    PasswordChangeRequired,
    /// The password is right, and the address must be verified first.
    #[error("the address is not verified")]
    EmailNotVerified,
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
        // First, for a rush must not reach the store when there is no time to hash for it.
        self.pool_for(origin).look_for_place().map_err(Fault::from)?;
        let attempt = Attempt::Password { account: email.key(), address: origin.address };
        let admission = self.admit(attempt).await?;
        let outcome = self.log_in(email, password, origin).await;
        let settled = match &outcome {
            Err(LoginError::SecondFactorRequired(_)) => Outcome::Pending,
            Err(LoginError::Deactivated | LoginError::PasswordChangeRequired | LoginError::EmailNotVerified) => {
                Outcome::Barred
            }
            other => Outcome::of(other, |error| matches!(error, LoginError::Fault(_))),
        };
        self.settle(admission, settled).await;
        outcome
    }

    async fn log_in(
        &self,
        email: &EmailAddress,
        password: &Password,
        origin: Origin<'_>,
    ) -> Result<TokenPair, LoginError> {
        let pool = self.pool_for(origin);
        let account = self.store.find_account_by_email(email).await.map_err(Fault::from)?;
        let stored = account.as_ref().map(|account| &account.password_hash);
        let verification = pool.verify_password(password, stored).await.map_err(Fault::from)?;
        let known = account.as_ref().map(|account| account.user.id);
        let Some(account) = account.filter(|_| verification.matches) else {
            return Err(self.refuse_login(known, LoginError::InvalidCredentials, origin).await);
        };
        let user = &account.user;
        if !user.is_active || account.must_change_password || self.awaits_verification(user) {
            // No limit counts these as guesses: each is written into the audit trail all the same.
            self.admit_event(user).await?;
        }
        if !account.user.is_active {
            return Err(self.refuse_login(known, LoginError::Deactivated, origin).await);
        }
        if account.must_change_password {
            return Err(self.refuse_login(known, LoginError::PasswordChangeRequired, origin).await);
        }
        if self.awaits_verification(&account.user) {
            return Err(self.refuse_unverified(&account, origin).await);
        }
        let upgraded_hash = if verification.needs_upgrade { upgrade(pool, password).await } else { None };
        if account.second_factor.is_some() {
            return Err(LoginError::SecondFactorRequired(self.challenge(&account, upgraded_hash, origin).await?));
        }
        let login = VerifiedLogin { user_id: account.user.id, version: account.version, upgraded_hash };
        self.open_session(login, origin).await
    }

    pub(crate) async fn open_session(&self, login: VerifiedLogin, origin: Origin<'_>) -> Result<TokenPair, LoginError> {
        let now = self.clock.now();
        let user_id = login.user_id;
        let (session, refresh_token) = self.new_session(origin, now)?;
        let session_id = session.id;
        let event = NewEvent::new(EventKind::Login, origin.by(user_id), now).about(session_id);
        let record = self.record([event.clone()])?;
        match self.store.open_session(login, session, record).await.map_err(Fault::from)? {
            SessionOpening::Opened(role) => {
                event.log(Some(user_id));
                Ok(self.token_pair(refresh_token, (user_id, role, session_id), now)?)
            }
            SessionOpening::UserInactive => {
                Err(self.refuse_login(Some(user_id), LoginError::Deactivated, origin).await)
            }
            SessionOpening::CredentialChanged => {
                Err(self.refuse_login(Some(user_id), LoginError::InvalidCredentials, origin).await)
            }
        }
    }

    /// Refuses whoever knows the password of an address that is not verified, and sees to it that they have a link that
    /// is good.
    async fn refuse_unverified(&self, account: &Account, origin: Origin<'_>) -> LoginError {
        let now = self.clock.now();
        let mut links = account.tickets.iter().filter(|ticket| ticket.purpose == Purpose::VerifyEmail);
        if !links.any(|ticket| ticket.is_alive(now)) {
            // Verified or gone meanwhile: the next login will tell.
            if let Err(RedeemError::Fault(fault)) = self.send_verification(account.user.id, origin).await {
                return fault.into();
            }
        }
        self.refuse_login(Some(account.user.id), LoginError::EmailNotVerified, origin).await
    }

    /// Records that nobody was let in, before it is said. Gives the refusal, or the fault of the recording.
    async fn refuse_login(&self, user: Option<UserId>, refusal: LoginError, origin: Origin<'_>) -> LoginError {
        let reason = match refusal {
            LoginError::Deactivated => "deactivated",
            LoginError::PasswordChangeRequired => "password_change_required",
            LoginError::EmailNotVerified => "email_not_verified",
            _ => "credentials",
        };
        let event = NewEvent::new(EventKind::LoginRefused, origin, self.clock.now()).with("reason", reason);
        match self.record_event(user, event).await {
            Ok(()) => refusal,
            Err(fault) => fault.into(),
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
