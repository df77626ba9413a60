//! Registration: an account and its first session, in one step.

use crate::account::Record;
use crate::audit::{EventKind, NewEvent};
use crate::auth::{Auth, TokenPair};
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::letter::LetterContent;
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
    /// Nobody gets a session until the address is verified: a letter is on its way, for a new account to its address, for
    /// a taken address to its owner. Which of them it was is nobody else's business.
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
    /// [`RegisterError`]: the address is taken, or the request could not be carried out. Where addresses must be
    /// verified, always [`AwaitsVerification`](RegisterError::AwaitsVerification), also for a taken one.
    pub async fn register(
        &self,
        email: EmailAddress,
        password: &NewPassword,
        origin: Origin<'_>,
    ) -> Result<TokenPair, RegisterError> {
        let attempt = Attempt::Registration { address: origin.address };
        let admission = self.admit(attempt).await?;
        let outcome = match self.account_rules.email_verification {
            EmailVerification::Required => self.open_or_tell_owner(email, password, origin).await,
            EmailVerification::Off | EmailVerification::On => self.open_account(email, password, origin).await,
        };
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

    /// An account without a session, or a letter to whoever has that address. Either takes a hash and writes one letter,
    /// so that neither the answer nor its time tells which it was.
    async fn open_or_tell_owner(
        &self,
        email: EmailAddress,
        password: &NewPassword,
        origin: Origin<'_>,
    ) -> Result<TokenPair, RegisterError> {
        self.suits(password, Some(&email))?;
        let created = match self.store.find_account_by_email(&email).await.map_err(Fault::from)? {
            Some(_) => {
                self.hash_new_password(password, &email, origin).await?;
                Err(RegisterError::AddressTaken)
            }
            None => self.register_unverified(email.clone(), password, origin).await,
        };
        match created {
            Ok(_) => {}
            Err(RegisterError::AddressTaken) => self.tell_owner(&email, origin).await?,
            Err(error) => return Err(error),
        }
        Err(RegisterError::AwaitsVerification)
    }

    async fn register_unverified(
        &self,
        email: EmailAddress,
        password: &NewPassword,
        origin: Origin<'_>,
    ) -> Result<User, RegisterError> {
        let (new_user, letter) = self.new_user(email, password, Role::User, origin).await?;
        let event = NewEvent::new(EventKind::UserRegistered, origin, new_user.created_at);
        self.create(new_user, letter.into_iter(), event).await
    }

    /// Tells the owner of `email` that somebody wants to register with it; within the limit of letters to one address,
    /// which says nothing to who asked.
    async fn tell_owner(&self, email: &EmailAddress, origin: Origin<'_>) -> Result<(), Fault> {
        let attempt = Attempt::AddressInUse { to: email.key() };
        let admission = match self.admit(attempt).await {
            Err(Fault::Limited(_)) => return Ok(()),
            admission => admission?,
        };
        let told = self.write_to_owner(email, origin).await;
        self.settle(admission, if told.is_ok() { Outcome::Succeeded } else { Outcome::NotCarriedOut }).await;
        told
    }

    async fn write_to_owner(&self, email: &EmailAddress, origin: Origin<'_>) -> Result<(), Fault> {
        let Some(account) = self.store.find_account_by_email(email).await? else { return Ok(()) };
        let letter = self.letter_to(&account.user, LetterContent::AddressInUse, self.clock.now())?;
        tracing::info!(event = "address_in_use", user_id = %account.user.id, request_id = origin.request_id);
        Ok(self.store.record(None, Record { events: Vec::new(), messages: vec![letter] }).await?)
    }

    /// Makes an account without logging anybody in: how an operator makes the first administrator. Of a further one
    /// every administrator is told.
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
        self.create_as_told(new_user, letter, origin).await
    }

    /// The same for an address that the operator vouches for: no letter asks to verify it.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the address is taken, or the request could not be carried out.
    pub async fn create_verified_user(
        &self,
        email: EmailAddress,
        password: &NewPassword,
        role: Role,
        origin: Origin<'_>,
    ) -> Result<User, RegisterError> {
        let (new_user, _) = self.new_user(email, password, role, origin).await?;
        let email_verified_at = Some(new_user.created_at);
        self.create_as_told(NewUser { email_verified_at, tickets: Vec::new(), ..new_user }, None, origin).await
    }

    async fn create_as_told(
        &self,
        new_user: NewUser,
        letter: Option<NewMessage>,
        origin: Origin<'_>,
    ) -> Result<User, RegisterError> {
        let (role, now) = (new_user.role, new_user.created_at);
        let mut event = NewEvent::new(EventKind::UserCreated, origin, now).with("role", role.as_str());
        if new_user.email_verified_at.is_some() {
            event = event.with("email_verified", "true");
        }
        let told = match role {
            Role::Admin => self.tell_administrators(None, (&new_user.email, role), now).await?,
            Role::User => Vec::new(),
        };
        self.create(new_user, letter.into_iter().chain(told), event).await
    }

    /// The account without a session.
    async fn create(
        &self,
        new_user: NewUser,
        letters: impl Iterator<Item = NewMessage> + Send,
        event: NewEvent,
    ) -> Result<User, RegisterError> {
        let mut record = self.record([event.clone()])?;
        record.messages.extend(letters);
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
        Ok((
            NewUser { email, password_hash, full_name: None, role, email_verified_at: None, tickets, created_at },
            letter,
        ))
    }
}
