//! Limits in the memory of one process: bounded, and never an open door.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::key::{LIMIT_KEY_BYTES, LimitKey};
use super::rule::{LimitState, Rule, Verdict, decide, give_back};
use crate::clock::Timestamp;
use crate::store::limits::{Admittance, Charge, ChargedAttempt, Settlement};

/// How many keys are kept apart by default: some 20 MB when all are there.
const MOST_KEYS: usize = 200_000;
/// How many coarse keys stand in for the others when there is no room.
const COARSE_KEYS: u16 = 4096;
/// The least time between two searches for room.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What the limits count, in the memory of one process.
///
/// One lock is enough: it is held for a few hundred nanoseconds. Keys that owe nothing make room for new ones. When
/// all owe something, what is known of familiar networks goes, the oldest first; and when there is still no room,
/// new keys share coarse ones, whose debts add up: strangers then wait for each other, and no guess is free.
#[derive(Debug)]
pub struct MemoryLimits {
    keys: Mutex<Keys>,
    most_keys: usize,
}

#[derive(Debug, Default)]
struct Keys {
    entries: HashMap<[u8; LIMIT_KEY_BYTES], Entry>,
    swept_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    state: LimitState,
    familiar_until: Timestamp,
}

impl Entry {
    const CLEAN: Self = Self { state: LimitState::CLEAN, familiar_until: Timestamp::from_micros(0) };

    fn is_clean(&self, now: Timestamp) -> bool {
        self.state.is_clean(now) && self.familiar_until <= now
    }
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self::with_room_for(MOST_KEYS)
    }
}

impl MemoryLimits {
    /// Room for that many keys, and some thousand coarse ones.
    pub fn with_room_for(most_keys: usize) -> Self {
        Self { keys: Mutex::default(), most_keys }
    }

