//! The part of the contract, and of the random scripts, that is about limits.

#![expect(clippy::unwrap_used, reason = "a test suite: its failures are panics")]

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::limits::{LIMIT_KEY_BYTES, LimitKey, Rule};
use crate::store::Store;
use crate::store::limits::{Admittance, Applies, Charge, ChargedAttempt, Familiar, Settlement};

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
const STEADY: Rule = Rule::steady(3, Duration::from_secs(60));
const GENEROUS: Rule = Rule::steady(1000, Duration::from_secs(1));
const GROWING: Rule = Rule::doubling(2, Duration::from_secs(10), Duration::from_secs(300));

fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

/// Of an account: of another for each number.
fn key(number: u8) -> LimitKey {
    let mut bytes = [number; LIMIT_KEY_BYTES];
    bytes[LIMIT_KEY_BYTES - 1] = 0;
    LimitKey::from_bytes(bytes)
}

/// Somebody of that number in the one network that they come from.
fn familiar(number: u8) -> Familiar {
    Familiar { account: key(number), pair: key(number) }
}

fn always(number: u8, rule: Rule) -> Charge {
    Charge { key: key(number), rule, applies: Applies::Always }
}

fn attempt(charges: impl Into<Vec<Charge>>) -> ChargedAttempt {
    ChargedAttempt { familiar: None, charges: charges.into() }
}

async fn take(store: &dyn Store, attempt: &ChargedAttempt, now: Timestamp) -> Admittance {
    store.take_limits(attempt, now).await.unwrap()
}

fn refused(charge: usize, seconds: u64) -> Admittance {
    Admittance::Refused { charge, wait: Duration::from_secs(seconds) }
}

const ADMITTED: Admittance = Admittance::Admitted { is_familiar: false };

pub async fn a_limit_gives_its_burst_and_then_its_rate(store: Arc<dyn Store>) {
    let attempt = attempt([always(1, STEADY)]);
    for _ in 0..3 {
        assert_eq!(take(&*store, &attempt, START).await, ADMITTED);
    }
    for _ in 0..3 {
        assert_eq!(take(&*store, &attempt, START).await, refused(0, 60));
    }
    assert_eq!(take(&*store, &attempt, at(59)).await, refused(0, 1));
    assert_eq!(take(&*store, &attempt, at(60)).await, ADMITTED);
    assert_eq!(take(&*store, &attempt, at(60)).await, refused(0, 60));
}

pub async fn waits_double_up_to_their_bound(store: Arc<dyn Store>) {
    let attempt = attempt([always(1, GROWING)]);
    let mut now = START;
    assert_eq!(take(&*store, &attempt, now).await, ADMITTED);
    for wait in [10, 20, 40, 80, 160, 160, 300, 300] {
        assert_eq!(take(&*store, &attempt, now).await, ADMITTED);
        assert_eq!(take(&*store, &attempt, now).await, refused(0, wait));
        now = now.plus(Duration::from_secs(wait));
    }
}

pub async fn an_attempt_is_charged_to_all_keys_or_to_none(store: Arc<dyn Store>) {
    for _ in 0..3 {
        take(&*store, &attempt([always(1, STEADY)]), START).await;
    }
    let both = attempt([always(2, GROWING), always(1, STEADY)]);
    for _ in 0..10 {
        assert_eq!(take(&*store, &both, START).await, refused(1, 60));
    }
    // The other key owes nothing for it.
    for _ in 0..2 {
        assert_eq!(take(&*store, &attempt([always(2, GROWING)]), START).await, ADMITTED);
    }
    // Of several refusals the longest wait is told.
    assert_eq!(take(&*store, &both, START).await, refused(1, 60));
    assert_eq!(take(&*store, &both, at(55)).await, refused(1, 5));
}

pub async fn what_is_given_back_was_never_charged(store: Arc<dyn Store>) {
    let charged = attempt([always(1, STEADY), always(2, GROWING)]);
    let back = Settlement { give_back: vec![(key(1), STEADY), (key(2), GROWING)], familiar: None };
    for _ in 0..20 {
        assert_eq!(take(&*store, &charged, START).await, ADMITTED);
        store.settle_limits(&back, START).await.unwrap();
    }
    assert_eq!(take(&*store, &charged, START).await, ADMITTED);
    assert_eq!(take(&*store, &charged, START).await, ADMITTED);
    assert_eq!(take(&*store, &charged, START).await, refused(1, 10));
}

