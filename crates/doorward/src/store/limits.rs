//! The port for limits: debts taken before an attempt and settled after it.

use std::fmt::Debug;
use std::time::Duration;

use super::StoreResult;
use crate::clock::Timestamp;
use crate::limits::{LimitKey, Rule};

/// Keeps what the limits count. A store that is one process' own keeps it in that process
/// ([`MemoryLimits`](crate::limits::MemoryLimits)); one that nodes share keeps it where all of them look.
#[async_trait::async_trait]
pub trait LimitStore: Debug + Send + Sync {
    /// Charges an attempt to all of its keys, or to none when one of them refuses: exact however many attempts
    /// come at once. What each charge comes to is [`decide`](crate::limits::decide)'s word.
    async fn take_limits(&self, attempt: &ChargedAttempt, now: Timestamp) -> StoreResult<Admittance>;

    /// Takes back what an admitted attempt need not have cost after all.
    async fn settle_limits(&self, settlement: &Settlement, now: Timestamp) -> StoreResult<()>;

    /// Forgets up to `limit` keys that owe nothing and make nobody familiar; says how many.
    async fn purge_limits(&self, now: Timestamp, limit: u32) -> StoreResult<u64>;
}

/// An attempt and what it is charged to.
#[derive(Debug, Clone, Default)]
pub struct ChargedAttempt {
    /// What makes the sender familiar, if there is such a thing.
    pub familiar: Option<Familiar>,
    /// What is charged, each key once.
    pub charges: Vec<Charge>,
}

/// An account and a network where it may be known. A stranger's attempts never make one: a store keeps it where no debt
/// of theirs takes its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Familiar {
    /// Names the account.
    pub account: LimitKey,
    /// The account in that network: the key that is charged, too.
    pub pair: LimitKey,
}

/// One attempt charged to one key.
#[derive(Debug, Clone, Copy)]
pub struct Charge {
    /// Whom.
    pub key: LimitKey,
    /// By which rule.
    pub rule: Rule,
    /// Whether it is charged at all.
    pub applies: Applies,
}

/// To whom a charge applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// Everybody.
    Always,
    /// Who isn't familiar.
    ToStrangers,
    /// Who is.
    ToFamiliar,
}

impl Applies {
    /// Whether the charge is made.
    pub const fn holds(self, is_familiar: bool) -> bool {
        match self {
            Self::Always => true,
            Self::ToStrangers => !is_familiar,
            Self::ToFamiliar => is_familiar,
        }
    }
}

/// What became of [`LimitStore::take_limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admittance {
    /// Every charge that applies was made.
    Admitted {
        /// Whether the sender was familiar.
        is_familiar: bool,
    },
    /// Nothing was charged.
    Refused {
        /// Which charge has the longest wait, by its place in the list; the first of several.
        charge: usize,
        /// That wait.
        wait: Duration,
    },
}

/// What is taken back.
#[derive(Debug, Clone, Default)]
pub struct Settlement {
    /// Charges that are given back: one attempt each.
    pub give_back: Vec<(LimitKey, Rule)>,
    /// Who is familiar until that moment. What the pair owes is forgotten, all of it.
    pub familiar: Option<(Familiar, Timestamp)>,
}
