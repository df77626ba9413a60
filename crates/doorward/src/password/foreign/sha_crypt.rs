//! SHA-crypt, as `/etc/shadow` and LDAP have it: `$5$rounds=5000$SALT$TAG` (SHA-256) and `$6$…` (SHA-512).

use sha_crypt::{PasswordHashRef, PasswordVerifier, ShaCrypt};

use crate::password::argon2id::EngineError;
use crate::password::stored::UnreadableHash;

pub(super) const NAME: &str = "SHA-crypt";

/// Two hundred times the default, and half a second of a core.
const MAX_ROUNDS: u32 = 1_000_000;
/// What stands for a salt counts to this length and no further.
const MAX_SALT: usize = 16;

#[cfg_attr(test, derive(Debug))]
pub(in crate::password) struct Sha {
    text: String,
}

pub(super) fn is_meant(text: &str) -> bool {
    text.starts_with("$5$") || text.starts_with("$6$")
}

impl Sha {
    pub(super) fn parse(text: &str) -> Result<Self, UnreadableHash> {
        let malformed = UnreadableHash::Malformed(NAME);
        let parts: Vec<_> = text.split('$').skip(1).collect();
        let (rounds, salt, tag) = match parts[..] {
            [_, rounds, salt, tag] => (Some(rounds.strip_prefix("rounds=").ok_or(malformed)?), salt, tag),
            [_, salt, tag] => (None, salt, tag),
            _ => return Err(malformed),
        };
        if let Some(rounds) = rounds {
            let rounds = super::number(rounds).filter(|rounds| *rounds >= 1000).ok_or(malformed)?;
            if rounds > MAX_ROUNDS {
                return Err(UnreadableHash::TooExpensive { algorithm: NAME, limit: "1,000,000 rounds" });
            }
        }
        let is_spelled = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
        let tag_length = if text.starts_with("$5$") { 43 } else { 86 };
        let is_salt = (1..=MAX_SALT).contains(&salt.len()) && is_spelled(salt);
        let is_whole = is_salt && tag.len() == tag_length && is_spelled(tag);
        if is_whole { Ok(Self { text: text.to_owned() }) } else { Err(malformed) }
    }

    /// In constant time, by the crate itself: it puts the bytes of a tag into an order of its own.
    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, EngineError> {
        let hash = PasswordHashRef::new(&self.text).map_err(|_| EngineError)?;
        Ok(ShaCrypt::default().verify_password(password, hash).is_ok())
    }
}