pub async fn the_familiar_are_charged_apart(store: Arc<dyn Store>) {
    let charged = ChargedAttempt {
        familiar: Some(familiar(3)),
        charges: vec![
            Charge { applies: Applies::ToStrangers, ..always(1, STEADY) },
            Charge { applies: Applies::ToFamiliar, ..always(2, GENEROUS) },
            always(3, GROWING),
        ],
    };
    for _ in 0..3 {
        take(&*store, &attempt([always(1, STEADY)]), START).await;
    }
    assert_eq!(take(&*store, &charged, START).await, refused(0, 60));
    // A success makes familiar, and forgets what the pair owed.
    take(&*store, &attempt([always(3, GROWING)]), START).await;
    take(&*store, &attempt([always(3, GROWING)]), START).await;
    let success = Settlement { give_back: Vec::new(), familiar: Some((familiar(3), at(1000))) };
    store.settle_limits(&success, START).await.unwrap();
    assert_eq!(take(&*store, &charged, START).await, Admittance::Admitted { is_familiar: true });
    assert_eq!(take(&*store, &charged, START).await, Admittance::Admitted { is_familiar: true });
    assert_eq!(take(&*store, &charged, START).await, refused(2, 10));
    // For as long as it was said.
    assert_eq!(take(&*store, &charged, at(999)).await, Admittance::Admitted { is_familiar: true });
    assert_eq!(take(&*store, &charged, at(1100)).await, ADMITTED);
}

pub async fn limits_that_remember_nothing_are_purged(store: Arc<dyn Store>) {
    for number in 1..=5 {
        take(&*store, &attempt([always(number, STEADY)]), at(u64::from(number))).await;
    }
    let success = Settlement { give_back: Vec::new(), familiar: Some((familiar(1), at(5000))) };
    store.settle_limits(&success, at(1)).await.unwrap();
    assert_eq!(store.purge_limits(at(10), 100).await.unwrap(), 0);
    assert_eq!(store.purge_limits(at(64), 2).await.unwrap(), 2);
    assert_eq!(store.purge_limits(at(64), 100).await.unwrap(), 1);
    assert_eq!(store.purge_limits(at(65), 100).await.unwrap(), 1);
    assert_eq!(store.purge_limits(at(4999), 100).await.unwrap(), 0);
    assert_eq!(store.purge_limits(at(5000), 100).await.unwrap(), 1);
}

/// Any value means some attempt, or its settlement.
pub(super) async fn play(store: &dyn Store, now: Timestamp, first: u8, second: u8) -> String {
    let rule = |number: u8| if number.is_multiple_of(2) { STEADY } else { GROWING };
    let network = first % 4;
    let (account, pair) = (10 + second % 3, 20 + network * 3 + second % 3);
    let charged = ChargedAttempt {
        familiar: Some(familiar(pair)),
        charges: vec![
            Charge { applies: Applies::ToStrangers, ..always(network, STEADY) },
            Charge { applies: Applies::ToFamiliar, ..always(4 + network, GENEROUS) },
            Charge { applies: Applies::ToStrangers, ..always(account, rule(account)) },
            always(pair, GROWING),
        ],
    };
    let admittance = take(store, &charged, now).await;
    let Admittance::Admitted { is_familiar } = admittance else { return format!("{admittance:?}") };
    let mut settlement = Settlement::default();
    if !is_familiar && second >= 150 {
        settlement.give_back = vec![(key(account), rule(account)), (key(network), STEADY)];
    }
    match second {
        200.. => settlement.familiar = Some((familiar(pair), now.plus(Duration::from_secs(7200)))),
        150.. => settlement.give_back.push((key(pair), GROWING)),
        _ => {}
    }
    store.settle_limits(&settlement, now).await.unwrap();
    let purged = if first >= 200 { store.purge_limits(now, 1000).await.unwrap() } else { 0 };
    format!("{admittance:?}, purged {purged}")
}
