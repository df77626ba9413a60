//! Prints hashes and tokens made by Doorward, as JSON, for other libraries to read: `scripts/interop/check.py`.

use std::error::Error;
use std::time::Duration;

use doorward::password::{HashParameters, HashingPool, Password, PoolSettings};
use doorward::session::SessionId;
use doorward::token::access::{AccessTokenRules, Subject};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Clock, Role, SystemClock, Timestamp, UserId, create_access_token, hash_password};
use pollster::block_on;
use serde_json::{Value, json};

const SECRETS: [&str; 2] = ["only-for-tests-4f1b7c02d9e86a35-ascii", "nur für Prüfungen – ключ 鍵 4f1b7c02"];

#[expect(clippy::print_stdout, reason = "what it prints is its purpose")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", json!({ "hashes": hashes()?, "tokens": tokens(SystemClock.now())? }));
    Ok(())
}

fn hashes() -> Result<Vec<Value>, Box<dyn Error>> {
    let longest = "0123456789abcdef".repeat(64);
    let passwords = ["correct horse battery staple", "пароль 🔑👩‍👩‍👧", "before\0after", "e\u{301}tude NFD", &longest];
    let mut hashes = Vec::new();
    for parameters in [HashParameters::default(), HashParameters::new(64, 1, 1)?, HashParameters::new(256, 2, 4)?] {
        let pool = HashingPool::start(PoolSettings::new(parameters))?;
        for password in passwords {
            let hash = block_on(hash_password(&pool, &Password::new(password.to_owned())?))?;
            let is_recommended = parameters == HashParameters::default();
            hashes.push(json!({ "password": password, "hash": hash.as_str(), "is_recommended": is_recommended }));
        }
    }
    Ok(hashes)
}

fn tokens(now: Timestamp) -> Result<Vec<Value>, Box<dyn Error>> {
    let rules = AccessTokenRules::default();
    let mut tokens = Vec::new();
    for secret_key in SECRETS {
        let keyring = Keyring::new(SecretKey::new(secret_key)?, Vec::new());
        for (user_id, role, session) in
            [(42, Role::User, None), (i64::MAX, Role::Admin, None), (7, Role::User, Some(SessionId::generate()?))]
        {
            let subject = Subject { user_id: UserId::new(user_id).ok_or("no user id")?, role, session };
            for (verdict, issued_at) in [("valid", now), ("expired", now.minus(Duration::from_secs(3600)))] {
                let token = create_access_token(subject, &keyring, &rules, issued_at)?;
                tokens.push(json!({
                    "verdict": verdict,
                    "secret_key": secret_key,
                    "token": token.reveal(),
                    "claims": {
                        "sub": user_id.to_string(),
                        "role": role.as_str(),
                        "sid": session.map(|session| session.to_string()),
                        "iat": issued_at.seconds(),
                        "exp": issued_at.seconds() + 900,
                    },
                }));
            }
        }
    }
    Ok(tokens)
}
