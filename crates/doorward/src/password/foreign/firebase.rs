//! Firebase's own scrypt: `$firebase-scrypt$m=14,r=8$SALT$SEPARATOR$SIGNER$TAG`, each in base64, as an import spells it.
//!
//! scrypt of the password over salt and separator gives a key of AES-256, which encrypts the project's signer key in
//! counter mode; that is the tag.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

use crate::password::argon2id::EngineError;
use crate::password::stored::UnreadableHash;

pub(super) const NAME: &str = "Firebase scrypt";

const PREFIX: &str = "$firebase-scrypt$";
/// What Firebase itself takes at most, as logarithm of base 2 and as a block size: 128 MiB would be 17 and 8.
const MAX_COST: u32 = 17;
const MAX_BLOCK: u32 = 8;
/// The bytes of a signer key, and so of a tag.
const SIGNER: usize = 64;

#[cfg_attr(test, derive(Debug))]
pub(in crate::password) struct Firebase {
    cost: u8,
    block: u32,
    salt: Vec<u8>,
    signer: Vec<u8>,
    tag: Vec<u8>,
}

pub(super) fn is_meant(text: &str) -> bool {
    text.starts_with(PREFIX)
}

impl Firebase {
    pub(super) fn parse(text: &str) -> Result<Self, UnreadableHash> {
        let malformed = UnreadableHash::Malformed(NAME);
        let parts: Vec<_> = text.strip_prefix(PREFIX).ok_or(malformed)?.split('$').collect();
        let [parameters, salt, separator, signer, tag] = parts[..] else { return Err(malformed) };
        let (cost, block) = parameters.strip_prefix("m=").and_then(|rest| rest.split_once(",r=")).ok_or(malformed)?;
        let (cost, block) = super::number(cost).zip(super::number(block)).ok_or(malformed)?;
        if cost > MAX_COST || block > MAX_BLOCK {
            return Err(UnreadableHash::TooExpensive { algorithm: NAME, limit: "a memory cost of 17, 8 rounds" });
        }
        let bytes = |text| super::padded(text).ok_or(malformed);
        let (salt, signer, tag) = ([bytes(salt)?, bytes(separator)?].concat(), bytes(signer)?, bytes(tag)?);
        let salt = super::salt(salt).ok_or(malformed)?;
        if cost == 0 || block == 0 || signer.len() != SIGNER || tag.len() != SIGNER {
            return Err(malformed);
        }
        Ok(Self { cost: u8::try_from(cost).map_err(|_| malformed)?, block, salt, signer, tag })
    }

    pub(super) const fn memory_kib(&self) -> u32 {
        (128 * self.block) << self.cost >> 10
    }

    pub(super) fn tag(&self) -> &[u8] {
        &self.tag
    }

    pub(super) fn compute(&self, password: &[u8]) -> Result<Vec<u8>, EngineError> {
        let parameters = scrypt::Params::new(self.cost, self.block, 1).map_err(|_| EngineError)?;
        let mut key = Zeroizing::new([0; 32]);
        scrypt::scrypt(password, &self.salt, &parameters, &mut *key).map_err(|_| EngineError)?;
        let mut tag = self.signer.clone();
        Ctr128BE::<Aes256>::new((&*key).into(), &[0; 16].into()).apply_keystream(&mut tag);
        Ok(tag)
    }
}