    /// [`LimitStore::take_limits`](crate::store::LimitStore::take_limits).
    pub fn take(&self, attempt: &ChargedAttempt, now: Timestamp) -> Admittance {
        let mut keys = self.keys();
        let is_familiar = attempt.familiar.is_some_and(|key| keys.is_familiar(key, now));
        let applying = || attempt.charges.iter().enumerate().filter(|(_, charge)| charge.applies.holds(is_familiar));
        self.make_room(&mut keys, applying().count(), now);
        let mut refusal = None;
        let mut taken = Vec::with_capacity(attempt.charges.len());
        for (index, Charge { key, rule, .. }) in applying() {
            let place = keys.place(*key, rule, self.most_keys);
            match decide(keys.entry(place).state, now, rule) {
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
            keys.entries.entry(place).or_insert(Entry::CLEAN).state = state;
        }
        Admittance::Admitted { is_familiar }
    }

    /// [`LimitStore::settle_limits`](crate::store::LimitStore::settle_limits).
    pub fn settle(&self, settlement: &Settlement, now: Timestamp) {
        let mut keys = self.keys();
        for (key, rule) in &settlement.give_back {
            let place = keys.place(*key, rule, self.most_keys);
            if let Some(entry) = keys.entries.get_mut(&place) {
                entry.state = give_back(entry.state, now, rule);
            }
        }
        // A coarse key is many people's: nothing is forgotten of it, and it makes nobody familiar.
        if let Some((key, until)) = settlement.familiar
            && let Some(entry) = keys.entries.get_mut(key.as_bytes())
        {
            *entry = Entry { state: LimitState::CLEAN, familiar_until: until };
        }
    }

    /// [`LimitStore::purge_limits`](crate::store::LimitStore::purge_limits).
    pub fn purge(&self, now: Timestamp, limit: u32) -> u64 {
        let mut keys = self.keys();
        let before = keys.entries.len();
        let mut left = limit;
        keys.entries.retain(|_, entry| {
            let goes = left > 0 && entry.is_clean(now);
            left -= u32::from(goes);
            !goes
        });
        let gone = before - keys.entries.len();
        if keys.entries.len() < keys.entries.capacity() / 8 {
            keys.entries.shrink_to_fit();
        }
        gone as u64
    }

    /// How many keys are kept at the moment, the coarse ones among them.
    pub fn len(&self) -> usize {
        self.keys().entries.len()
    }

    /// Whether nothing is remembered of anybody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn make_room(&self, keys: &mut Keys, wanted: usize, now: Timestamp) {
        let is_full = |keys: &Keys| keys.entries.len() + wanted > self.most_keys;
        let is_too_soon = |swept_at: Timestamp| swept_at.distance(now) < SWEEP_INTERVAL;
        if !is_full(keys) || keys.swept_at.is_some_and(is_too_soon) {
            return;
        }
        keys.swept_at = Some(now);
        keys.entries.retain(|_, entry| !entry.is_clean(now));
        if is_full(keys) {
            keys.forget_familiar(self.most_keys / 8, now);
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn is_familiar(&self, key: LimitKey, now: Timestamp) -> bool {
        self.entries.get(key.as_bytes()).is_some_and(|entry| entry.familiar_until > now)
    }

    fn entry(&self, place: [u8; LIMIT_KEY_BYTES]) -> Entry {
        self.entries.get(&place).copied().unwrap_or(Entry::CLEAN)
    }

    /// The key itself if it is known or there is room, else the coarse one that stands in for it.
    fn place(&self, key: LimitKey, rule: &Rule, most_keys: usize) -> [u8; LIMIT_KEY_BYTES] {
        let bytes = *key.as_bytes();
        if self.entries.contains_key(&bytes) || self.entries.len() < most_keys { bytes } else { coarse(bytes, rule) }
    }

    /// Forgets that many of the familiar networks that owe nothing, those whose time is over first.
    fn forget_familiar(&mut self, count: usize, now: Timestamp) {
        let mut idle: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.state.is_clean(now))
            .map(|(key, entry)| (entry.familiar_until, *key))
            .collect();
        if idle.len() > count && count > 0 {
            idle.select_nth_unstable(count - 1);
            idle.truncate(count);
        }
        for (_, key) in idle {
            self.entries.remove(&key);
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

    fn key(number: u64) -> LimitKey {
        let mut bytes = [0xff; LIMIT_KEY_BYTES];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        LimitKey::from_bytes(bytes)
    }

    fn attempt(number: u64) -> ChargedAttempt {
        let charges = vec![Charge { key: key(number), rule: RULE, applies: Applies::Always }];
        ChargedAttempt { familiar: None, charges }
    }

    fn through(limits: &MemoryLimits, numbers: impl Iterator<Item = u64>, now: Timestamp) -> usize {
        numbers.filter(|number| matches!(limits.take(&attempt(*number), now), Admittance::Admitted { .. })).count()
    }

    #[test]
    fn a_million_distinct_keys_take_bounded_memory_and_open_no_door() {
        const ROOM: usize = 10_000;
        let limits = MemoryLimits::with_room_for(ROOM);
        let admitted = through(&limits, 0..1_000_000, START);
        assert!(limits.len() <= ROOM + usize::from(COARSE_KEYS), "{}", limits.len());
        // Each of the first has an attempt of its own; all others share what the coarse keys have.
        assert_eq!(admitted, ROOM + usize::from(COARSE_KEYS) * 2);
        // Who was known before still is, and has what is left to them.
        assert_eq!(through(&limits, 0..2, START), 2);
        assert_eq!(through(&limits, 0..2, START), 0);
        // When the flood is over its traces go.
        let later = START.plus(Duration::from_secs(600));
        assert_eq!(through(&limits, 5_000_000..5_000_100, later), 100);
        assert_eq!(limits.len(), 100);
        while limits.purge(later.plus(Duration::from_secs(600)), 30) > 0 {}
        assert!(limits.is_empty());
    }

    #[test]
    fn familiar_networks_give_way_to_debts_and_not_the_other_way() {
        let limits = MemoryLimits::with_room_for(16);
        for number in 0..16 {
            through(&limits, number..=number, START);
            let until = START.plus(Duration::from_secs(1_000_000 + number));
            limits.settle(&Settlement { give_back: Vec::new(), familiar: Some((key(number), until)) }, START);
        }
        through(&limits, 100..102, START);
        assert_eq!(limits.len(), 16);
        let keys = limits.keys();
        assert!(!keys.is_familiar(key(0), START) && !keys.is_familiar(key(1), START), "the oldest went");
        assert!((2..16).all(|number| keys.is_familiar(key(number), START)));
    }
}
