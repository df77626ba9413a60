//! Which limits an attempt is charged to, and what it gets back.

use std::net::IpAddr;

use super::Outcome;
use super::key::{LimitKey, LimitKeys};
use super::rule::Rule;
use super::rules::{Limit, LimitRules};
use crate::clock::Timestamp;
use crate::network::Network;
use crate::store::limits::{Applies, Charge, ChargedAttempt, Familiar, Settlement};

/// Something that is limited, and who tries it from where. The account is the
/// [key](crate::EmailAddress::key) of an address, whether or not anybody has it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Attempt<'a> {
    /// A password for an account: at login, and wherever a person proves who they are once more.
    Password {
        /// Whose password it would be.
        account: &'a str,
        /// The client's address.
        address: Option<IpAddr>,
    },
    /// A registration.
    Registration {
        /// The client's address.
        address: Option<IpAddr>,
    },
    /// A refresh token.
    Refresh {
        /// The client's address.
        address: Option<IpAddr>,
    },
    /// A request to recover an account.
    Recovery {
        /// Which.
        account: &'a str,
        /// The client's address.
        address: Option<IpAddr>,
    },
    /// A letter that somebody who is logged in asks for, to prove the address of their account. Counted apart from
    /// recovery: a stolen session must not use up what its owner recovers with.
    Verification {
        /// Whose account.
        account: &'a str,
        /// The client's address.
        address: Option<IpAddr>,
    },
    /// A change of address, asked for by somebody who has proven who they are. Counted apart from recovery: it goes to
    /// whatever address they name, and must not use up what that person recovers with.
    EmailChange {
        /// Whose account.
        account: &'a str,
        /// The address that gets a letter.
        to: &'a str,
        /// The client's address.
        address: Option<IpAddr>,
    },
    /// A registration with an address that is taken, of which its owner is told. Only the address is charged: the
    /// registration is counted by [`Registration`](Self::Registration).
    AddressInUse {
        /// The address that gets a letter.
        to: &'a str,
    },
    /// Something that an account asks for with nothing but a token, and that is written into its audit trail.
    Event {
        /// Whose account.
        account: &'a str,
    },
    /// A code from a message, for an account.
    Code {
        /// Whose code it would be.
        account: &'a str,
        /// The client's address.
        address: Option<IpAddr>,
    },
    /// A code of the second factor, by somebody who knows the password. Counted apart from codes out of messages, which
    /// anybody can guess at who knows an address: they must not keep the owner's authenticator waiting.
    SecondFactor {
        /// Whose code it would be.
        account: &'a str,
        /// The client's address.
        address: Option<IpAddr>,
    },
}

/// What a success gets back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnSuccess {
    /// Nothing: the limit counts every attempt.
    Keep,
    /// Its own charge.
    GiveBack,
}

use Applies::{Always, ToFamiliar, ToStrangers};
use OnSuccess::{GiveBack, Keep};

impl Attempt<'_> {
    /// The client's address, where it is known.
    pub(super) const fn address(&self) -> Option<IpAddr> {
        match *self {
            Self::Password { address, .. }
            | Self::Registration { address }
            | Self::Refresh { address }
            | Self::Recovery { address, .. }
            | Self::Verification { address, .. }
            | Self::EmailChange { address, .. }
            | Self::Code { address, .. }
            | Self::SecondFactor { address, .. } => address,
            Self::AddressInUse { .. } | Self::Event { .. } => None,
        }
    }

    /// Whom each limit counts, and what a success gets back.
    pub(super) fn charge<'a>(&self, keys: &'a LimitKeys, rules: &'a LimitRules) -> Charged<'a> {
        let mut charged = Charged { attempt: ChargedAttempt::default(), made: Vec::new(), keys, rules };
        match *self {
            Self::Password { account, address } => {
                charged.network(Limit::LoginNetwork, address, ToStrangers, GiveBack);
                charged.network(Limit::LoginFamiliar, address, ToFamiliar, Keep);
                charged.account(Limit::LoginAccount, account, ToStrangers, GiveBack);
                charged.pair(Limit::LoginPair, (account, address), Keep);
                charged.make_familiar(account, address);
            }
            Self::Registration { address } => charged.network(Limit::Registration, address, Always, Keep),
            Self::Refresh { address } => charged.network(Limit::Refresh, address, Always, GiveBack),
            Self::Recovery { account, address } => {
                charged.network(Limit::RecoveryNetwork, address, Always, Keep);
                charged.account(Limit::RecoveryAccount, account, Always, Keep);
            }
            Self::Verification { account, address } => {
                charged.network(Limit::RecoveryNetwork, address, Always, Keep);
                charged.account(Limit::LetterSender, account, Always, Keep);
            }
            Self::EmailChange { account, to, address } => {
                charged.network(Limit::RecoveryNetwork, address, Always, Keep);
                charged.account(Limit::LetterSender, account, Always, Keep);
                charged.account(Limit::LetterRecipient, to, Always, Keep);
            }
            Self::AddressInUse { to } => charged.account(Limit::LetterRecipient, to, Always, Keep),
            Self::Event { account } => charged.account(Limit::AccountEvents, account, Always, Keep),
            Self::Code { account, address } => {
                charged.network(Limit::CodeNetwork, address, Always, GiveBack);
                charged.account(Limit::CodeAccount, account, Always, GiveBack);
            }
            // Who gets in with both factors is known as who gets in with the only one: by the pair of the passwords.
            Self::SecondFactor { account, address } => {
                charged.network(Limit::CodeNetwork, address, ToStrangers, GiveBack);
                charged.account(Limit::SecondFactorAccount, account, ToStrangers, GiveBack);
                charged.pair(Limit::SecondFactorPair, (account, address), GiveBack);
                charged.make_familiar(account, address);
            }
        }
        charged
    }

    /// Whether each process counts on its own.
    pub(super) const fn is_counted_here(&self) -> bool {
        matches!(self, Self::Refresh { .. })
    }
}

