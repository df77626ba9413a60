//! Redemption: what is done with a ticket when its link or its code comes back.
//!
//! A ticket is good once: it leaves the account in the step that does what it is good for, and of two at once the
//! account's revision lets one through. It is good for its purpose, its account, and the address that it was sent to.
//! A link can't be guessed, so a bad one costs a look into the store and leaves no trace. A code can: each attempt is
//! charged to the [limits](crate::limits) first, a wrong one is counted with the ticket before anybody is told, and
//! ten of them kill the code.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::account::{Account, Amendment};
use crate::audit::{EventKind, NewEvent};
use crate::auth::{AmendRefusal, Auth};
use crate::clock::Timestamp;
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::limits::{Admission, Attempt, Outcome};
use crate::origin::Origin;
use crate::password::{NewPasswordError, PasswordRefused};
use crate::ticket::{CODE_LABEL, Purpose, Ticket, hash_code, parse_token};
use crate::user::UserId;

/// How many wrong codes kill a code.
pub const WRONG_CODES: u32 = 10;

/// Why a ticket did nothing.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// The link or code is not good: made up, used, out of date, for something else. Which is nobody's business.
    #[error("invalid or expired link or code")]
    Invalid,
    /// The password that was to show whose account it is was wrong. The ticket is still good.
    #[error("wrong password")]
    WrongPassword,
    /// The new password may not be chosen. The ticket is still good.
    #[error(transparent)]
    Password(#[from] PasswordRefused),
    /// Another account has the address by now.
    #[error("the address is already registered")]
    AddressTaken,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<NewPasswordError> for RedeemError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Refused(refused) => Self::Password(refused),
            NewPasswordError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<AmendRefusal> for RedeemError {
    fn from(refusal: AmendRefusal) -> Self {
        match refusal {
            AmendRefusal::AddressTaken => Self::AddressTaken,
            // Nothing here takes an administrator away.
            AmendRefusal::NotFound | AmendRefusal::LastAdmin => Self::Invalid,
        }
    }
}

/// What somebody presents in order to use a ticket. Whether it is good is seen when it is used.
pub struct TicketProof(Presented);

enum Presented {
    /// Whose account, and the hash of the secret; `None` for what was never a link's token.
    Link(Option<(UserId, [u8; 32])>),
    Code(Holder, Zeroizing<String>),
}

enum Holder {
    Address(EmailAddress),
    User(UserId),
}

impl std::fmt::Debug for TicketProof {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TicketProof(…)")
    }
}

impl TicketProof {
    /// The token of a link.
    pub fn link(token: &str) -> Self {
        Self(Presented::Link(parse_token(token)))
    }

    /// A code as it was typed, for the account of that address. Spaces and dashes in it don't count.
    pub fn code(email: EmailAddress, code: &str) -> Self {
        Self(Presented::Code(Holder::Address(email), digits(code)))
    }

    /// A code for the account of whoever is logged in.
    pub fn code_of(user: UserId, code: &str) -> Self {
        Self(Presented::Code(Holder::User(user), digits(code)))
    }
}

impl TicketProof {
    /// The account's ticket that it may be good for.
    pub(crate) fn ticket_of<'a>(&self, account: &'a Account, purpose: Purpose) -> Option<&'a Ticket> {
        self.0.ticket_of(account, purpose)
    }
}

impl Presented {
    /// By its link that very one; by a code, which only one of a purpose has, the one that it is to be held against.
    fn ticket_of<'a>(&self, account: &'a Account, purpose: Purpose) -> Option<&'a Ticket> {
        let mut tickets = account.tickets.iter().filter(|ticket| ticket.purpose == purpose);
        match self {
            Self::Link(link) => {
                tickets.find(|ticket| link.is_some_and(|(_, hash)| bool::from(hash.ct_eq(&ticket.secret_hash))))
            }
            Self::Code(..) => tickets.next(),
        }
    }
}

