//! Recovery: a new password for whoever reads the account's mail.
//!
//! A request does the same whatever the address: it writes one message, and the worker of the outbox looks for the
//! account later. So neither bytes nor time tell whether there is one.
//!
//! Who completes it has proven the address and nothing else. Every session ends, everything that was begun before is
//! void (a change of address above all: a former intruder may have left one), and whoever registered the address
//! without proving it has neither session nor password left. A second factor stays, unless it is young and its removal is
//! asked for: then it may be an intruder's.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::account::{Account, Amendment, Record, SessionChange};
use crate::audit::{Cause, EventKind, NewEvent};
use crate::auth::Auth;
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::letter::LetterContent;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::outbox::{Message, MessageKind, NewMessage};
use crate::password::NewPassword;
use crate::random::random_uuid;
use crate::redemption::{RedeemError, TicketProof};
use crate::sealing::Label;
use crate::session::EndReason;
use crate::ticket::{Purpose, lasting, replace};

pub(crate) const RECOVERY_LABEL: Label = Label("doorward recovery v1");

/// A wish to recover an account, as it waits in the outbox.
#[derive(Serialize, Deserialize)]
struct Wish {
    email: String,
    address: Option<IpAddr>,
    user_agent: Option<String>,
    request_id: Option<String>,
}

/// What a recovery does with a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FactorAtRecovery {
    /// It stays.
    #[default]
    Keep,
    /// It goes if it was added within the last three days ([`YOUNG`](crate::ticket::YOUNG)), when it may be that of whoever the owner
    /// recovers from; an older one stays. The owner got a letter when it was added, and gets another now.
    RemoveYoung,
}

/// Why a password is chosen by a link or code.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reason {
    Invitation,
    Recovery(FactorAtRecovery),
}

impl Reason {
    fn purpose_and_event(self) -> (Purpose, EventKind) {
        match self {
            Self::Invitation => (Purpose::Invitation, EventKind::InvitationAccepted),
            Self::Recovery(_) => (Purpose::Recover, EventKind::Recovered),
        }
    }
}

impl Auth {
    /// Asks for a letter to recover the account of `email`. The answer and the work are the same whether or not there
    /// is such an account.
    ///
    /// # Errors
    ///
    /// [`Fault`]: too many were asked for, or the request could not be carried out.
    pub async fn request_recovery(&self, email: &EmailAddress, origin: Origin<'_>) -> Result<(), Fault> {
        let admission = self.admit(Attempt::Recovery { account: email.key(), address: origin.address }).await?;
        let outcome = self.write_wish(email, origin).await;
        let went = if outcome.is_ok() { Outcome::Succeeded } else { Outcome::NotCarriedOut };
        self.settle(admission, went).await;
        outcome
    }

    async fn write_wish(&self, email: &EmailAddress, origin: Origin<'_>) -> Result<(), Fault> {
        let now = self.clock.now();
        let cause = Cause::from(origin);
        let wish = Wish {
            email: email.as_str().to_owned(),
            address: cause.address,
            user_agent: cause.user_agent,
            request_id: cause.request_id,
        };
        let plain = serde_json::to_vec(&wish).unwrap_or_default();
        let sealed = self.sealer().seal(RECOVERY_LABEL, &plain)?;
        let message = NewMessage { id: random_uuid()?, kind: MessageKind::Recovery, sealed, created_at: now };
        self.expect_delivery();
        Ok(self.store.record(None, Record { events: Vec::new(), messages: vec![message] }).await?)
    }

