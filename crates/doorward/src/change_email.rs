//! Another address for an account: the new one is proven first, the old one is told.
//!
//! Whether the new address belongs to an account already is not said when the change is asked for: the letter goes
//! there in any case, and only who reads it can learn, at the end, that it is taken.

use crate::account::{Account, Amendment};
use crate::audit::{EventKind, NewEvent};
use crate::auth::Auth;
use crate::authenticate::Identity;
use crate::email::EmailAddress;
use crate::letter::LetterContent;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::redemption::{RedeemError, TicketProof};
use crate::ticket::{Purpose, replace};

impl Auth {
    /// Sends a link and a code to `email`, with which it becomes the address of the person's account. The ones sent
    /// before are void. Whoever calls this asks first for recent proof of who it is.
    ///
    /// # Errors
    ///
    /// [`RedeemError::Fault`] when too many were asked for or the request could not be carried out;
    /// [`RedeemError::Invalid`] when the account is gone.
    pub async fn request_email_change(
        &self,
        identity: &Identity,
        email: &EmailAddress,
        origin: Origin<'_>,
    ) -> Result<(), RedeemError> {
        let admission = self.admit(Attempt::Recovery { account: email.key(), address: origin.address }).await?;
        let outcome = self.send_change(identity, email, origin).await;
        let went = if outcome.is_ok() { Outcome::Succeeded } else { Outcome::NotCarriedOut };
        self.settle(admission, went).await;
        outcome
    }

    async fn send_change(
        &self,
        identity: &Identity,
        email: &EmailAddress,
        origin: Origin<'_>,
    ) -> Result<(), RedeemError> {
        let now = self.clock.now();
        self.amend(identity.user_id, |account| {
            let (ticket, secret) = self.issue_ticket(Purpose::ChangeEmail, email.as_str(), now)?;
            let mut after = account.clone();
            replace(&mut after.tickets, ticket);
            let mut record = self.record([NewEvent::new(EventKind::EmailChangeRequested, origin, now)])?;
            let name = account.user.full_name.clone();
            record.messages.push(self.letter(email.as_str(), name, LetterContent::ChangeEmail(secret), now)?);
            Ok((Some(Amendment::new(account, after, now).with_record(record)), ()))
        })
        .await
    }

    /// Makes the address that a letter was sent to the account's, verified, and tells the old one.
    ///
    /// # Errors
    ///
    /// [`RedeemError`]: the link or code is not good, another account has the address by now, or the request could not
    /// be carried out.
    pub async fn confirm_email_change(&self, proof: &TicketProof, origin: Origin<'_>) -> Result<(), RedeemError> {
        let admission = self.admit_proof(proof, origin).await?;
        let outcome = self.move_account(proof, origin).await;
        self.settle_proof(admission, &outcome).await;
        outcome
    }

    async fn move_account(&self, proof: &TicketProof, origin: Origin<'_>) -> Result<(), RedeemError> {
        self.redeem(proof, Purpose::ChangeEmail, origin, |account, now| {
            let to = account.tickets.iter().find(|ticket| ticket.purpose == Purpose::ChangeEmail);
            let to = to.and_then(|ticket| EmailAddress::parse(&ticket.email).ok()).ok_or(RedeemError::Invalid)?;
            let mut record = self.record([NewEvent::new(EventKind::EmailChanged, origin, now)])?;
            let told = LetterContent::EmailChanged { new_address: to.as_str().to_owned() };
            record.messages.push(self.letter_to(&account.user, told, now)?);
            let mut after = Account { tickets: Vec::new(), ..account.clone() };
            after.user.email = to;
            after.user.email_verified_at = Some(now);
            Ok((Some(Amendment::new(account, after, now).with_record(record)), ()))
        })
        .await
    }
}
