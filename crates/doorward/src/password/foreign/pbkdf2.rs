//! PBKDF2 (RFC 8018) with HMAC-SHA-1, -SHA-256 or -SHA-512: the PHC string, passlib's `$pbkdf2-sha256$`, Django's
//! `pbkdf2_sha256$` and Werkzeug's `pbkdf2:sha256:`.

use hmac::Hmac;
use pbkdf2::pbkdf2;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::password::stored::UnreadableHash;

pub(super) const NAME: &str = "PBKDF2";

/// Ten times what OWASP recommends, and some seconds of a core.
const MAX_ITERATIONS: u32 = 10_000_000;

#[cfg_attr(test, derive(Debug))]
#[derive(Clone, Copy)]
enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

#[cfg_attr(test, derive(Debug))]
pub(in crate::password) struct Pbkdf2 {
    digest: Digest,
    iterations: u32,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

/// What is spelled in a string: iterations, salt, tag.
type Parts = (u32, Vec<u8>, Vec<u8>);

pub(super) fn is_meant(text: &str) -> bool {
    text.starts_with("$pbkdf2") || text.starts_with("pbkdf2")
}

impl Pbkdf2 {
    pub(super) fn parse(text: &str) -> Result<Self, UnreadableHash> {
        let malformed = UnreadableHash::Malformed(NAME);
        let of = |digest, parts: Option<Parts>| parts.map(|parts| (digest, parts)).ok_or(malformed);
        let start = |prefix: &str| {
            let digest = |name: &str| text.strip_prefix(prefix)?.strip_prefix(name);
            let names = [("sha256", Digest::Sha256), ("sha512", Digest::Sha512), ("sha1", Digest::Sha1)];
            names.into_iter().find_map(|(name, kind)| Some((kind, digest(name)?)))
        };
        let (digest, (iterations, salt, tag)) = if let Some((digest, rest)) = start("$pbkdf2-") {
            of(digest, rest.strip_prefix('$').and_then(take_apart))?
        } else if let Some((digest, rest)) = start("pbkdf2_") {
            of(digest, rest.strip_prefix('$').and_then(take_apart_django))?
        } else if let Some((digest, rest)) = start("pbkdf2:") {
            of(digest, rest.strip_prefix(':').and_then(take_apart_werkzeug))?
        } else if let Some(rest) = text.strip_prefix("$pbkdf2$") {
            // passlib's name for that with SHA-1.
            of(Digest::Sha1, take_apart(rest))?
        } else {
            return Err(malformed);
        };
        if iterations > MAX_ITERATIONS {
            return Err(UnreadableHash::TooExpensive { algorithm: NAME, limit: "10,000,000 iterations" });
        }
        Ok(Self { digest, iterations, salt, tag })
    }

    pub(super) fn tag(&self) -> &[u8] {
        &self.tag
    }

    pub(super) fn compute(&self, password: &[u8]) -> Vec<u8> {
        let mut tag = vec![0; self.tag.len()];
        // HMAC takes a key of any length: neither can fail.
        let _ = match self.digest {
            Digest::Sha1 => pbkdf2::<Hmac<Sha1>>(password, &self.salt, self.iterations, &mut tag),
            Digest::Sha256 => pbkdf2::<Hmac<Sha256>>(password, &self.salt, self.iterations, &mut tag),
            Digest::Sha512 => pbkdf2::<Hmac<Sha512>>(password, &self.salt, self.iterations, &mut tag),
        };
        tag
    }
}

/// `29000$SALT$TAG` of passlib, `i=29000,l=32$SALT$TAG` of a PHC string; `l` is the length of the tag.
fn take_apart(text: &str) -> Option<Parts> {
    let parts: Vec<_> = text.split('$').collect();
    let [parameters, salt, tag] = parts[..] else { return None };
    let (salt, tag) = (super::salt(super::unpadded(salt)?)?, super::tag(super::unpadded(tag)?)?);
    let (iterations, length) = match parameters.strip_prefix("i=") {
        Some(rest) => rest.split_once(",l=").map_or((rest, None), |(rounds, length)| (rounds, Some(length))),
        None => (parameters, None),
    };
    let is_of_length = |length| super::number(length).is_some_and(|length| length as usize == tag.len());
    if !length.is_none_or(is_of_length) {
        return None;
    }
    Some((positive(iterations)?, salt, tag))
}

/// `1000000$SALT$TAG`, the salt as it is spelled.
fn take_apart_django(text: &str) -> Option<Parts> {
    let parts: Vec<_> = text.split('$').collect();
    let [iterations, salt, tag] = parts[..] else { return None };
    Some((positive(iterations)?, super::spelled_salt(salt)?, super::tag(super::padded(tag)?)?))
}

/// `1000000$SALT$TAG`, the salt as it is spelled, the tag in hexadecimal.
fn take_apart_werkzeug(text: &str) -> Option<Parts> {
    let parts: Vec<_> = text.split('$').collect();
    let [iterations, salt, tag] = parts[..] else { return None };
    Some((positive(iterations)?, super::spelled_salt(salt)?, super::tag(super::hexadecimal(tag)?)?))
}

fn positive(text: &str) -> Option<u32> {
    super::number(text).filter(|number| *number > 0)
}
