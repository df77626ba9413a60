//! Registration: an account and its first session, in one step.

use crate::audit::{EventKind, NewEvent};
use crate::auth::{Auth, TokenPair};
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::outbox::NewMessage;
use crate::password::{NewPassword, NewPasswordError, PasswordRefused};
use crate::role::Role;
use crate::store::UserCreation;
use crate::user::{NewUser, User};
use crate::verify_email::EmailVerification;

/// Why nobody was registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The address belongs to an account.
    #[error("the address is already registered")]
    AddressTaken,
    /// The password is easy to guess for who knows the address.
    #[error(transparent)]
    Password(#[from] PasswordRefused),
    /// The account stands, and nobody gets a session until its address is verified: a letter is on its way.
    #[error("the address is to be verified first")]
    AwaitsVerification,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<NewPasswordError> for RegisterError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Refused(refused) => Self::Password(refused),
            NewPasswordError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl Auth {
    /// Registers a person as [`Role::User`] and logs them in.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the address is taken, or the request could not be carried out.
    pub async fn register(
        &self,
        email: EmailAddress,
        password: &NewPassword,
        origin: Origin<'_>,
    ) -> Result<TokenPair, RegisterError> {
        let attempt = Attempt::Registration { address: origin.address };
        let admission = self.admit(attempt).await?;
        let outcome = self.open_account(email, password, origin).await;
        self.settle(admission, Outcome::of(&outcome, |error| matches!(error, RegisterError::Fault(_)))).await;
        outcome
    }

    async fn open_account(
        &self,
        email: EmailAddress,
        password: &NewPassword,
        origin: Origin<'_>,
    ) -> Result<TokenPair, RegisterError> {
        let (new_user, letter) = self.new_user(email, password, Role::User, origin).await?;
        // No token is from before its account.
        let now = new_user.created_at;
        if self.account_rules.email_verification == EmailVerification::Required {
            self.create(new_user, letter, NewEvent::new(EventKind::UserRegistered, origin, now)).await?;
            return Err(RegisterError::AwaitsVerification);
        }
        let (session, refresh_token) = self.new_session(origin, now)?;
        let session_id = session.id;
        let event = NewEvent::new(EventKind::UserRegistered, origin, now).about(session_id);
        let mut record = self.record([event.clone()])?;
        record.messages.extend(letter);
        match self.store.create_user(new_user, Some(session), record).await.map_err(Fault::from)? {
            UserCreation::Created(user) => {
                event.log(Some(user.id));
                Ok(self.token_pair(refresh_token, (user.id, user.role, session_id), now)?)
            }
            UserCreation::AddressTaken => Err(RegisterError::AddressTaken),
        }
    }

    /// Makes an account without logging anybody in: how an operator makes the first administrator.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the address is taken, or the request could not be carried out.
    pub async fn create_user(
        &self,
        email: EmailAddress,
        password: &NewPassword,
        role: Role,
        origin: Origin<'_>,
    ) -> Result<User, RegisterError> {
        let (new_user, letter) = self.new_user(email, password, role, origin).await?;
        let event = NewEvent::new(EventKind::UserCreated, origin, new_user.created_at).with("role", role.as_str());
        self.create(new_user, letter, event).await
    }

    /// The account without a session.
    async fn create(
        &self,
        new_user: NewUser,
        letter: Option<NewMessage>,
        event: NewEvent,
    ) -> Result<User, RegisterError> {
        let mut record = self.record([event.clone()])?;
        record.messages.extend(letter);
        match self.store.create_user(new_user, None, record).await.map_err(Fault::from)? {
            UserCreation::Created(user) => {
                event.log(Some(user.id));
                Ok(user)
            }
            UserCreation::AddressTaken => Err(RegisterError::AddressTaken),
        }
    }

    /// Looks before it hashes: a taken address must not cost a hash. Two at once both pass this look;
    /// the store then lets one of them through. With it goes the letter to verify the address, if one is sent.
    async fn new_user(
        &self,
        email: EmailAddress,
        password: &NewPassword,
        role: Role,
        origin: Origin<'_>,
    ) -> Result<(NewUser, Option<NewMessage>), RegisterError> {
        self.suits(password, Some(&email))?;
        if self.store.find_account_by_email(&email).await.map_err(Fault::from)?.is_some() {
            return Err(RegisterError::AddressTaken);
        }
        let password_hash = self.hash_new_password(password, &email, origin).await?;
        let created_at = self.clock.now();
        let (tickets, letter) = match self.account_rules.email_verification {
            EmailVerification::Off => (Vec::new(), None),
            EmailVerification::On | EmailVerification::Required => {
                let (ticket, letter) = self.verification_letter(&email, None, created_at)?;
                (vec![ticket], Some(letter))
            }
        };
        Ok((NewUser { email, password_hash, full_name: None, role, tickets, created_at }, letter))
    }
}
