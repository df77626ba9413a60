//! Hashes and tokens that pwdlib, argon2-cffi and PyJWT made (`scripts/interop/make_vectors.py`). The other direction,
//! their reading what Doorward made, is `scripts/interop/run`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's failures are panics")]

use doorward::password::{HashParameters, HashingPool, Password, PasswordHash, PoolSettings, Verification};
use doorward::token::access::{AccessTokenError, AccessTokenRules, VerifiedToken};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Timestamp, decode_access_token, verify_password};
use pollster::block_on;
use serde_json::Value;

fn vectors(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("vectors/interop.json")).unwrap();
    all[kind].as_array().unwrap().clone()
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("{field} of {vector}"))
}

#[test]
fn passwords_hashed_by_pwdlib_and_argon2_cffi_verify() {
    let pool = HashingPool::start(PoolSettings::new(HashParameters::default())).unwrap();
    let verify = |password: &str, hash: &str| {
        let password = Password::new(password.to_owned()).unwrap();
        block_on(verify_password(&pool, &password, Some(&PasswordHash::from_stored(hash)))).unwrap()
    };
    let hashes = vectors("hashes");
    assert_eq!(hashes.len(), 26);
    for vector in &hashes {
        let (password, hash, maker) = (text(vector, "password"), text(vector, "hash"), text(vector, "maker"));
        let expected = Verification { matches: true, needs_upgrade: maker != "pwdlib, recommended" };
        assert_eq!(verify(password, hash), expected, "{maker}: {hash}");
        for another in near_misses(password) {
            assert!(!verify(&another, hash).matches, "{maker}: {hash} with {another:?}");
        }
    }
}

/// What a hasher that trims, normalises or stops at NUL or at its favourite length would take for `password`.
fn near_misses(password: &str) -> Vec<String> {
    let mut shorter = password.to_owned();
    shorter.pop();
    let composed = password.replace("e\u{301}", "é");
    let before_nul = password.split('\0').next().unwrap_or_default().to_owned();
    let first_72_bytes = password.get(..72).unwrap_or_default().to_owned();
    let mut near = vec![shorter, composed, before_nul, first_72_bytes, password.to_uppercase(), String::new()];
    near.retain(|text| text != password);
    near
}

#[test]
fn tokens_signed_by_pyjwt_are_judged_alike() {
    let tokens = vectors("tokens");
    assert_eq!(tokens.len(), 26);
    for vector in &tokens {
        let key = SecretKey::new(text(vector, "secret_key")).unwrap();
        let now = Timestamp::from_seconds(vector["now"].as_i64().unwrap());
        let rules = AccessTokenRules::default();
        let verdict = decode_access_token(text(vector, "token"), &Keyring::new(key, Vec::new()), &rules, now);
        match text(vector, "verdict") {
            "valid" => assert_claims(&verdict.unwrap_or_else(|error| panic!("{error}: {vector}")), &vector["claims"]),
            "expired" => assert_eq!(verdict, Err(AccessTokenError::Expired), "{vector}"),
            _ => assert_eq!(verdict, Err(AccessTokenError::Invalid), "{vector}"),
        }
    }
}

fn assert_claims(token: &VerifiedToken, claims: &Value) {
    let subject = token.subject();
    assert_eq!(subject.user_id.to_string(), claims["sub"]);
    assert_eq!(subject.role.as_str(), claims["role"]);
    assert_eq!(token.id().to_string(), claims["jti"]);
    assert_eq!(token.issued_at().seconds(), claims["iat"]);
    assert_eq!(token.expires_at().seconds(), claims["exp"]);
    assert_eq!(subject.session.map(|session| session.to_string()).as_deref(), claims["sid"].as_str());
}
