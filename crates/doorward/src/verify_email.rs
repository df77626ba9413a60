//! Verification: proof that an address is its account's owner's.
//!
//! Whoever reads a mailbox need not be who registered its address. An attacker may register the address of somebody
//! who has no account yet, wait until its owner confirms the letter, and then hold a password to an account that counts
//! as theirs ("pre-hijacking"). So a ticket alone verifies the address and **takes the account away from whoever
//! registered it**: every session ends, the password is void, and the mailbox gets a link to choose a new one. Only
//! together with a sign of being the registrant (a session of the account, or its password: a [`Registrant`]) does
//! everything stay as it is. An address that was verified before has nobody to be taken from.

use crate::account::{Account, Amendment, SessionChange};
use crate::admin::AdminError;
use crate::audit::{EventKind, NewEvent};
use crate::auth::Auth;
use crate::authenticate::Identity;
use crate::clock::Timestamp;
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::letter::LetterContent;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::outbox::NewMessage;
use crate::password::{Password, PasswordHash};
use crate::redemption::{RedeemError, TicketProof, without};
use crate::session::EndReason;
use crate::ticket::{Purpose, Ticket, replace};
use crate::user::{CredentialVersion, User, UserId};

/// What is asked of a new account's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmailVerification {
    /// Nothing; a person may still ask for a letter.
    #[default]
    Off,
    /// A letter is sent at registration. Nothing depends on its being answered.
    On,
    /// A letter is sent at registration, and nobody gets a session until the address is verified.
    Required,
}

