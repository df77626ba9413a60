//! Another address for an account: the new one is proven first, the old one is told.
//!
//! The old address is told at the request, with a link that calls it off, and after the change, with one that takes it
//! back within three days. Nobody who is in the account can get rid of these links.
//!
//! Whether the new address belongs to an account already is not said when the change is asked for: the letter goes
//! there in any case, and only who reads it can learn, at the end, that it is taken.

use crate::account::{Account, Amendment, Record};
use crate::audit::{EventKind, NewEvent};
use crate::auth::Auth;
use crate::authenticate::Identity;
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::letter::LetterContent;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::reauthenticate::{Proof, ProofError, Proven};
use crate::redemption::{RedeemError, TicketProof};
use crate::ticket::{Purpose, Ticket, lasting, replace};

impl Auth {
    /// Sends a link and a code to `email`, with which it becomes the address of the person's account, and tells the
    /// present address. Takes the password, and a code where there is a second factor. The ones sent before are void;
    /// these die with the session that asked for them.
    ///
    /// # Errors
    ///
    /// [`ProofError`]: not proven, too many were asked for, or the request could not be carried out.
    pub async fn request_email_change(
        &self,
        identity: &Identity,
        email: &EmailAddress,
        proof: &Proof,
        origin: Origin<'_>,
    ) -> Result<(), ProofError> {
        let proven = self.prove_for(identity, proof, "email_change", origin).await?;
        let account = proven.account.user.email.key();
        let attempt = Attempt::EmailChange { account, to: email.key(), address: origin.address };
        let admission = self.admit(attempt).await?;
        let outcome = self.send_change((identity, &proven), email, origin).await;
        let went = if outcome.is_ok() { Outcome::Succeeded } else { Outcome::NotCarriedOut };
        self.settle(admission, went).await;
        outcome
    }

    async fn send_change(
        &self,
        (identity, proven): (&Identity, &Proven),
        email: &EmailAddress,
        origin: Origin<'_>,
    ) -> Result<(), ProofError> {
        let now = self.clock.now();
        self.amend(identity.user_id, |account| {
            proven.still_holds(account)?;
            let (ticket, secret) = self.issue_ticket(Purpose::ChangeEmail, email.as_str(), now)?;
            let mut after = account.clone();
            replace(&mut after.tickets, Ticket { session: identity.session, ..ticket });
            let event = NewEvent::new(EventKind::EmailChangeRequested, origin, now);
            let mut record = self.record([NewEvent { session: identity.session, ..event }])?;
            let name = account.user.full_name.clone();
            record.messages.push(self.letter(email.as_str(), name, LetterContent::ChangeEmail(secret), now)?);
            let (keeper, keep) = self.issue_link(Purpose::KeepEmail, account.user.email.as_str(), now)?;
            replace(&mut after.tickets, keeper);
            let told = LetterContent::EmailChangeRequested { new_address: email.as_str().to_owned(), keep: Some(keep) };
            record.messages.push(self.letter_to(&account.user, told, now)?);
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

    /// Keeps the address that a letter about a change went to: a change that waits is called off, and one that was made
    /// is taken back. Whoever asked for it knew the password, so the account is left to who reads the mail of that
    /// address: every session ends, a second factor younger than [`YOUNG`](crate::ticket::YOUNG) is removed, and a letter
    /// has a link to choose a password.
    ///
    /// # Errors
    ///
    /// [`RedeemError`]: the link is not good, another account has the address by now, or the request could not be
    /// carried out.
    pub async fn keep_email(&self, proof: &TicketProof, origin: Origin<'_>) -> Result<(), RedeemError> {
        let admission = self.admit_proof(proof, origin).await?;
        let outcome = self.keep(proof, origin).await;
        self.settle_proof(admission, &outcome).await;
        outcome
    }

    async fn keep(&self, proof: &TicketProof, origin: Origin<'_>) -> Result<(), RedeemError> {
        self.redeem(proof, Purpose::KeepEmail, origin, |account, now| {
            let ticket = proof.ticket_of(account, Purpose::KeepEmail).ok_or(RedeemError::Invalid)?;
            let kept = EmailAddress::parse(&ticket.email).map_err(|_| RedeemError::Invalid)?;
            let is_moved = kept.key() != account.user.email.key();
            let mut after = account.clone();
            // What a later address could take back is that of whoever wanted the change.
            after.tickets.retain(|other| other.lasts() && other.expires_at < ticket.expires_at);
            after.user.email = kept;
            after.user.email_verified_at.get_or_insert(now);
            let mut removal = Record::default();
            self.remove_young_factor(&mut after, &mut removal, (origin, now))?;
            let change = if is_moved { "taken_back" } else { "called_off" };
            let event = NewEvent::new(EventKind::EmailKept, origin, now).with("change", change);
            let mut amendment = self.leave_to_mailbox(account, after, event)?;
            amendment.record.events.extend(removal.events);
            amendment.record.messages.extend(removal.messages);
            Ok((Some(amendment), ()))
        })
        .await
    }

    async fn move_account(&self, proof: &TicketProof, origin: Origin<'_>) -> Result<(), RedeemError> {
        let account = self.proven_account(proof, Purpose::ChangeEmail, origin).await?;
        self.require_asking_session(&account).await?;
        self.redeem(proof, Purpose::ChangeEmail, origin, |account, now| {
            let to = account.tickets.iter().find(|ticket| ticket.purpose == Purpose::ChangeEmail);
            let to = to.and_then(|ticket| EmailAddress::parse(&ticket.email).ok()).ok_or(RedeemError::Invalid)?;
            let mut record = self.record([NewEvent::new(EventKind::EmailChanged, origin, now)])?;
            let (keeper, keep) = self.issue_link(Purpose::KeepEmail, account.user.email.as_str(), now)?;
            let told = LetterContent::EmailChanged { new_address: to.as_str().to_owned(), keep: Some(keep) };
            record.messages.push(self.letter_to(&account.user, told, now)?);
            let mut after = Account { tickets: lasting(&account.tickets), ..account.clone() };
            replace(&mut after.tickets, keeper);
            after.user.email = to;
            after.user.email_verified_at = Some(now);
            Ok((Some(Amendment::new(account, after, now).with_record(record)), ()))
        })
        .await
    }

    /// Whether the session lives that asked for the account's change of address: what a session began ends with it.
    async fn require_asking_session(&self, account: &Account) -> Result<(), RedeemError> {
        let ticket = account.tickets.iter().find(|ticket| ticket.purpose == Purpose::ChangeEmail);
        let Some(session) = ticket.and_then(|ticket| ticket.session) else { return Ok(()) };
        let session = self.store.find_session(account.user.id, session).await;
        let lives = session.map_err(Fault::from)?.is_some_and(|session| session.ended.is_none());
        if lives { Ok(()) } else { Err(RedeemError::Invalid) }
    }
}
