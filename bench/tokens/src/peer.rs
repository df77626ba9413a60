//! One library at work: reads `verify` or `sign` from standard input, answers with nanoseconds for one.

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use doorward::token::access::{AccessTokenRules, Subject};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Timestamp, create_access_token, decode_access_token};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::CryptoProvider;
use jwt_simple::prelude::{Claims as JwtSimpleClaims, HS256Key, MACLike};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::now;

/// How long one measurement lasts.
const MEASUREMENT: Duration = Duration::from_millis(30);
/// How many calls there are between two looks at the clock.
const BATCH: u32 = 256;
const LIFETIME: u64 = 15 * 60;

/// What every library writes and reads. Texts are owned, as an application's claims are.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    sub: String,
    role: String,
    jti: Uuid,
    iat: i64,
    exp: i64,
    sid: Uuid,
}

/// The claims that `jwt-simple` does not know itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CustomClaims {
    role: String,
    sid: Uuid,
}

/// Answers until standard input ends.
pub(crate) fn serve(name: &str, token: &str, secret: &[u8]) {
    match name {
        "doorward" => doorward(token, secret),
        "jsonwebtoken, rust_crypto" => jsonwebtoken(token, secret, &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER),
        "jsonwebtoken, aws_lc_rs" => jsonwebtoken(token, secret, &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER),
        "jwt-simple" => jwt_simple(token, secret),
        _ => panic!("no such peer: {name}"),
    }
}

fn doorward(token: &str, secret: &[u8]) {
    let keyring = Keyring::new(SecretKey::new(secret).expect("good enough"), Vec::new());
    let rules = AccessTokenRules::default();
    let verified = decode_access_token(token, &keyring, &rules, now()).expect("good");
    let subject: Subject = verified.subject();
    let moment: Timestamp = now();
    let (signed, _) = token.rsplit_once('.').expect("three segments");
    let (header, payload) = signed.split_at(signed.find('.').expect("three segments") + 1);
    let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("any key").chain_update(header);
    answer(&mut [
        ("verify", &mut || {
            let _ = black_box(decode_access_token(black_box(token), &keyring, &rules, now()).expect("good"));
        }),
        ("sign", &mut || drop(black_box(create_access_token(black_box(subject), &keyring, &rules, now())))),
        // Without the clock, which `Auth` reads once a request for more than the token.
        ("verify*", &mut || {
            let _ = black_box(decode_access_token(black_box(token), &keyring, &rules, moment).expect("good"));
        }),
        ("sign*", &mut || drop(black_box(create_access_token(black_box(subject), &keyring, &rules, moment)))),
        ("mac", &mut || drop(black_box(keyed.clone().chain_update(black_box(payload)).finalize()))),
    ]);
}

fn jsonwebtoken(token: &str, secret: &[u8], provider: &'static CryptoProvider) {
    use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
    provider.install_default().expect("the first");
    let (decoding, encoding) = (DecodingKey::from_secret(secret), EncodingKey::from_secret(secret));
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.set_required_spec_claims(&["sub", "exp"]);
    let header = Header { kid: Some("jnDv5gZN8bGA".to_owned()), ..Header::new(Algorithm::HS256) };
    let claims = decode::<Claims>(token, &decoding, &validation).expect("good").claims;
    answer(&mut [
        ("verify", &mut || drop(black_box(decode::<Claims>(black_box(token), &decoding, &validation).expect("good")))),
        ("sign", &mut || {
            let iat = now().seconds();
            let fresh = Claims { jti: Uuid::new_v4(), iat, exp: iat + LIFETIME as i64, ..claims.clone() };
            drop(black_box(encode(&header, &fresh, &encoding).expect("good")));
        }),
    ]);
}

fn jwt_simple(token: &str, secret: &[u8]) {
    let key = HS256Key::from_bytes(secret).with_key_id("jnDv5gZN8bGA");
    let custom = CustomClaims { role: "user".to_owned(), sid: Uuid::new_v4() };
    answer(&mut [
        ("verify", &mut || drop(black_box(key.verify_token::<CustomClaims>(black_box(token), None).expect("good")))),
        ("sign", &mut || {
            let lifetime = jwt_simple::prelude::Duration::from_secs(LIFETIME);
            let claims = JwtSimpleClaims::with_custom_claims(custom.clone(), lifetime)
                .with_subject("42")
                .with_jwt_id(Uuid::new_v4().to_string());
            drop(black_box(key.authenticate(claims).expect("good")));
        }),
    ]);
}

type Task<'a> = (&'static str, &'a mut dyn FnMut());

fn answer(tasks: &mut [Task<'_>]) {
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("readable");
        match tasks.iter_mut().find(|(name, _)| *name == line) {
            Some((_, task)) => writeln!(out, "{:.1}", measure(*task)),
            None => writeln!(out, "-"),
        }
        .and_then(|()| out.flush())
        .expect("writable");
    }
}

/// Nanoseconds of one call, in the mean over [`MEASUREMENT`], after a tenth of that to warm up.
fn measure(task: &mut dyn FnMut()) -> f64 {
    run_for(MEASUREMENT / 10, task);
    run_for(MEASUREMENT, task)
}

fn run_for(duration: Duration, task: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed() < duration {
        (0..BATCH).for_each(|_| task());
        calls += BATCH;
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}