/// What shows that whoever verifies an address is who registered it.
#[derive(Debug, Clone, Copy)]
pub enum Registrant<'a> {
    /// Nothing does: as far as anybody can tell they are two people.
    Unknown,
    /// A session; it counts if it is the account's.
    Session(&'a Identity),
    /// The account's password.
    Password(&'a Password),
}

impl Auth {
    /// The same asking that of the addresses of new accounts; [`EmailVerification::Off`] unless said otherwise.
    #[must_use]
    pub fn with_email_verification(mut self, email_verification: EmailVerification) -> Self {
        self.account_rules.email_verification = email_verification;
        self
    }

    /// Sends the person another letter to verify their address, unless it is. The one before is void then.
    ///
    /// # Errors
    ///
    /// [`RedeemError::Fault`] when too many were asked for or the request could not be carried out;
    /// [`RedeemError::Invalid`] when the account is gone.
    pub async fn request_verification(&self, identity: &Identity, origin: Origin<'_>) -> Result<(), RedeemError> {
        let user = self.store.find_user(identity.user_id).await.map_err(Fault::from)?.ok_or(RedeemError::Invalid)?;
        if !self.is_token_of(identity, &user).await? {
            return Err(RedeemError::Invalid);
        }
        let attempt = Attempt::Verification { account: user.email.key(), address: origin.address };
        let admission = self.admit(attempt).await?;
        let outcome = self.send_verification(user.id, origin).await;
        let went = if outcome.is_ok() { Outcome::Succeeded } else { Outcome::NotCarriedOut };
        self.settle(admission, went).await;
        outcome
    }

    pub(crate) async fn send_verification(&self, user: UserId, origin: Origin<'_>) -> Result<(), RedeemError> {
        let now = self.clock.now();
        self.amend(user, |account| {
            if account.user.email_verified_at.is_some() || !account.user.is_active {
                return Ok((None, ()));
            }
            let (ticket, letter) =
                self.verification_letter(&account.user.email, account.user.full_name.clone(), now)?;
            let mut after = account.clone();
            replace(&mut after.tickets, ticket);
            let mut record = self.record([NewEvent::new(EventKind::EmailVerificationRequested, origin, now)])?;
            record.messages.push(letter);
            Ok((Some(Amendment::new(account, after, now).with_record(record)), ()))
        })
        .await
    }

    /// Whether nobody gets a session for that account yet.
    pub(crate) fn awaits_verification(&self, user: &User) -> bool {
        self.account_rules.email_verification == EmailVerification::Required && user.email_verified_at.is_none()
    }

    /// A ticket to verify `email`, and the letter that brings it.
    pub(crate) fn verification_letter(
        &self,
        email: &EmailAddress,
        name: Option<String>,
        now: Timestamp,
    ) -> Result<(Ticket, NewMessage), Fault> {
        let (ticket, secret) = self.issue_ticket(Purpose::VerifyEmail, email.as_str(), now)?;
        Ok((ticket, self.letter(email.as_str(), name, LetterContent::VerifyEmail(secret), now)?))
    }

    /// Verifies an address. Logs nobody in. Without a sign of the [`Registrant`] it also ends the sessions and the
    /// password of whoever registered the address, and sends a link to choose a new password.
    ///
    /// # Errors
    ///
    /// [`RedeemError`]: the link or code is not good, the password is wrong, or the request could not be carried out.
    pub async fn verify_email(
        &self,
        proof: &TicketProof,
        registrant: Registrant<'_>,
        origin: Origin<'_>,
    ) -> Result<(), RedeemError> {
        let admission = self.admit_proof(proof, origin).await?;
        let outcome = self.verify(proof, registrant, origin).await;
        self.settle_proof(admission, &outcome).await;
        outcome
    }

    /// Vouches for the address of an account, as an administrator or operator does who knows whose it is. Idempotent.
    /// What was sent to verify it is void.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: no such user, or the request could not be carried out.
    pub async fn vouch_for_email(&self, id: UserId, origin: Origin<'_>) -> Result<User, AdminError> {
        let now = self.clock.now();
        self.amend(id, |account| {
            if account.user.email_verified_at.is_some() {
                return Ok((None, account.user.clone()));
            }
            let mut after = account.clone();
            after.tickets = without(&account.tickets, Purpose::VerifyEmail);
            after.user.email_verified_at = Some(now);
            let user = after.user.clone();
            let record = self.record([NewEvent::new(EventKind::EmailVerified, origin, now)])?;
            Ok((Some(Amendment::new(account, after, now).with_record(record)), user))
        })
        .await
    }

    async fn verify(
        &self,
        proof: &TicketProof,
        registrant: Registrant<'_>,
        origin: Origin<'_>,
    ) -> Result<(), RedeemError> {
        let known = self.known_registrant(proof, registrant, origin).await?;
        self.redeem(proof, Purpose::VerifyEmail, origin, |account, now| {
            let mut after = account.clone();
            after.tickets = without(&account.tickets, Purpose::VerifyEmail);
            let was_verified = account.user.email_verified_at.is_some();
            after.user.email_verified_at.get_or_insert(now);
            let event = NewEvent::new(EventKind::EmailVerified, origin, now);
            // What was shown of the registrant holds for the password that it was held against, and for no other.
            let is_known = known.is_some_and(|version| version == account.version);
            if was_verified || is_known {
                let record = self.record([event])?;
                return Ok((Some(Amendment::new(account, after, now).with_record(record)), ()));
            }
            Ok((Some(self.leave_to_mailbox(account, after, event.with("registrant", "unknown"))?), ()))
        })
        .await
    }

    /// Which password the account had when whoever asks was shown to be who registered it.
    async fn known_registrant(
        &self,
        proof: &TicketProof,
        registrant: Registrant<'_>,
        origin: Origin<'_>,
    ) -> Result<Option<CredentialVersion>, RedeemError> {
        let account = match registrant {
            Registrant::Unknown => return Ok(None),
            _ => self.proven_account(proof, Purpose::VerifyEmail, origin).await?,
        };
        match registrant {
            Registrant::Session(identity) if identity.user_id == account.user.id => {
                Ok(self.is_token_of(identity, &account.user).await?.then_some(account.version))
            }
            Registrant::Password(password) => self.check_registrant(&account, password, origin).await.map(Some),
            Registrant::Unknown | Registrant::Session(_) => Ok(None),
        }
    }

    async fn check_registrant(
        &self,
        account: &Account,
        password: &Password,
        origin: Origin<'_>,
    ) -> Result<CredentialVersion, RedeemError> {
        let attempt = Attempt::Password { account: account.user.email.key(), address: origin.address };
        let admission = self.admit(attempt).await?;
        let pool = self.pool_for(origin);
        let verified = pool.verify_password(password, Some(&account.password_hash)).await.map_err(Fault::from);
        let went = match &verified {
            Ok(verification) if verification.matches => Outcome::Succeeded,
            Ok(_) => Outcome::Failed,
            Err(_) => Outcome::NotCarriedOut,
        };
        self.settle(admission, went).await;
        if verified?.matches {
            return Ok(account.version);
        }
        let event = NewEvent::new(EventKind::ReauthenticationRefused, origin, self.clock.now());
        self.record_event(Some(account.user.id), event).await?;
        Err(RedeemError::WrongPassword)
    }

    /// The change that leaves the account to whoever reads its mail: `after`, with neither sessions nor a password nor
    /// anything that was begun before, and a link to choose a password.
    pub(crate) fn leave_to_mailbox(
        &self,
        before: &Account,
        mut after: Account,
        event: NewEvent,
    ) -> Result<Amendment, RedeemError> {
        let now = event.at;
        let (ticket, secret) = self.issue_ticket(Purpose::Recover, after.user.email.as_str(), now)?;
        after.password_hash = PasswordHash::unusable();
        after.tickets.retain(Ticket::lasts);
        after.tickets.push(ticket);
        let mut record = self.record([event])?;
        record.messages.push(self.letter_to(&after.user, LetterContent::Recover(secret), now)?);
        let sessions = SessionChange::EndAllBut(None, EndReason::CredentialChanged);
        Ok(Amendment::new(before, after, now).with_sessions(sessions).with_record(record))
    }
}