/// An attempt with its charges, and for each its limit and what a success gets back.
#[derive(Debug)]
pub(super) struct Charged<'a> {
    pub(super) attempt: ChargedAttempt,
    made: Vec<(Limit, OnSuccess)>,
    keys: &'a LimitKeys,
    rules: &'a LimitRules,
}

impl Charged<'_> {
    /// The client's network on each of its rungs: a wider one has more room, and not as much more as it has clients.
    fn network(&mut self, limit: Limit, address: Option<IpAddr>, applies: Applies, on_success: OnSuccess) {
        for network in Network::ladder(address) {
            let rule = self.rules.rule(limit).with_room(network.room());
            self.add((limit, self.keys.of_network(limit, network)), rule, applies, on_success);
        }
    }

    fn account(&mut self, limit: Limit, account: &str, applies: Applies, on_success: OnSuccess) {
        self.add((limit, self.keys.of_account(limit, account)), *self.rules.rule(limit), applies, on_success);
    }

    fn pair(&mut self, limit: Limit, (account, address): (&str, Option<IpAddr>), on_success: OnSuccess) {
        let key = self.keys.of_pair(limit, Network::of(address), account);
        self.add((limit, key), *self.rules.rule(limit), Always, on_success);
    }

    fn add(&mut self, (limit, key): (Limit, LimitKey), rule: Rule, applies: Applies, on_success: OnSuccess) {
        self.attempt.charges.push(Charge { key, rule, applies });
        self.made.push((limit, on_success));
    }

    /// A success makes the account known in that network.
    fn make_familiar(&mut self, account: &str, address: Option<IpAddr>) {
        self.attempt.familiar = Some(Familiar {
            account: self.keys.of_account(Limit::LoginPair, account),
            pair: self.keys.of_pair(Limit::LoginPair, Network::of(address), account),
        });
    }

    pub(super) fn limit(&self, charge: usize) -> Limit {
        self.made.get(charge).map_or(Limit::LoginNetwork, |(limit, _)| *limit)
    }

    pub(super) fn admitted(self, is_familiar: bool, familiar_until: Timestamp) -> Admission {
        let charges = self.attempt.charges.into_iter().zip(self.made);
        let made = charges.filter(|(charge, _)| charge.applies.holds(is_familiar));
        let made: Vec<_> =
            made.map(|(charge, (limit, on_success))| (charge.key, charge.rule, limit, on_success)).collect();
        Admission { made, familiar: self.attempt.familiar.map(|familiar| (familiar, familiar_until)) }
    }
}

/// The leave to go on with an attempt. Whatever comes of it, [`Auth::settle`](crate::Auth::settle) is to be told.
#[derive(Debug)]
#[must_use = "settle it when the outcome is known"]
pub struct Admission {
    made: Vec<(LimitKey, Rule, Limit, OnSuccess)>,
    /// What makes the sender familiar, and until when. A success forgets every debt of it.
    familiar: Option<(Familiar, Timestamp)>,
}

impl Admission {
    /// Where nothing is limited.
    pub(super) const fn uncounted() -> Self {
        Self { made: Vec::new(), familiar: None }
    }

    pub(super) fn is_counted_here(&self) -> bool {
        self.made.iter().all(|(.., limit, _)| *limit == Limit::Refresh)
    }

    /// What the outcome takes back, if anything.
    pub(super) fn settlement(&self, outcome: Outcome) -> Option<Settlement> {
        let mut settlement = Settlement::default();
        for (key, rule, _, on_success) in &self.made {
            let is_given_back = match outcome {
                Outcome::Failed => false,
                Outcome::NotCarriedOut | Outcome::Barred => true,
                // Nothing is to be given back of what is forgotten.
                Outcome::Succeeded | Outcome::Pending => *on_success == GiveBack,
            };
            if is_given_back {
                settlement.give_back.push((*key, *rule));
            }
        }
        settlement.familiar = self.familiar.filter(|_| outcome == Outcome::Succeeded);
        (settlement.familiar.is_some() || !settlement.give_back.is_empty()).then_some(settlement)
    }
}