fn digits(code: &str) -> Zeroizing<String> {
    let kept = code.chars().filter(|character| !character.is_whitespace() && *character != '-');
    // Longer than any code is no code, and need not be hashed whole.
    Zeroizing::new(kept.take(64).collect())
}

/// What a proof comes to, held against an account.
enum Judgement {
    Good,
    /// The account's tickets with this attempt counted.
    WrongCode(Vec<Ticket>),
    Bad,
}

/// What became of a proof.
enum Redeemed<T> {
    Done(T),
    /// Refused, and that is written down.
    Counted,
    Refused,
}

impl Auth {
    /// Whose account a link is about, as long as it is good for that purpose: for a page that is shown before anything is
    /// done. Nothing is used up, recorded or counted: a link can't be guessed.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the store can't serve.
    pub async fn owner_of_link(&self, token: &str, purpose: Purpose) -> Result<Option<EmailAddress>, Fault> {
        let proof = TicketProof::link(token);
        let Some(user) = self.holder(&proof).await? else { return Ok(None) };
        let Some(account) = self.store.find_account(user).await? else { return Ok(None) };
        let judgement = self.judge(&account, purpose, &proof.0, self.clock.now());
        Ok(matches!(judgement, Judgement::Good).then_some(account.user.email))
    }

    /// Charges the attempt if it is one that could be a guess. To be settled.
    pub(crate) async fn admit_proof(
        &self,
        proof: &TicketProof,
        origin: Origin<'_>,
    ) -> Result<Option<Admission>, RedeemError> {
        let Presented::Code(holder, _) = &proof.0 else { return Ok(None) };
        let address = origin.address;
        let admission = match holder {
            Holder::Address(email) => self.admit(Attempt::Code { account: email.key(), address }).await?,
            Holder::User(id) => {
                let user = self.store.find_user(*id).await.map_err(Fault::from)?.ok_or(RedeemError::Invalid)?;
                self.admit(Attempt::Code { account: user.email.key(), address }).await?
            }
        };
        Ok(Some(admission))
    }

    /// Tells the limits how it went.
    pub(crate) async fn settle_proof<T>(&self, admission: Option<Admission>, outcome: &Result<T, RedeemError>) {
        let Some(admission) = admission else { return };
        let went = match outcome {
            Err(RedeemError::Invalid) => Outcome::Failed,
            Err(RedeemError::Fault(_)) => Outcome::NotCarriedOut,
            // The code was right, whatever else was not.
            Ok(_) | Err(RedeemError::WrongPassword | RedeemError::Password(_) | RedeemError::AddressTaken) => {
                Outcome::Succeeded
            }
        };
        self.settle(admission, went).await;
    }

    /// The account whose ticket of that purpose the proof is good for. Nothing is used up; a wrong code is counted.
    pub(crate) async fn proven_account(
        &self,
        proof: &TicketProof,
        purpose: Purpose,
        origin: Origin<'_>,
    ) -> Result<Account, RedeemError> {
        self.redeem(proof, purpose, origin, |account, _| Ok((None, account.clone()))).await
    }

