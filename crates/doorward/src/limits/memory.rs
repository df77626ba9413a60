//! Limits in the memory of one process: bounded, and never an open door.
//!
//! Three tables, so that nobody is kept out by what others fill: one of networks, one of accounts (made-up ones too), and
//! one of who is known where, which only people who have logged in get into.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::key::{LIMIT_KEY_BYTES, LimitKey};
use super::rule::{LimitState, Rule, Verdict, decide, give_back};
use crate::clock::Timestamp;
use crate::store::limits::{Admittance, Charge, ChargedAttempt, Familiar, Settlement};

/// How many keys each table keeps apart by default: some 10 MB a table when all are there.
const MOST_KEYS: usize = 200_000;
/// How many coarse keys of each rule stand in for the others when there is no room.
const COARSE_KEYS: u16 = 16_384;
/// In how many networks an account is known at most: the ones of the latest logins.
const MOST_NETWORKS: usize = 16;
/// The least time between two searches for room.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What the limits count, in the memory of one process.
///
/// One lock is enough: it is held for a few hundred nanoseconds. Keys that owe nothing make room for new ones. When all
/// of a table owe something, new keys share coarse ones, whose debts add up: strangers then wait for each other, and no
/// guess is free. Who is known where is forgotten by no flood: only time, or more people than there is room for, those
/// first whose last login is longest ago.
#[derive(Debug)]
pub struct MemoryLimits {
    keys: Mutex<Keys>,
    most_keys: usize,
}

#[derive(Debug, Default)]
struct Keys {
    networks: Debts,
    accounts: Debts,
    known: Known,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self::with_room_for(MOST_KEYS)
    }
}

impl MemoryLimits {
    /// Room for that many keys of each table, and some thousand coarse ones.
    pub fn with_room_for(most_keys: usize) -> Self {
        Self { keys: Mutex::default(), most_keys }
    }

    /// [`LimitStore::take_limits`](crate::store::LimitStore::take_limits).
    pub fn take(&self, attempt: &ChargedAttempt, now: Timestamp) -> Admittance {
        let mut keys = self.keys();
        let is_familiar = attempt.familiar.is_some_and(|familiar| keys.known.is_known(familiar.pair, now));
        keys.networks.make_room(attempt.charges.len(), self.most_keys, now);
        keys.accounts.make_room(attempt.charges.len(), self.most_keys, now);
        let mut refusal = None;
        let mut taken = Vec::with_capacity(attempt.charges.len());
        let charges = attempt.charges.iter().enumerate();
        for (index, Charge { key, rule, .. }) in charges.filter(|(_, charge)| charge.applies.holds(is_familiar)) {
            let place = keys.place(*key, rule, self.most_keys);
            match decide(keys.state(place), now, rule) {
                Verdict::Allowed(state) => taken.push((place, state)),
                Verdict::Refused(wait) if refusal.is_none_or(|(_, longest)| wait > longest) => {
                    refusal = Some((index, wait));
                }
                Verdict::Refused(_) => {}
            }
        }
        if let Some((charge, wait)) = refusal {
            return Admittance::Refused { charge, wait };
        }
        for (place, state) in taken {
            keys.put(place, state);
        }
        Admittance::Admitted { is_familiar }
    }

    /// [`LimitStore::settle_limits`](crate::store::LimitStore::settle_limits).
    pub fn settle(&self, settlement: &Settlement, now: Timestamp) {
        let mut keys = self.keys();
        for (key, rule) in &settlement.give_back {
            let place = keys.place(*key, rule, self.most_keys);
            let state = keys.state(place);
            if state != LimitState::CLEAN {
                keys.put(place, give_back(state, now, rule));
            }
        }
        if let Some((familiar, until)) = settlement.familiar {
            keys.accounts.entries.remove(familiar.pair.as_bytes());
            keys.known.learn(familiar, until, self.most_keys);
        }
    }

