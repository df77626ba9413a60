//! `token inspect`: what holds of a token and what does not, for whoever asks why one was refused.

use std::io::{self, Read};
use std::process::ExitCode;

use doorward::token::access::{AccessTokenError, MAX_CLOCK_SKEW, decode_access_token};
use doorward::token::keyring::Keyring;
use doorward::token::refresh::RefreshToken;
use doorward::{Clock, SystemClock, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::output::print_line;
use crate::application;
use crate::data_dir;
use crate::failure::Failure;
use crate::settings::{Secret, Settings};

/// The longest text looked at: far more than any token of ours.
const MAX_BYTES: u64 = 16 * 1024;
/// The claims of our tokens, in the order of RFC 7519.
const CLAIMS: [&str; 6] = ["sub", "role", "jti", "sid", "iat", "exp"];

/// Reads a token on standard input and prints what holds and what does not. Exit status 1 if anything doesn't.
pub(crate) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text);
    read.map_err(|error| Failure::new(format!("cannot read a token from standard input: {error}")))?;
    let token = text.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let findings = if RefreshToken::parse(token).is_ok() {
        vec![holds("kind", "a refresh token, intact; whether it is current only the database knows")]
    } else {
        inspect(token, &secrets(settings)?, settings)
    };
    for finding in &findings {
        let mark = if finding.holds { "ok  " } else { "FAIL" };
        print_line(&format!("{mark}  {:9}  {}", finding.what, finding.text))?;
    }
    let all_hold = findings.iter().all(|finding| finding.holds);
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Finding {
    holds: bool,
    what: &'static str,
    text: String,
}

fn holds(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { holds: true, what, text: text.into() }
}

fn fails(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { holds: false, what, text: text.into() }
}

/// The secrets by name, the signing one first. Nothing is made on disk for a look at a token.
fn secrets(settings: &Settings) -> Result<Vec<(String, Secret)>, Failure> {
    let current = match &settings.secret_key {
        Some(secret) => Some(secret.clone()),
        None => data_dir::read_secret(&settings.data_dir)?,
    };
    let current = current.ok_or_else(|| Failure::new("there is no secret to check against: set SECRET_KEY"))?;
    let previous = settings.secret_key_previous.iter().enumerate();
    let previous =
        previous.map(|(index, secret)| (format!("secret_key_previous, number {}", index + 1), secret.clone()));
    Ok([("secret_key".to_owned(), current)].into_iter().chain(previous).collect())
}

fn inspect(token: &str, secrets: &[(String, Secret)], settings: &Settings) -> Vec<Finding> {
    let segments: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = segments[..] else {
        return vec![fails("segments", format!("{} instead of 3: not a signed JWT", segments.len()))];
    };
    let mut findings = vec![holds("segments", "3"), inspect_header(header)];
    let now = SystemClock.now();
    match json_object(claims) {
        Ok(claims) => findings.extend(inspect_claims(&claims, now)),
        Err(problem) => findings.push(fails("claims", problem)),
    }
    let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed);
    findings.push(inspect_signature(signed, signature, secrets));
    findings.extend(verdict(token, secrets, settings, now));
    findings
}

fn inspect_header(segment: &str) -> Finding {
    let header = match json_object(segment) {
        Ok(header) => header,
        Err(problem) => return fails("header", problem),
    };
    let text = printable(&Value::Object(header.clone()));
    if header.get("alg") != Some(&Value::from("HS256")) {
        return fails("header", format!("{text}: alg is not HS256"));
    }
    match header.keys().find(|key| !["alg", "typ", "kid"].contains(&key.as_str())) {
        Some(_) => fails("header", format!("{text}: only alg, typ and kid are allowed")),
        None => holds("header", text),
    }
}

fn inspect_claims(claims: &Map<String, Value>, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in CLAIMS {
        match claims.get(name) {
            Some(value) => findings.push(holds(name, described(name, value))),
            None if name == "sid" => {}
            None => findings.push(fails(name, "missing")),
        }
    }
    let (issued_at, expires_at) = (seconds(claims, "iat"), seconds(claims, "exp"));
    if let Some(expires_at) = expires_at {
        let distance = now.seconds().abs_diff(expires_at);
        findings.push(if expires_at > now.seconds() {
            holds("time", format!("good for {distance} s more"))
        } else {
            fails("time", format!("expired {distance} s ago"))
        });
    }
    for (name, moment) in [("iat", issued_at), ("nbf", seconds(claims, "nbf"))] {
        if moment.is_some_and(|moment| moment > now.plus(MAX_CLOCK_SKEW).seconds()) {
            findings.push(fails("time", format!("{name} is in the future: do the clocks agree?")));
        }
    }
    findings
}

fn seconds(claims: &Map<String, Value>, name: &str) -> Option<i64> {
    claims.get(name).and_then(Value::as_i64)
}

fn described(name: &str, value: &Value) -> String {
    let moment = value.as_i64().filter(|_| name == "iat" || name == "exp");
    match moment.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()) {
        Some(moment) => format!("{value} ({moment})"),
        None => printable(value),
    }
}

fn inspect_signature(signed: &str, signature: &str, secrets: &[(String, Secret)]) -> Finding {
    let Ok(signature) = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature) else {
        return fails("signature", "not base64url");
    };
    let made_by = |secret: &Secret| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.bytes());
        mac.is_ok_and(|mac| mac.chain_update(signed).verify_slice(&signature).is_ok())
    };
    match secrets.iter().find(|(_, secret)| made_by(secret)) {
        Some((name, _)) => holds("signature", format!("made with {name}")),
        None => fails("signature", "not made with any of the secrets in use"),
    }
}

/// What the server itself would say, but for sessions that ended.
fn verdict(token: &str, secrets: &[(String, Secret)], settings: &Settings, now: Timestamp) -> Option<Finding> {
    let mut keys = secrets.iter().map(|(_, secret)| secret.key());
    let keyring = Keyring::new(keys.next()?, keys.collect());
    Some(match decode_access_token(token, &keyring, &application::access_token_rules(settings), now) {
        Ok(_) => holds("verdict", "accepted, unless its session has ended"),
        Err(AccessTokenError::Expired) => fails("verdict", "refused: expired"),
        Err(AccessTokenError::Invalid) => fails("verdict", "refused: invalid"),
    })
}

fn json_object(segment: &str) -> Result<Map<String, Value>, String> {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(segment).map_err(|_| "not base64url without padding")?;
    serde_json::from_slice(&bytes).map_err(|_| "not a JSON object".to_owned())
}

/// A value as JSON, with nothing in it that a terminal would obey.
fn printable(value: &Value) -> String {
    let text = value.to_string();
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}
