//! Hashing as an application sees it, on real threads.
#![expect(clippy::unwrap_used, reason = "a test's failures are panics")]

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use doorward::password::{
    HashParameters, HashingError, HashingPool, Password, PasswordHash, Peppers, PoolSettings, Verification,
};
use doorward::token::keyring::SecretKey;
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
    assert_eq!(pool.statistics().refused.full, 1);
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
    assert_eq!((statistics.workers, statistics.hashed, statistics.refused.total()), (2, 50, 0));
}

#[test]
fn a_budget_bounds_the_workers() {
    let workers = |budget| PoolSettings::within_budget(HashParameters::default(), budget).workers.get();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!((workers(0), workers(64), workers(127)), (1, 1, 1));
    assert_eq!(workers(1_000_000), cores);
}

/// What pwdlib 0.3.1 and argon2-cffi 25.1.0 made of "correct horse battery staple":
///
/// ```python
/// PasswordHash.recommended().hash(p)                                          # pwdlib
/// PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY).hash(p)        # argon2-cffi
/// PasswordHasher.from_parameters(profiles.PRE_21_2).hash(p)
/// hash_secret(p, b"0123456789abcdef", 2, 1024, 2, 32, Type.I, version=19)     # and Type.D, Type.ID; version=16
/// hash_secret(p, b"0123456789abcdef", 3, 1003, 7, 32, Type.ID)                # memory no multiple of 4 lanes
/// hash_secret(p, b"s" * 64, 1, 64, 1, 64, Type.ID)
/// ```
const FROM_PYTHON: [&str; 11] = [
    "$argon2id$v=19$m=65536,t=3,p=4$oem/3q5fVysRPFM/qx7sOw$2zitdWmI/rPO3HD/Ud7GdMpKZC/3j9YuK519df+hBok",
    "$argon2id$v=19$m=65536,t=3,p=4$iqft/Xtd1jCsFSu+iix66g$yt5f6F6Eo34iysBuy5pVVMy5kJ1kyvg+nvfxAeJV0ps",
    "$argon2id$v=19$m=102400,t=2,p=8$nX1SHSo6TnPOZx4fmVxZ5w$qDgtMgPyQdkRw930XkavVA",
    "$argon2i$v=19$m=1024,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$npc+DxKV2aFAYE2CysNW/FRsvGLFX9ABqsyRqwU9Z90",
    "$argon2d$v=19$m=1024,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$ffyeBWZJygnQrD1JhgCFPhohv0eRNyS87sj8RyPtPkk",
    "$argon2id$v=19$m=1024,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$1G06hvLNVYYOip8xNneh7BSEw9mz3/2HyKr1gHMPrPg",
    "$argon2i$v=16$m=1024,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$yN4egBR+oRoYpQqm23103SGagHybKTLcaeaUgQ5lA2g",
    "$argon2d$v=16$m=1024,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$nuD/NoRLE3++Ckwfid6BtV/8Wo0fcOXbMe48B0XEaZ0",
    "$argon2id$v=16$m=1024,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$uUJTcaBUwhCZmL8d47gXI1hq7nhSWdav0uqqv00ow0Q",
    "$argon2id$v=19$m=1003,t=3,p=7$MDEyMzQ1Njc4OWFiY2RlZg$slO8MUwiEJ2s8/YUqKePhgAEZaJQTjsf9XDWsfXM5DE",
    "$argon2id$v=19$m=64,t=1,p=1$c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzcw$BC4u1TCoyQOadThYrpm3sJDn966W8IhhCZkIoBZ7/xSCJ/l/GCFQt5GWr1HVfO/wBcFVpCbu7esFM734JAM9mw",
];

#[test]
fn hashes_of_pwdlib_and_argon2_cffi_verify() {
    let pool = pool(settings(64, 1, 1));
    for hash in FROM_PYTHON {
        assert!(verify(&pool, "correct horse battery staple", hash).matches, "{hash}");
        assert_eq!(verify(&pool, "correct horse battery stapl", hash), MISMATCH, "{hash}");
        // Before version 19 nothing was written for it.
        if let Some((before, after)) = hash.split_once("$v=16") {
            let unversioned = format!("{before}{after}");
            assert_eq!(verify(&pool, "correct horse battery staple", &unversioned), UPGRADE, "{unversioned}");
        }
    }
}

#[test]
fn every_foreign_form_asks_to_be_upgraded_and_the_default_does_not() {
    let pool = pool(PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(HashParameters::default()) });
    for (index, hash) in FROM_PYTHON.into_iter().enumerate() {
        let expected = if index < 2 { MATCH } else { UPGRADE };
        assert_eq!(verify(&pool, "correct horse battery staple", hash), expected, "{hash}");
    }
}

/// `hash_secret(p, b"0123456789abcdef", 1, 64, 1, 32, Type.ID)` of argon2-cffi 25.1.0, the tag only.
#[test]
fn argon2_cffi_agrees_about_every_odd_password() {
    let pool = pool(settings(64, 1, 1));
    let long = ["b", "c"].map(|last| "a".repeat(72) + last);
    let locks = "\u{1f510}".repeat(256);
    let tags = [
        ("", "YdvKnHDNdnx3UXOE4OXsgVckBvuq3gpvrMbEV3UYnbY"),
        ("nul\0byte", "ULq8G9p4qJ3Ds94FzMwLhWEerU+IPiRB8EYF3+wKkjs"),
        ("nul", "ot2nTInRzXAVzbIM4e/1mE7pP0KFnVyavuYMaz9QoT8"),
        ("trailing ", "OwFcQoomRz1RZklsg4w2zOvJSUufiOX+BjkS+Uqt8Yw"),
        ("caf\u{e9}", "IR2qTQm/xNWn6RC7Dvy8/fuV42+wqBn/RpfYn3gVsPA"),
        ("cafe\u{301}", "lnNwTvRlFl/RVLFofe0wYL1gNkZBaEjO2ZaBV3yUbs0"),
        (&long[0], "UDiW3n4fAh6qGzfiCyKW85EgE1k+yo9+qkyG5Iez1Xs"),
        (&long[1], "ChcOXzCu97fwTEhee9K1BZX2UpHvoKA5MNA4sppS84Y"),
        (&locks, "Kgj5hb2ydEUxUqDQ3cXhwgdOI0bOwVPDn4tyKMW2YjE"),
    ];
    for (text, tag) in tags {
        for (other, other_tag) in tags {
            let hash = format!("$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg${other_tag}");
            assert_eq!(verify(&pool, text, &hash).matches, tag == other_tag, "{text:?} for {other:?}");
        }
    }
}