    /// [`LimitStore::purge_limits`](crate::store::LimitStore::purge_limits).
    pub fn purge(&self, now: Timestamp, limit: u32) -> u64 {
        let mut keys = self.keys();
        let mut left = limit;
        let mut goes = |is_over: bool| {
            let goes = left > 0 && is_over;
            left -= u32::from(goes);
            goes
        };
        keys.networks.purge(now, &mut goes);
        keys.accounts.purge(now, &mut goes);
        keys.known.purge(now, &mut goes);
        u64::from(limit - left)
    }

    /// How many keys are kept at the moment, the coarse ones among them.
    pub fn len(&self) -> usize {
        let keys = self.keys();
        keys.networks.entries.len() + keys.accounts.entries.len() + keys.known.pairs.len()
    }

    /// Whether nothing is remembered of anybody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a key's debt is kept.
#[derive(Debug, Clone, Copy)]
enum Place {
    Networks(Bytes),
    Accounts(Bytes),
    Known(LimitKey),
}

type Bytes = [u8; LIMIT_KEY_BYTES];

impl Keys {
    fn place(&self, key: LimitKey, rule: &Rule, most_keys: usize) -> Place {
        if self.known.pairs.contains_key(&key) {
            Place::Known(key)
        } else if key.is_of_network() {
            Place::Networks(self.networks.place(key, rule, most_keys))
        } else {
            Place::Accounts(self.accounts.place(key, rule, most_keys))
        }
    }

    fn state(&self, place: Place) -> LimitState {
        let state = match place {
            Place::Networks(bytes) => self.networks.entries.get(&bytes).copied(),
            Place::Accounts(bytes) => self.accounts.entries.get(&bytes).copied(),
            Place::Known(key) => self.known.pairs.get(&key).map(|pair| pair.state),
        };
        state.unwrap_or(LimitState::CLEAN)
    }

    fn put(&mut self, place: Place, state: LimitState) {
        match place {
            Place::Networks(bytes) => _ = self.networks.entries.insert(bytes, state),
            Place::Accounts(bytes) => _ = self.accounts.entries.insert(bytes, state),
            Place::Known(key) => {
                if let Some(pair) = self.known.pairs.get_mut(&key) {
                    pair.state = state;
                }
            }
        }
    }
}

/// What is owed.
#[derive(Debug, Default)]
struct Debts {
    entries: HashMap<Bytes, LimitState>,
    swept_at: Option<Timestamp>,
}

impl Debts {
    /// The key itself if it is there or there is room, else the coarse one that stands in for it.
    fn place(&self, key: LimitKey, rule: &Rule, most_keys: usize) -> Bytes {
        let bytes = *key.as_bytes();
        if self.entries.contains_key(&bytes) || self.entries.len() < most_keys { bytes } else { coarse(bytes, rule) }
    }

    fn make_room(&mut self, wanted: usize, most_keys: usize, now: Timestamp) {
        let is_too_soon = |swept_at: Timestamp| swept_at.distance(now) < SWEEP_INTERVAL;
        if self.entries.len() + wanted <= most_keys || self.swept_at.is_some_and(is_too_soon) {
            return;
        }
        self.swept_at = Some(now);
        self.entries.retain(|_, state| !state.is_clean(now));
    }

    fn purge(&mut self, now: Timestamp, goes: &mut impl FnMut(bool) -> bool) {
        self.entries.retain(|_, state| !goes(state.is_clean(now)));
        if self.entries.len() < self.entries.capacity() / 8 {
            self.entries.shrink_to_fit();
        }
    }
}

/// Who is known where, and what they owe there.
#[derive(Debug, Default)]
struct Known {
    pairs: HashMap<LimitKey, KnownPair>,
    of_account: HashMap<LimitKey, Vec<LimitKey>>,
}

#[derive(Debug, Clone, Copy)]
struct KnownPair {
    state: LimitState,
    until: Timestamp,
    account: LimitKey,
}

impl Known {
    fn is_known(&self, pair: LimitKey, now: Timestamp) -> bool {
        self.pairs.get(&pair).is_some_and(|known| known.until > now)
    }