    /// Does what a message of the kind [`Recovery`](MessageKind::Recovery) asks for: when there is such an account, it
    /// gets a ticket and the outbox a letter. For the worker of the outbox; once is enough, and twice sends no second
    /// letter. Gives whether a letter was written.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the store can't serve.
    pub async fn handle_recovery(&self, message: &Message) -> Result<bool, Fault> {
        let opened =
            self.sealer().open(RECOVERY_LABEL, &message.sealed).filter(|_| message.kind == MessageKind::Recovery);
        let Some(wish) = opened.and_then(|plain| serde_json::from_slice::<Wish>(&plain).ok()) else {
            return Ok(false);
        };
        let Ok(email) = EmailAddress::parse(&wish.email) else { return Ok(false) };
        let Some(account) = self.store.find_account_by_email(&email).await? else { return Ok(false) };
        let origin = Origin::unknown()
            .with_address(wish.address)
            .with_user_agent(wish.user_agent.as_deref())
            .with_request_id(wish.request_id.as_deref());
        let sent =
            self.amend(account.user.id, |account| self.recovery_letter(account, (&email, message), origin)).await;
        match sent {
            Ok(is_sent) => Ok(is_sent),
            Err(RedeemError::Fault(fault)) => Err(fault),
            // The account went away meanwhile.
            Err(_) => Ok(false),
        }
    }

    fn recovery_letter(
        &self,
        account: &Account,
        (email, message): (&EmailAddress, &Message),
        origin: Origin<'_>,
    ) -> Result<(Option<Amendment>, bool), RedeemError> {
        let is_theirs = account.user.is_active && account.user.email.key() == email.key();
        // A worker that died after writing the letter left a ticket that is younger than the wish.
        let is_done = message.attempts > 1
            && account
                .tickets
                .iter()
                .any(|ticket| ticket.purpose == Purpose::Recover && ticket.issued_at() >= message.created_at);
        if !is_theirs || is_done {
            return Ok((None, false));
        }
        let now = self.clock.now();
        let (ticket, secret) = self.issue_ticket(Purpose::Recover, account.user.email.as_str(), now)?;
        let mut after = account.clone();
        replace(&mut after.tickets, ticket);
        let mut record = self.record([NewEvent::new(EventKind::RecoveryRequested, origin, now)])?;
        record.messages.push(self.letter_to(&account.user, LetterContent::Recover(secret), now)?);
        Ok((Some(Amendment::new(account, after, now).with_record(record)), true))
    }

    /// Gives the account a new password, by the link or code of a recovery letter. All sessions end, the address is
    /// verified, older links and codes are void. Logs nobody in.
    ///
    /// # Errors
    ///
    /// [`RedeemError`]: the link or code is not good, or the request could not be carried out.
    pub async fn recover(
        &self,
        proof: &TicketProof,
        password: &NewPassword,
        factor: FactorAtRecovery,
        origin: Origin<'_>,
    ) -> Result<(), RedeemError> {
        self.choose_password(proof, Reason::Recovery(factor), password, origin).await
    }

    /// A new password for the holder of a ticket.
    pub(crate) async fn choose_password(
        &self,
        proof: &TicketProof,
        reason: Reason,
        password: &NewPassword,
        origin: Origin<'_>,
    ) -> Result<(), RedeemError> {
        let admission = self.admit_proof(proof, origin).await?;
        let outcome = self.replace_password(proof, reason, password, origin).await;
        self.settle_proof(admission, &outcome).await;
        outcome
    }

    async fn replace_password(
        &self,
        proof: &TicketProof,
        reason: Reason,
        password: &NewPassword,
        origin: Origin<'_>,
    ) -> Result<(), RedeemError> {
        // Looks before it hashes: what is not good must not cost a hash.
        let (purpose, kind) = reason.purpose_and_event();
        let email = self.proven_account(proof, purpose, origin).await?.user.email;
        let password_hash = self.hash_new_password(password, &email, origin).await?;
        self.redeem(proof, purpose, origin, |account, now| {
            let mut after = account.clone();
            after.password_hash = password_hash.clone();
            after.must_change_password = false;
            after.tickets = lasting(&account.tickets);
            after.user.email_verified_at.get_or_insert(now);
            let mut record = self.record([NewEvent::new(kind, origin, now)])?;
            if kind == EventKind::Recovered {
                record.messages.push(self.letter_to(&account.user, LetterContent::PasswordChanged, now)?);
            }
            if matches!(reason, Reason::Recovery(FactorAtRecovery::RemoveYoung)) {
                self.remove_young_factor(&mut after, &mut record, (origin, now))?;
            }
            let sessions = SessionChange::EndAllBut(None, EndReason::Recovered);
            Ok((Some(Amendment::new(account, after, now).with_sessions(sessions).with_record(record)), ()))
        })
        .await
    }
}
