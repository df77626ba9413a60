//! Salted hashes of LDAP directories (RFC 2307 and its followers): `{SSHA}`, `{SSHA256}`, `{SSHA512}`, base64 of a digest
//! over password and salt, with the salt behind it. One round: weak, and gone after the next login. `{CRYPT}` holds another
//! spelling, which is read by its own reader.

use base64_simd::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::password::stored::UnreadableHash;

pub(super) const NAME: &str = "salted SHA";

#[cfg_attr(test, derive(Debug))]
#[derive(Clone, Copy)]
enum Scheme {
    Sha1,
    Sha256,
    Sha512,
}

#[cfg_attr(test, derive(Debug))]
pub(in crate::password) struct Salted {
    scheme: Scheme,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

/// The schemes whose hashes are refused: without a salt one table opens them all, and MD5 is no better.
const WEAK: [&str; 7] = ["{SHA}", "{SHA256}", "{SHA512}", "{MD5}", "{SMD5}", "{CLEARTEXT}", "{PLAIN}"];

pub(super) fn is_meant(text: &str) -> bool {
    text.starts_with('{')
}

/// What is within `{CRYPT}`.
pub(super) fn within_crypt(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked("{CRYPT}".len())?;
    scheme.eq_ignore_ascii_case("{CRYPT}").then_some(rest)
}

impl Salted {
    pub(super) fn parse(text: &str) -> Result<Self, UnreadableHash> {
        let (scheme, encoded) = text.split_once('}').ok_or(UnreadableHash::Unknown)?;
        let name = format!("{}}}", scheme.to_ascii_uppercase());
        if WEAK.contains(&name.as_str()) {
            return Err(UnreadableHash::Weak);
        }
        let (scheme, length) = match name.as_str() {
            "{SSHA}" => (Scheme::Sha1, 20),
            "{SSHA256}" => (Scheme::Sha256, 32),
            "{SSHA512}" => (Scheme::Sha512, 64),
            _ => return Err(UnreadableHash::Unknown),
        };
        let malformed = UnreadableHash::Malformed(NAME);
        let mut tag = STANDARD.decode_to_vec(encoded).map_err(|_| malformed)?;
        let salt = super::salt(tag.split_off(length.min(tag.len()))).ok_or(malformed)?;
        if tag.len() == length { Ok(Self { scheme, salt, tag }) } else { Err(malformed) }
    }

    pub(super) fn tag(&self) -> &[u8] {
        &self.tag
    }

    pub(super) fn compute(&self, password: &[u8]) -> Vec<u8> {
        match self.scheme {
            Scheme::Sha1 => Sha1::new().chain_update(password).chain_update(&self.salt).finalize().to_vec(),
            Scheme::Sha256 => Sha256::new().chain_update(password).chain_update(&self.salt).finalize().to_vec(),
            Scheme::Sha512 => Sha512::new().chain_update(password).chain_update(&self.salt).finalize().to_vec(),
        }
    }
}