    /// Of too many networks of an account the one goes whose time is over first; of too many people an eighth, chosen
    /// likewise.
    fn learn(&mut self, Familiar { account, pair }: Familiar, until: Timestamp, most: usize) {
        if !self.pairs.contains_key(&pair) {
            if let Some(others) = self.of_account.get(&account).filter(|others| others.len() >= MOST_NETWORKS) {
                let until = |pair: &&LimitKey| self.pairs.get(*pair).map(|known| known.until);
                if let Some(first) = others.iter().min_by_key(until).copied() {
                    self.forget(first);
                }
            }
            if self.pairs.len() >= most {
                self.forget_first(most.div_ceil(8));
            }
            self.of_account.entry(account).or_default().push(pair);
        }
        self.pairs.insert(pair, KnownPair { state: LimitState::CLEAN, until, account });
    }

    fn forget(&mut self, pair: LimitKey) {
        let Some(known) = self.pairs.remove(&pair) else { return };
        if let Some(pairs) = self.of_account.get_mut(&known.account) {
            pairs.retain(|other| *other != pair);
            if pairs.is_empty() {
                self.of_account.remove(&known.account);
            }
        }
    }

    /// Forgets that many, those whose time is over first.
    fn forget_first(&mut self, count: usize) {
        let mut all: Vec<_> = self.pairs.iter().map(|(pair, known)| (known.until, *pair)).collect();
        if all.len() > count {
            all.select_nth_unstable(count);
            all.truncate(count);
        }
        for (_, pair) in all {
            self.forget(pair);
        }
    }