    /// Carries out what `apply` makes of the account, if the proof is good for its ticket of that purpose. `apply` is
    /// to take the ticket out of the account.
    pub(crate) async fn redeem<T>(
        &self,
        proof: &TicketProof,
        purpose: Purpose,
        origin: Origin<'_>,
        mut apply: impl FnMut(&Account, Timestamp) -> Result<(Option<Amendment>, T), RedeemError>,
    ) -> Result<T, RedeemError> {
        let now = self.clock.now();
        let refused = |reason: &str| {
            let event = NewEvent::new(EventKind::TicketRefused, origin, now);
            event.with("purpose", purpose.as_str()).with("reason", reason)
        };
        let Some(user) = self.holder(proof).await? else {
            if let Presented::Code(..) = proof.0 {
                // As much work as for an account that there is.
                self.record_event(None, refused("code")).await?;
            }
            return Err(RedeemError::Invalid);
        };
        let redeemed = self
            .amend(user, |account| match self.judge(account, purpose, &proof.0, now) {
                Judgement::Good => apply(account, now).map(|(amendment, done)| (amendment, Redeemed::Done(done))),
                Judgement::WrongCode(tickets) => {
                    let record = self.record([refused("code")])?;
                    let after = Account { tickets, ..account.clone() };
                    Ok((Some(Amendment::new(account, after, now).with_record(record)), Redeemed::Counted))
                }
                Judgement::Bad => Ok::<_, RedeemError>((None, Redeemed::Refused)),
            })
            .await?;
        match redeemed {
            Redeemed::Done(done) => return Ok(done),
            Redeemed::Refused if matches!(proof.0, Presented::Code(..)) => {
                self.record_event(Some(user), refused("no_code")).await?;
            }
            Redeemed::Counted | Redeemed::Refused => {}
        }
        Err(RedeemError::Invalid)
    }

    async fn holder(&self, proof: &TicketProof) -> Result<Option<UserId>, Fault> {
        Ok(match &proof.0 {
            Presented::Link(link) => link.map(|(user, _)| user),
            Presented::Code(Holder::User(user), _) => Some(*user),
            Presented::Code(Holder::Address(email), _) => {
                self.store.find_account_by_email(email).await?.map(|account| account.user.id)
            }
        })
    }

    fn judge(&self, account: &Account, purpose: Purpose, presented: &Presented, now: Timestamp) -> Judgement {
        let found = presented.ticket_of(account, purpose);
        let Some(ticket) = found.filter(|ticket| account.user.is_active && is_usable(ticket, account, now)) else {
            return Judgement::Bad;
        };
        match presented {
            Presented::Link(_) => Judgement::Good,
            Presented::Code(_, code) => {
                let kept = ticket.code_hash.filter(|_| now.micros() < ticket.code_expires_at);
                let Some(kept) = kept else { return Judgement::Bad };
                if self.is_code(ticket, &kept, code) {
                    Judgement::Good
                } else {
                    Judgement::WrongCode(counted(&account.tickets, purpose))
                }
            }
        }
    }

    /// Whether that is the ticket's code, under whichever secret it was hashed. Told in constant time.
    fn is_code(&self, ticket: &Ticket, kept: &[u8; 32], code: &str) -> bool {
        let sealer = self.sealer();
        let keys = sealer.all_derived(CODE_LABEL);
        let matches = keys.map(|key| hash_code(&key, &ticket.secret_hash, code).ct_eq(kept));
        matches.fold(Choice::from(0), |any, this| any | this).into()
    }
}

/// Whether the ticket lives, and went to where it still should: to the account's address or, for a change, to the new
/// one, or to an old one that can be kept.
fn is_usable(ticket: &Ticket, account: &Account, now: Timestamp) -> bool {
    let is_addressed = matches!(ticket.purpose, Purpose::ChangeEmail | Purpose::KeepEmail)
        || EmailAddress::parse(&ticket.email).is_ok_and(|email| email.key() == account.user.email.key());
    ticket.is_alive(now) && is_addressed
}

/// The tickets with one more wrong code for that purpose.
fn counted(tickets: &[Ticket], purpose: Purpose) -> Vec<Ticket> {
    let count = |ticket: &Ticket| {
        let wrong_codes = ticket.wrong_codes.saturating_add(1);
        let code_hash = ticket.code_hash.filter(|_| wrong_codes < WRONG_CODES);
        Ticket { wrong_codes, code_hash, ..ticket.clone() }
    };
    tickets.iter().map(|ticket| if ticket.purpose == purpose { count(ticket) } else { ticket.clone() }).collect()
}

/// The account's tickets without the one of that purpose.
pub(crate) fn without(tickets: &[Ticket], purpose: Purpose) -> Vec<Ticket> {
    tickets.iter().filter(|ticket| ticket.purpose != purpose).cloned().collect()
}
