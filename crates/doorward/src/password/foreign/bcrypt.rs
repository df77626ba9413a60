//! bcrypt: `$2b$12$…` (also `$2a$`, `$2y$`), alone, as Django's `bcrypt$` and `bcrypt_sha256$`, and as passlib's
//! `$bcrypt-sha256$`.

use base64_simd::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::password::argon2id::EngineError;
use crate::password::stored::UnreadableHash;

pub(super) const NAME: &str = "bcrypt";

/// 2^16 rounds: some four seconds of a core.
const MAX_COST: u32 = 16;
const MIN_COST: u32 = 4;
/// bcrypt looks at no more of a password, the NUL at its end included. So did whoever made the hash.
const KEY_LENGTH: usize = 72;
const SALT_CHARACTERS: usize = 22;
const TAG_CHARACTERS: usize = 31;
const TAG_LENGTH: usize = 23;

#[cfg_attr(test, derive(Debug))]
pub(in crate::password) struct Bcrypt {
    key: Key,
    cost: u32,
    salt: [u8; 16],
    tag: Vec<u8>,
}

/// What is made of the password first, to bring it below 72 bytes.
#[cfg_attr(test, derive(Debug))]
enum Key {
    Password,
    /// Django: SHA-256 in hexadecimal.
    Sha256Hexadecimal,
    /// passlib, version 1: SHA-256 in base64.
    Sha256Base64,
    /// passlib, version 2: HMAC-SHA-256 under the salt as it is spelled, in base64.
    HmacBase64(String),
}

pub(super) fn is_meant(text: &str) -> bool {
    ["$2", "bcrypt$", "bcrypt_sha256$", "$bcrypt-sha256$"].iter().any(|start| text.starts_with(start))
}

impl Bcrypt {
    pub(super) fn parse(text: &str) -> Result<Self, UnreadableHash> {
        let (key, cost, salt, tag) = take_apart(text).ok_or(UnreadableHash::Malformed(NAME))?;
        if cost > MAX_COST {
            return Err(UnreadableHash::TooExpensive { algorithm: NAME, limit: "a cost of 16" });
        }
        Ok(Self { key, cost, salt, tag })
    }

    pub(super) fn tag(&self) -> &[u8] {
        &self.tag
    }

    pub(super) fn compute(&self, password: &[u8]) -> Result<Vec<u8>, EngineError> {
        let mut key = Zeroizing::new(self.key.of(password)?.as_bytes_with_nul(password));
        key.truncate(KEY_LENGTH);
        // The crate's other functions make strings; this one takes what was read above.
        let mut tag = bcrypt::bcrypt(self.cost, self.salt, &key).to_vec();
        tag.truncate(TAG_LENGTH);
        Ok(tag)
    }
}

/// The key, or `None` when it is the password itself.
struct Made(Option<Zeroizing<String>>);

impl Made {
    fn as_bytes_with_nul(&self, password: &[u8]) -> Vec<u8> {
        let key = self.0.as_ref().map_or(password, |text| text.as_bytes());
        // Sized at once: growing would leave a copy behind that nobody wipes.
        let mut bytes = Vec::with_capacity(KEY_LENGTH + 1);
        bytes.extend_from_slice(key.get(..KEY_LENGTH).unwrap_or(key));
        bytes.push(0);
        bytes
    }
}

impl Key {
    fn of(&self, password: &[u8]) -> Result<Made, EngineError> {
        let made = match self {
            Self::Password => return Ok(Made(None)),
            Self::Sha256Hexadecimal => {
                let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(password)));
                let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
            }
            Self::Sha256Base64 => STANDARD.encode_to_string(Sha256::digest(password)),
            Self::HmacBase64(salt) => {
                let mac = Hmac::<Sha256>::new_from_slice(salt.as_bytes()).map_err(|_| EngineError)?;
                STANDARD.encode_to_string(mac.chain_update(password).finalize().into_bytes())
            }
        };
        Ok(Made(Some(Zeroizing::new(made))))
    }
}

type Parts = (Key, u32, [u8; 16], Vec<u8>);

fn take_apart(text: &str) -> Option<Parts> {
    if let Some(rest) = text.strip_prefix("$bcrypt-sha256$") {
        return take_apart_passlib(rest);
    }
    let (key, rest) = if let Some(rest) = text.strip_prefix("bcrypt_sha256$") {
        (Key::Sha256Hexadecimal, rest)
    } else {
        (Key::Password, text.strip_prefix("bcrypt$").unwrap_or(text))
    };
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|variant| rest.strip_prefix(variant))?;
    let (cost, salt_and_tag) = rest.split_once('$')?;
    let (salt, tag) = salt_and_tag.split_at_checked(SALT_CHARACTERS)?;
    Some((key, read_cost(cost)?, read_salt(salt)?, read_tag(tag)?))
}

/// `v=2,t=2b,r=12$SALT$TAG`, or in version 1 `2b,12$SALT$TAG`.
fn take_apart_passlib(text: &str) -> Option<Parts> {
    let mut parts = text.split('$');
    let (parameters, salt, tag) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (key, parameters) = match parameters.strip_prefix("v=2,t=") {
        Some(rest) => (Key::HmacBase64(salt.to_owned()), rest.replacen("r=", "", 1)),
        None => (Key::Sha256Base64, parameters.to_owned()),
    };
    let (variant, cost) = parameters.split_once(',')?;
    if !["2a", "2b", "2y"].contains(&variant) {
        return None;
    }
    Some((key, super::number(cost).filter(|cost| (MIN_COST..32).contains(cost))?, read_salt(salt)?, read_tag(tag)?))
}

/// Two digits.
fn read_cost(text: &str) -> Option<u32> {
    let is_two_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|cost| is_two_digits && (MIN_COST..32).contains(cost))
}

fn read_salt(text: &str) -> Option<[u8; 16]> {
    if text.len() == SALT_CHARACTERS { decode(text)?.try_into().ok() } else { None }
}

fn read_tag(text: &str) -> Option<Vec<u8>> {
    if text.len() == TAG_CHARACTERS { decode(text) } else { None }
}

/// bcrypt's own base64. Spare bits at the end are ignored, as bcrypt always did.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for character in text.bytes() {
        let value = match character {
            b'.' => 0,
            b'/' => 1,
            b'A'..=b'Z' => character - b'A' + 2,
            b'a'..=b'z' => character - b'a' + 28,
            b'0'..=b'9' => character - b'0' + 54,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0x3fff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}