    fn purge(&mut self, now: Timestamp, goes: &mut impl FnMut(bool) -> bool) {
        let is_over = |known: &KnownPair| known.until <= now && known.state.is_clean(now);
        let over: Vec<_> = self.pairs.iter().filter(|(_, known)| is_over(known)).map(|(pair, _)| *pair).collect();
        for pair in over.into_iter().filter(|_| goes(true)) {
            self.forget(pair);
        }
    }
}

/// One of a few thousand keys of each rule. That a hash comes to one of them has a chance of 2^-100.
fn coarse(bytes: [u8; LIMIT_KEY_BYTES], rule: &Rule) -> [u8; LIMIT_KEY_BYTES] {
    let number = u16::from_le_bytes([bytes[0], bytes[1]]) % COARSE_KEYS;
    let mut coarse = [0; LIMIT_KEY_BYTES];
    coarse[..2].copy_from_slice(&number.to_le_bytes());
    coarse[2..6].copy_from_slice(&rule.burst.to_le_bytes());
    let period = u64::try_from(rule.forgiven_every.as_micros()).unwrap_or(u64::MAX);
    coarse[8..].copy_from_slice(&period.to_le_bytes());
    coarse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::limits::Applies;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const RULE: Rule = Rule::steady(2, Duration::from_secs(60));

    /// Of an account, for even numbers; of a network, for odd ones.
    fn key(number: u64) -> LimitKey {
        let mut bytes = [0xfe | u8::try_from(number & 1).unwrap(); LIMIT_KEY_BYTES];
        bytes[..8].copy_from_slice(&(number / 2).to_le_bytes());
        LimitKey::from_bytes(bytes)
    }

    fn account(number: u64) -> LimitKey {
        key(number * 2)
    }

    fn network(number: u64) -> LimitKey {
        key(number * 2 + 1)
    }

    fn attempt(key: LimitKey) -> ChargedAttempt {
        let charges = vec![Charge { key, rule: RULE, applies: Applies::Always }];
        ChargedAttempt { familiar: None, charges }
    }

    fn through(limits: &MemoryLimits, keys: impl Iterator<Item = LimitKey>, now: Timestamp) -> usize {
        keys.filter(|key| matches!(limits.take(&attempt(*key), now), Admittance::Admitted { .. })).count()
    }

    fn log_in(limits: &MemoryLimits, familiar: Familiar, seconds: u64) {
        let until = START.plus(Duration::from_secs(1_000_000 + seconds));
        limits.settle(&Settlement { give_back: Vec::new(), familiar: Some((familiar, until)) }, START);
    }

    fn is_known(limits: &MemoryLimits, pair: LimitKey) -> bool {
        limits.keys().known.is_known(pair, START)
    }

    #[test]
    fn a_million_distinct_keys_take_bounded_memory_and_open_no_door() {
        const ROOM: usize = 10_000;
        let limits = MemoryLimits::with_room_for(ROOM);
        let admitted = through(&limits, (0..1_000_000).map(account), START);
        assert!(limits.len() <= ROOM + usize::from(COARSE_KEYS), "{}", limits.len());
        // Each of the first has an attempt of its own; all others share what the coarse keys have.
        assert_eq!(admitted, ROOM + usize::from(COARSE_KEYS) * 2);
        // Who was known before still is, and has what is left to them.
        assert_eq!(through(&limits, (0..2).map(account), START), 2);
        assert_eq!(through(&limits, (0..2).map(account), START), 0);
        // Networks have a table of their own.
        assert_eq!(through(&limits, (0..100).map(network), START), 100);
        // When the flood is over its traces go.
        let later = START.plus(Duration::from_secs(600));
        assert_eq!(through(&limits, (5_000_000..5_000_100).map(account), later), 100);
        assert_eq!(limits.len(), 200);
        while limits.purge(later.plus(Duration::from_secs(600)), 30) > 0 {}
        assert!(limits.is_empty());
    }

    #[test]
    fn no_flood_of_debts_makes_anybody_a_stranger() {
        let limits = MemoryLimits::with_room_for(16);
        let home = Familiar { account: account(1), pair: account(2) };
        log_in(&limits, home, 0);
        through(&limits, (100..100_000).map(key), START);
        assert!(is_known(&limits, home.pair));
        // And owes what they owe themselves, and nothing of what the flood does.
        assert_eq!(through(&limits, [home.pair; 3].into_iter(), START), 2);
    }

    #[test]
    fn an_account_is_known_in_the_networks_of_its_latest_logins() {
        let limits = MemoryLimits::with_room_for(1000);
        let of = |number: u64| Familiar { account: account(1), pair: account(100 + number) };
        let other = Familiar { account: account(2), pair: account(99) };
        log_in(&limits, other, 0);
        let most = MOST_NETWORKS as u64;
        for number in 0..most + 2 {
            log_in(&limits, of(number), number);
            log_in(&limits, of(0), most);
        }
        let known: Vec<_> = (0..most + 2).filter(|number| is_known(&limits, of(*number).pair)).collect();
        assert_eq!(known, [&[0][..], &(3..most + 2).collect::<Vec<_>>()].concat());
        assert!(is_known(&limits, other.pair));
        assert_eq!(limits.len(), MOST_NETWORKS + 1);
    }

    #[test]
    fn of_more_people_than_there_is_room_for_those_go_who_came_longest_ago() {
        let limits = MemoryLimits::with_room_for(16);
        for number in 0..17 {
            log_in(&limits, Familiar { account: account(number), pair: account(100 + number) }, number);
        }
        let known: Vec<_> = (0..17).filter(|number| is_known(&limits, account(100 + number))).collect();
        assert_eq!(known, (2..17).collect::<Vec<_>>());
        let over = START.plus(Duration::from_secs(2_000_000));
        assert_eq!((limits.purge(over, 10), limits.purge(over, 10)), (10, 5));
        let keys = limits.keys();
        assert!(keys.known.pairs.is_empty() && keys.known.of_account.is_empty());
    }
}