#[test]
fn a_malformed_hash_is_logged_and_what_it_says_is_not() {
    let pool = pool(settings(8, 1, 1));
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        assert_eq!(verify(&pool, "12345678", "plain-secret"), MISMATCH);
    });
    let lines = log.0.lock().unwrap();
    assert!(lines.contains("event=\"malformed_password_hash\""), "{lines}");
    assert!(!lines.contains("plain-secret") && !lines.contains("12345678"), "{lines}");
}

const PEPPER: &str = "Rk3dQ8sYp1LxV6nTz0GhC5uWj9EaM2bF";
const NEXT_PEPPER: &str = "wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd";

fn peppered(current: Option<&str>, previous: &[&str]) -> HashingPool {
    let secret = |text: &str| SecretKey::new(text).unwrap();
    let peppers = Peppers::new(current.map(secret), previous.iter().map(|text| secret(text)).collect());
    pool(PoolSettings { peppers, ..settings(64, 2, 1) })
}

#[test]
fn a_pepper_is_the_secret_input_of_argon2_and_the_hash_names_it() {
    let pool = peppered(Some(PEPPER), &[]);
    let hash = block_on(hash_password(&pool, &password("sesame, open"))).unwrap();
    let [_, _, version, parameters, salt, tag] = hash.as_str().split('$').collect::<Vec<_>>()[..] else { panic!() };
    let (costs, key_id) = parameters.split_once(",keyid=").unwrap();
    assert_eq!((version, costs, key_id.len()), ("v=19", "m=64,t=2,p=1", 11));
    let params = argon2::Params::new(64, 2, 1, Some(32)).unwrap();
    let (algorithm, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
    let reference = argon2::Argon2::new_with_secret(PEPPER.as_bytes(), algorithm, version, params).unwrap();
    let decode = |text: &str| base64_simd::STANDARD_NO_PAD.decode_to_vec(text).unwrap();
    let mut expected = [0; 32];
    reference.hash_password_into(b"sesame, open", &decode(salt), &mut expected).unwrap();
    assert_eq!(decode(tag), expected);
    // The name is the pepper's alone, and tells nothing of it.
    let again = block_on(hash_password(&pool, &password("another"))).unwrap();
    assert!(again.as_str().contains(key_id));
    let other = block_on(hash_password(&peppered(Some(NEXT_PEPPER), &[]), &password("another"))).unwrap();
    assert!(other.as_str().contains(",keyid=") && !other.as_str().contains(key_id));
}

#[test]
fn peppers_are_added_replaced_and_given_up_while_people_log_in() {
    let made_by = |pool: &HashingPool| block_on(hash_password(pool, &password("sesame, open"))).unwrap();
    let (none, first) = (peppered(None, &[]), peppered(Some(PEPPER), &[]));
    let (plain, old) = (made_by(&none), made_by(&first));
    assert!(!plain.as_str().contains("keyid"));
    let rotated = peppered(Some(NEXT_PEPPER), &[PEPPER]);
    let given_up = peppered(None, &[PEPPER]);
    for (pool, hash, expected) in [
        (&none, &plain, MATCH),
        (&first, &old, MATCH),
        (&first, &plain, UPGRADE),
        (&rotated, &old, UPGRADE),
        (&rotated, &plain, UPGRADE),
        (&given_up, &old, UPGRADE),
        (&given_up, &plain, MATCH),
    ] {
        assert_eq!(verify(pool, "sesame, open", hash.as_str()), expected, "{}", hash.as_str());
        assert_eq!(verify(pool, "sesame, shut", hash.as_str()), MISMATCH);
    }
}

#[test]
fn without_its_pepper_a_hash_fits_no_password_and_that_is_logged() {
    let hash = block_on(hash_password(&peppered(Some(PEPPER), &[]), &password("sesame, open"))).unwrap();
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        for pool in [peppered(None, &[]), peppered(Some(NEXT_PEPPER), &[])] {
            let hashed = pool.statistics().hashed;
            assert_eq!(verify(&pool, "sesame, open", hash.as_str()), MISMATCH);
            assert_eq!(pool.statistics().hashed, hashed + 1);
        }
    });
    let lines = log.0.lock().unwrap();
    assert_eq!(lines.matches("event=\"password_pepper_missing\"").count(), 2, "{lines}");
    assert!(!lines.contains(PEPPER) && !lines.contains(hash.as_str()), "{lines}");
    // The same hash under another name is not the same hash.
    let key_id = &hash.as_str()[hash.as_str().find("keyid=").unwrap()..][..17];
    let unnamed = hash.as_str().replace(&format!(",{key_id}"), "");
    assert_eq!(verify(&peppered(Some(PEPPER), &[]), "sesame, open", &unnamed), MISMATCH);
}

/// Collects the fields of every event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut lines = self.0.lock().unwrap();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            lines.push_str(&format!("{field}={value:?} "));
        });
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
