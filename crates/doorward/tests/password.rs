//! Hashing as an application sees it, on real threads.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's failures are panics")]

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use doorward::password::{
    HashParameters, HashingError, HashingPool, Password, PasswordHash, PoolSettings, Verification,
};
use doorward::{hash_password, verify_password};
use pollster::block_on;

const MATCH: Verification = Verification { matches: true, needs_upgrade: false };
const UPGRADE: Verification = Verification { matches: true, needs_upgrade: true };
const MISMATCH: Verification = Verification { matches: false, needs_upgrade: false };

fn settings(memory_kib: u32, iterations: u32, workers: usize) -> PoolSettings {
    let parameters = HashParameters::new(memory_kib, iterations, 1).unwrap();
    PoolSettings { workers: NonZeroUsize::new(workers).unwrap(), ..PoolSettings::new(parameters) }
}

fn pool(settings: PoolSettings) -> HashingPool {
    HashingPool::start(settings).unwrap()
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn verify(pool: &HashingPool, text: &str, hash: &str) -> Verification {
    block_on(verify_password(pool, &password(text), Some(&PasswordHash::from_stored(hash)))).unwrap()
}

/// Polls once: enough to take a place in the queue.
fn enqueue<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn every_hash_has_a_salt_of_its_own_and_the_parameters_of_the_pool() {
    let pool = pool(settings(64, 2, 1));
    let [first, second] = [0, 1].map(|_| block_on(hash_password(&pool, &password("12345678"))).unwrap());
    assert_ne!(first.as_str(), second.as_str());
    for hash in [&first, &second] {
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
        assert_eq!(verify(&pool, "12345678", hash.as_str()), MATCH);
        assert_eq!(verify(&pool, "12345679", hash.as_str()), MISMATCH);
    }
}

#[test]
fn the_default_is_the_second_recommendation_of_rfc_9106() {
    let pool = pool(PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(HashParameters::default()) });
    let hash = block_on(hash_password(&pool, &password("12345678"))).unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=65536,t=3,p=4$"));
    let [.., salt, tag] = hash.as_str().split('$').collect::<Vec<_>>()[..] else { panic!() };
    // 16 and 32 bytes in unpadded base64.
    assert_eq!((salt.len(), tag.len()), (22, 43));
}

#[test]
fn every_byte_of_a_password_counts() {
    let pool = pool(settings(8, 1, 1));
    let long = "p".repeat(1024);
    for text in ["nul\0inside", " spaced ", "caf\u{e9}", &long, ""] {
        let hash = block_on(hash_password(&pool, &password(text))).unwrap();
        assert_eq!(verify(&pool, text, hash.as_str()), MATCH);
        let last_changed = format!("{}q", &long[..1023]);
        for other in ["nul", "nul\0", "spaced", "cafe\u{301}", &long[..72], &long[..1023], &last_changed, "x"] {
            assert_eq!(verify(&pool, other, hash.as_str()), MISMATCH, "{other:?} for {text:?}");
        }
    }
    assert!(Password::new("x".repeat(1025)).is_err());
}

#[test]
fn weaker_hashes_ask_to_be_upgraded_once_the_password_is_right() {
    let weak = block_on(hash_password(&pool(settings(64, 1, 1)), &password("12345678"))).unwrap();
    for raised in [settings(128, 1, 1), settings(64, 2, 1)] {
        let pool = pool(raised);
        assert_eq!(verify(&pool, "12345678", weak.as_str()), UPGRADE);
        assert_eq!(verify(&pool, "wrong one", weak.as_str()), MISMATCH);
    }
    // Stronger than asked for is left alone, although it needs more memory than the pool's own.
    assert_eq!(verify(&pool(settings(32, 1, 1)), "12345678", weak.as_str()), MATCH);
}

#[test]
fn a_missing_and_a_malformed_hash_match_nothing_and_cost_a_hash() {
    let pool = pool(settings(64, 1, 1));
    let none = block_on(verify_password(&pool, &password(""), None)).unwrap();
    assert_eq!((none, pool.statistics().hashed), (MISMATCH, 1));
    let malformed = ["", "!", "12345678", "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$AAAA", "$2b$12$x", "\0"];
    for (index, text) in malformed.into_iter().enumerate() {
        assert_eq!(verify(&pool, "12345678", text), MISMATCH);
        assert_eq!(pool.statistics().hashed, index as u64 + 2);
    }
}

#[test]
fn more_than_the_queue_holds_is_refused_at_once() {
    let pool = pool(PoolSettings { queue_limit: 3, ..settings(65_536, 3, 1) });
    let password = password("12345678");
    let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(hash_password(&pool, &password))).collect();
    for future in &mut waiting {
        assert!(enqueue(future.as_mut()).is_none());
        // The first is taken out of the queue by the one worker before the others fill it.
        while pool.statistics().running == 0 {
            std::thread::yield_now();
        }
    }
    let refused = enqueue(pin!(hash_password(&pool, &password)));
    let Some(Err(HashingError::Overloaded { retry_after })) = refused else { panic!("{refused:?}") };
    assert!(retry_after >= Duration::from_secs(1));
    assert_eq!(pool.statistics().refused, 1);
    for future in waiting {
        block_on(future).unwrap();
    }
}

#[test]
fn a_wait_past_the_deadline_is_refused_before_it_begins() {
    let pool = pool(PoolSettings { deadline: Duration::from_millis(1), ..settings(65_536, 3, 1) });
    let password = password("12345678");
    let mut first = pin!(hash_password(&pool, &password));
    assert!(enqueue(first.as_mut()).is_none());
    let refused = enqueue(pin!(hash_password(&pool, &password)));
    assert!(matches!(refused, Some(Err(HashingError::Overloaded { .. }))), "{refused:?}");
}

#[test]
fn whoever_goes_away_is_not_hashed_for() {
    let pool = pool(settings(32_768, 2, 1));
    let password = password("12345678");
    let mut first = Box::pin(hash_password(&pool, &password));
    assert!(enqueue(first.as_mut()).is_none());
    for _ in 0..20 {
        let mut gone = Box::pin(hash_password(&pool, &password));
        assert!(enqueue(gone.as_mut()).is_none());
    }
    let mut last = Box::pin(hash_password(&pool, &password));
    assert!(enqueue(last.as_mut()).is_none());
    block_on(first).unwrap();
    block_on(last).unwrap();
    let statistics = pool.statistics();
    assert_eq!(statistics.abandoned, 20, "{statistics:?}");
}

#[test]
fn many_at_once_are_all_served_by_the_few_threads() {
    let pool = pool(settings(64, 1, 2));
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| block_on(hash_password(&pool, &password("12345678"))).unwrap());
        }
    });
    let statistics = pool.statistics();
    assert_eq!((statistics.workers, statistics.hashed, statistics.refused), (2, 50, 0));
}

#[test]
fn a_budget_bounds_the_workers() {
    let workers = |budget| PoolSettings::within_budget(HashParameters::default(), budget).workers.get();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!((workers(0), workers(64), workers(127)), (1, 1, 1));
    assert_eq!(workers(1_000_000), cores);
}
