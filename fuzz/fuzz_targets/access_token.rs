//! Decoding access tokens: text as it comes, and, with an even first byte, header and claims under a good signature.
#![no_main]

use std::sync::LazyLock;

use doorward::Timestamp;
use doorward::token::access::{AccessTokenRules, decode_access_token};
use doorward::token::keyring::{Keyring, SecretKey};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

const SECRET: &[u8] = b"wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd";
/// Within the lifetime of the seeds' tokens.
const NOW: i64 = 1_700_000_100;

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| Keyring::new(SecretKey::new(SECRET).unwrap(), Vec::new()));
static RULES: LazyLock<AccessTokenRules> = LazyLock::new(AccessTokenRules::default);

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else { return };
    let token = if kind % 2 == 0 { signed(rest) } else { String::from_utf8_lossy(rest).into_owned() };
    let decode = |token: &str| decode_access_token(token, &KEYRING, &RULES, Timestamp::from_seconds(NOW));
    if decode(&token).is_ok() {
        // What is accepted holds no longer with any one character changed.
        for at in [0, token.len() / 2, token.len() - 1] {
            let mut changed = token.clone().into_bytes();
            changed[at] ^= 1;
            assert!(decode(&String::from_utf8_lossy(&changed)).is_err());
        }
    }
});

/// Header and claims, divided by a line feed, as a token that we might have signed.
fn signed(text: &[u8]) -> String {
    let (header, claims) = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (&b"{\"alg\":\"HS256\",\"typ\":\"JWT\"}"[..], text),
    };
    let encode = |bytes: &[u8]| base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes);
    let content = format!("{}.{}", encode(header), encode(claims));
    let mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap().chain_update(&content).finalize().into_bytes();
    format!("{content}.{}", encode(&mac))
}
