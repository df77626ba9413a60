//! What is limited and how much: the one table.
//!
//! A new limit is a line in [`Limit`], a line in [`TABLE`], and an [`Attempt`](super::Attempt) that charges it.

use std::time::Duration;

use super::rule::Rule;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Failed logins from a network by people who are not known there, whatever the accounts.
    LoginNetwork,
    /// Logins from a network by people who logged in from there lately, successful ones too.
    LoginFamiliar,
    /// Failed logins to an account from all networks together where its owner is not known.
    LoginAccount,
    /// Failed logins to an account from one network.
    LoginPair,
    /// Registrations from a network, the refused ones too.
    Registration,
    /// Refreshes from a network that got nothing. Counted in each process on its own: no token can be guessed, so
    /// this only spares the database, and must not cost it a second trip.
    Refresh,
    /// Requests from a network to recover an account.
    RecoveryNetwork,
    /// Requests to recover an account: each may send its owner a message.
    RecoveryAccount,
    /// Wrong codes from a network.
    CodeNetwork,
    /// Wrong codes out of messages, for an account.
    CodeAccount,
    /// Wrong codes of the second factor of an account, from all networks together where its owner is not known.
    SecondFactorAccount,
    /// Wrong codes of the second factor of an account from one network.
    SecondFactorPair,
    /// Letters that an account asks for: to prove its address, or to change it.
    LetterSender,
    /// Letters to one address that changes of address ask for, whosever account it is.
    LetterRecipient,
    /// Changes and exports that an account asks for with nothing but a token: each is written into the audit trail.
    AccountEvents,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Every limit with its name in metrics and logs and its rule, in the order of [`Limit`].
const TABLE: [(Limit, &str, Rule); 15] = [
    (Limit::LoginNetwork, "login_network", Rule::steady(100, Duration::from_secs(30))),
    (Limit::LoginFamiliar, "login_familiar", Rule::steady(300, SECOND)),
    (Limit::LoginAccount, "login_account", Rule::steady(20, Duration::from_secs(20 * 60))),
    (Limit::LoginPair, "login_pair", Rule::doubling(5, Duration::from_secs(10), Duration::from_secs(30 * 60))),
    (Limit::Registration, "registration", Rule::steady(20, Duration::from_secs(3 * 60))),
    (Limit::Refresh, "refresh", Rule::steady(1000, Duration::from_millis(20))),
    (Limit::RecoveryNetwork, "recovery_network", Rule::steady(20, Duration::from_secs(3 * 60))),
    (Limit::RecoveryAccount, "recovery_account", Rule::doubling(3, MINUTE, Duration::from_secs(60 * 60))),
    (Limit::CodeNetwork, "code_network", Rule::steady(60, MINUTE)),
    (Limit::CodeAccount, "code_account", Rule::doubling(5, Duration::from_secs(30), Duration::from_secs(60 * 60))),
    (Limit::SecondFactorAccount, "second_factor_account", Rule::steady(10, Duration::from_secs(40 * 60))),
    (Limit::SecondFactorPair, "second_factor_pair", Rule::doubling(5, Duration::from_secs(10), HOUR)),
    (Limit::LetterSender, "letter_sender", Rule::doubling(3, MINUTE, HOUR)),
    (Limit::LetterRecipient, "letter_recipient", Rule::doubling(3, MINUTE, HOUR)),
    (Limit::AccountEvents, "account_events", Rule::steady(60, Duration::from_secs(10))),
];

impl Limit {
    /// How many there are.
    pub const COUNT: usize = TABLE.len();

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(limit, ..)| *limit)
    }

    /// Its name in metrics, logs and the guide.
    pub const fn name(self) -> &'static str {
        TABLE[self.index()].1
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// The rule of every limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRules {
    rules: [Rule; Limit::COUNT],
    /// How long a network stays familiar to an account after a login from there. 30 days by default.
    pub familiar_for: Duration,
}

impl LimitRules {
    /// The rule of `limit`.
    pub const fn rule(&self, limit: Limit) -> &Rule {
        &self.rules[limit.index()]
    }

    /// The same with another rule for `limit`.
    #[must_use]
    pub const fn with(mut self, limit: Limit, rule: Rule) -> Self {
        self.rules[limit.index()] = rule;
        self
    }
}

impl Default for LimitRules {
    fn default() -> Self {
        Self { rules: TABLE.map(|(.., rule)| rule), familiar_for: Duration::from_secs(30 * 24 * 60 * 60) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_limits() {
        for (index, (limit, name, rule)) in TABLE.into_iter().enumerate() {
            assert_eq!((limit.index(), limit.name(), LimitRules::default().rule(limit)), (index, name, &rule));
            assert!(rule.burst > 0 && !rule.forgiven_every.is_zero());
        }
    }

    #[test]
    fn one_network_alone_never_uses_up_what_an_account_has_for_others() {
        let rules = LimitRules::default();
        let (pair, account) = (rules.rule(Limit::LoginPair), rules.rule(Limit::LoginAccount));
        // In the long run one network gets an attempt each `longest_wait`.
        assert!(pair.longest_wait() > account.forgiven_every);
        let (pair, account) = (rules.rule(Limit::SecondFactorPair), rules.rule(Limit::SecondFactorAccount));
        assert!(pair.longest_wait() > account.forgiven_every);
    }
}
