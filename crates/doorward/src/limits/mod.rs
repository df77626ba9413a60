//! Limits against guessing and flooding: on by default, counted **before** a password is hashed.
//!
//! | file | what |
//! | --- | --- |
//! | `rules.rs` | what is limited and how much: the one table |
//! | `rule.rs` | what a rule says of one more attempt; pure |
//! | `attempt.rs` | which limits an attempt is charged to, and what it gets back |
//! | `key.rs` | whom a limit counts: a keyed hash of a network, an account, or both |
//! | `memory.rs` | what is counted, in the memory of one process |
//! | `refusals.rs` | how many were refused, for metrics and a log that no flood fills |
//!
//! An attempt is charged to all of its keys at once, or to none when one refuses, and **then** carried out; a
//! success gives back what it need not have cost. So a thousand attempts at once get no further than a thousand one
//! after the other. Nobody is ever locked out: waits grow, and have a bound. An account without an owner is counted
//! like any other. A person is *familiar* where they logged in lately: what strangers do to their account from
//! elsewhere, and their neighbours to the network, keeps them out of nothing.

mod attempt;
mod key;
mod memory;
mod refusals;
mod rule;
mod rules;

use std::net::IpAddr;
use std::time::Duration;

pub use attempt::{Admission, Attempt};
pub use key::{LIMIT_KEY_BYTES, LimitKey};
pub use memory::MemoryLimits;
pub use rule::{Beyond, CLOCK_MARGIN, LimitState, Rule, Verdict, decide, give_back};
pub use rules::{Limit, LimitRules};

use crate::auth::Auth;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::store::limits::Admittance;
use crate::user::User;
pub(crate) use key::LimitKeys;
use refusals::Refusals;

/// Too many attempts. Says neither which limit nor whether there is such an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts")]
pub struct RateLimited {
    /// After which time the next attempt may come.
    pub retry_after: Duration,
}

/// The limits of an [`Auth`].
#[derive(Debug)]
pub(crate) struct Limits {
    rules: Option<LimitRules>,
    /// What each process counts on its own: a refresh must not cost a second trip to the database.
    own: MemoryLimits,
    refusals: Refusals,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rules: Some(LimitRules::default()), own: MemoryLimits::default(), refusals: Refusals::default() }
    }
}

impl Limits {
    fn refused(&self, limit: Limit, retry_after: Duration, (client, now): (Option<IpAddr>, Timestamp)) -> Fault {
        self.refusals.note(limit, client, now);
        Fault::Limited(RateLimited { retry_after })
    }
}

impl Auth {
    /// The same with other rules for the limits.
    #[must_use]
    pub fn with_limit_rules(mut self, rules: LimitRules) -> Self {
        self.limits.rules = Some(rules);
        self
    }

    /// The same without any limit: for load tests. Nobody is kept from guessing passwords then.
    #[must_use]
    pub fn danger_without_limits(mut self) -> Self {
        self.limits.rules = None;
        self
    }

    /// How often each limit has refused an attempt in this process.
    pub fn refused_by_limits(&self) -> impl Iterator<Item = (Limit, u64)> + '_ {
        Limit::all().map(|limit| (limit, self.limits.refusals.count(limit)))
    }

    /// Charges an attempt before it is carried out. The use cases do; an application does for what it adds, such as
    /// codes of its own. To be [settled](Self::settle) when its outcome is known; an
    /// attempt whose sender went away meanwhile stays charged.
    ///
    /// # Errors
    ///
    /// [`Fault::Limited`], or [`Fault::Store`] when the store can't count: nobody is let in uncounted.
    pub async fn admit(&self, attempt: Attempt<'_>) -> Result<Admission, Fault> {
        let (now, sealer) = (self.clock.now(), self.fresh_sealer().await?);
        let Some(rules) = &self.limits.rules else { return Ok(Admission::uncounted()) };
        let charged = attempt.charge(&sealer.limit_keys, rules);
        let admittance = if attempt.is_counted_here() {
            self.limits.own.take(&charged.attempt, now)
        } else {
            self.store.take_limits(&charged.attempt, now).await?
        };
        match admittance {
            Admittance::Admitted { is_familiar } => Ok(charged.admitted(is_familiar, now.plus(rules.familiar_for))),
            Admittance::Refused { charge, wait } => {
                Err(self.limits.refused(charged.limit(charge), wait, (attempt.address(), now)))
            }
        }
    }

    /// Charges the account for an event that costs it nothing else.
    pub(crate) async fn admit_event(&self, user: &User) -> Result<(), Fault> {
        let admission = self.admit(Attempt::Event { account: user.email.key() }).await?;
        self.settle(admission, Outcome::Succeeded).await;
        Ok(())
    }

    /// Gives an attempt back what its outcome says. When the store can't, the charges stay.
    pub async fn settle(&self, admission: Admission, outcome: Outcome) {
        let Some(settlement) = admission.settlement(outcome) else { return };
        let now = self.clock.now();
        if admission.is_counted_here() {
            self.limits.own.settle(&settlement, now);
        } else if let Err(error) = self.store.settle_limits(&settlement, now).await {
            tracing::warn!(event = "limits_unsettled", %error);
        }
    }
}

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It got what it asked for.
    Succeeded,
    /// It was no guess, but whoever made it has yet to prove more. What counts guesses gives it back; nothing is
    /// forgotten, and nobody becomes familiar: who knows a password only is no owner.
    Pending,
    /// It was no guess, but the account lets nobody in now: it waits for its address to be verified or for another
    /// password, or is deactivated. As if it had not been made: who can be let in later must not wait for it then.
    Barred,
    /// It was refused.
    Failed,
    /// It was never carried out: nothing was learnt by it.
    NotCarriedOut,
}

impl Outcome {
    /// The outcome of a use case. A [`Fault`] says nothing about what was sent.
    pub(crate) fn of<T, E>(result: &Result<T, E>, is_fault: impl FnOnce(&E) -> bool) -> Self {
        match result {
            Ok(_) => Self::Succeeded,
            Err(error) if is_fault(error) => Self::NotCarriedOut,
            Err(_) => Self::Failed,
        }
    }
}
