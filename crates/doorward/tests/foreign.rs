//! Hashes that passlib, Django, bcrypt, Werkzeug and pwdlib made (`scripts/interop/make_foreign_vectors.py`).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's failures are panics")]

use doorward::password::{
    HashParameters, HashingPool, PASSWORD_MAX_BYTES, Password, PasswordHash, PoolSettings, Verification,
};
use doorward::{hash_password, verify_password};
use pollster::block_on;
use serde_json::Value;

fn vectors() -> Vec<(String, String, String)> {
    let all: Value = serde_json::from_str(include_str!("vectors/foreign.json")).unwrap();
    let text = |vector: &Value, field: &str| vector[field].as_str().unwrap_or_else(|| panic!("{field}")).to_owned();
    let all = all["hashes"].as_array().unwrap();
    all.iter().map(|vector| (text(vector, "maker"), text(vector, "password"), text(vector, "hash"))).collect()
}

fn pool() -> HashingPool {
    HashingPool::start(PoolSettings::new(HashParameters::new(128, 1, 1).unwrap())).unwrap()
}

fn verify(pool: &HashingPool, password: &str, hash: &str) -> Verification {
    let password = Password::new(password.to_owned()).unwrap();
    block_on(verify_password(pool, &password, Some(&PasswordHash::from_stored(hash)))).unwrap()
}

#[test]
fn every_library_is_understood_and_its_hashes_are_to_be_upgraded() {
    let pool = pool();
    let vectors = vectors();
    assert_eq!(vectors.len(), 232);
    for (maker, password, hash) in &vectors {
        assert!(PasswordHash::from_stored(hash.as_str()).algorithm().unwrap().is_some(), "{maker}: {hash}");
        let expected = Verification { matches: true, needs_upgrade: true };
        assert_eq!(verify(&pool, password, hash), expected, "{maker}: {hash} of {password:?}");
        if maker.ends_with("default") {
            continue;
        }
        for another in near_misses(password, is_cut(maker)) {
            let expected = Verification { matches: false, needs_upgrade: false };
            assert_eq!(verify(&pool, &another, hash), expected, "{maker}: {hash} with {another:?}");
        }
    }
}

/// Whether the maker hands bcrypt the password itself, of which it sees 72 bytes.
fn is_cut(maker: &str) -> bool {
    maker.contains("bcrypt") && !maker.contains("sha256")
}

/// What a hasher that trims, normalises or stops too early would take for `password`.
fn near_misses(password: &str, is_cut: bool) -> Vec<String> {
    let bytes_seen = |text: &str| text.as_bytes()[..text.len().min(72)].to_vec();
    let mut shorter = password.to_owned();
    shorter.pop();
    let longer = format!("{password}x");
    let composed = password.replace("e\u{301}", "é");
    let first_71_bytes = password.get(..71).unwrap_or_default().to_owned();
    let trimmed = password.trim().to_owned();
    let mut near = vec![shorter, longer, composed, first_71_bytes, trimmed, password.to_uppercase()];
    near.retain(|text| {
        text.len() <= PASSWORD_MAX_BYTES && text != password && !(is_cut && bytes_seen(text) == bytes_seen(password))
    });
    near
}

#[test]
fn bcrypt_sees_seventy_two_bytes_as_the_application_before_did() {
    let pool = pool();
    for (maker, password, hash) in vectors().iter().filter(|(maker, password, _)| is_cut(maker) && password.len() >= 72)
    {
        let same_start = format!("{}, and another end", &password[..72]);
        assert!(verify(&pool, &same_start, hash).matches, "{maker}: {hash}");
        assert!(!verify(&pool, &password[..71], hash).matches, "{maker}: {hash}");
    }
}

#[test]
fn after_the_upgrade_every_byte_counts() {
    let pool = pool();
    let long = format!("{}, and more", "x".repeat(72));
    let upgraded = block_on(hash_password(&pool, &Password::new(long.clone()).unwrap())).unwrap();
    assert_eq!(verify(&pool, &long, upgraded.as_str()), Verification { matches: true, needs_upgrade: false });
    assert!(!verify(&pool, &long[..72], upgraded.as_str()).matches);
}

#[test]
fn scrypt_takes_the_place_of_a_hash_larger_than_the_pools_own() {
    let pool = pool();
    let (_, password, hash) = vectors().into_iter().find(|(maker, ..)| maker == "Django, scrypt, default").unwrap();
    std::thread::scope(|scope| {
        let logins: Vec<_> = (0..4).map(|_| scope.spawn(|| verify(&pool, &password, &hash).matches)).collect();
        assert!(logins.into_iter().all(|login| login.join().unwrap()));
    });
    let statistics = pool.statistics();
    assert_eq!((statistics.hashed, statistics.failed), (4, 0));
}

#[test]
fn no_password_fits_what_is_unusable() {
    let pool = pool();
    let unusable = PasswordHash::unusable();
    assert_eq!(unusable.algorithm(), Ok(None));
    for password in ["", "!", "password"] {
        assert!(!verify(&pool, password, unusable.as_str()).matches);
    }
    assert_eq!(pool.statistics().hashed, 3, "an answer costs what any other does");
}
