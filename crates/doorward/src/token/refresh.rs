//! Refresh tokens: opaque, 512 random bits, good once.
//!
//! A token is 96 bytes, written as 128 characters of base64url with no spare bits:
//!
//! | bytes | what |
//! | --- | --- |
//! | 0–15 | the *name*: which session this belongs to, random, the same for all tokens of the session |
//! | 16–79 | the *secret*: 64 fresh bytes from the operating system |
//! | 80–95 | a checksum: the first half of SHA-256 over a label, the name and the secret |
//!
//! The checksum is no secret. It tells a token that was once issued from one that was damaged on its
//! way, so that only the former counts as theft when it is not the session's current one.
//!
//! The store finds a session by its *handle*, a hash of the name: who reads the database can't make a token that passes
//! for an old one of a session, and so end it. In sessions that were opened before there was that hash the name is the
//! handle, until they end; their tokens have another label. A hashed handle begins with four bytes with which no such
//! name may begin, or it could be used as one.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::random::{RandomnessError, random_bytes};

const NAME: usize = 16;
const SECRET: usize = 64;
const CHECKSUM: usize = 16;
const TOKEN: usize = NAME + SECRET + CHECKSUM;
const HANDLE_LABEL: &[u8] = b"doorward session handle v1";
/// With what a hashed handle begins. One in 2^32 names from before does, too, and is given up.
const HASHED: [u8; 4] = [0xD0, 0x0A, 0x5A, 0x4D];
const SEAL_LABEL: &[u8] = b"doorward refresh successor v1";

/// How many characters a refresh token has.
pub const REFRESH_TOKEN_LENGTH: usize = TOKEN / 3 * 4;

/// Makes the first refresh token of a new session: a fresh name and 64 fresh bytes of secret.
///
/// The token is not a JWT and says nothing about its owner. Give it to the client with
/// [`RefreshToken::reveal`] and store only its [`hash`](RefreshToken::hash).
///
/// # Errors
///
/// [`RandomnessError`] when the operating system gives no random bytes.
pub fn generate_refresh_token() -> Result<RefreshToken, RandomnessError> {
    RefreshToken::generate(random_bytes()?, Naming::Hashed)
}

/// Finds the session of a refresh token in the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle([u8; 16]);

impl SessionHandle {
    /// The handle made of these bytes, as a store gives them back.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the store's key.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionHandle(…)")
    }
}

/// SHA-256 of a refresh token's secret: all that is ever stored of it.
///
/// Unkeyed and unsalted is enough, for the secret has 512 random bits.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash made of these bytes, as a store gives them back.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretHash {
    /// Looks at every bit, wherever the first difference is. Whole words: byte by byte this was most of a rotation.
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0.as_chunks().0, other.0.as_chunks().0);
        let difference = ours.iter().zip(theirs).fold(0, |difference, (ours, theirs)| {
            difference | (u64::from_ne_bytes(*ours) ^ u64::from_ne_bytes(*theirs))
        });
        difference.ct_eq(&0).into()
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(…)")
    }
}

/// A successor's secret that only the holder of the token before it can read.
///
/// The pad is HMAC-SHA-512 keyed with the spent token's 64-byte secret: as long as what it covers, and
/// used for one successor only, since a token is spent once.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret([u8; SECRET]);

impl SealedSecret {
    /// The sealed secret made of these bytes, as a store gives them back.
    pub const fn from_bytes(bytes: [u8; SECRET]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the store.
    pub const fn as_bytes(&self) -> &[u8; SECRET] {
        &self.0
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealedSecret(…)")
    }
}

/// The text is not a refresh token that was ever issued: wrong length, alphabet or checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token")]
pub struct MalformedRefreshToken;

/// How a session's handle is made of the name in its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// By a hash.
    Hashed,
    /// Not at all, in sessions from before: the name is the handle.
    Plain,
}

impl Naming {
    /// What is hashed before the name and the secret.
    const fn checksum_label(self) -> &'static [u8] {
        match self {
            Self::Hashed => b"doorward refresh token v2",
            Self::Plain => b"doorward refresh token v1",
        }
    }
}

/// A refresh token. Wiped when dropped; `Debug` shows nothing of it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RefreshToken {
    name: [u8; NAME],
    #[zeroize(skip)]
    naming: Naming,
    secret: [u8; SECRET],
}

impl RefreshToken {
    /// Reads a token that a client sent.
    ///
    /// # Errors
    ///
    /// [`MalformedRefreshToken`] for anything but the one spelling that [`reveal`](Self::reveal) writes.
    pub fn parse(text: &str) -> Result<Self, MalformedRefreshToken> {
        if text.len() != REFRESH_TOKEN_LENGTH {
            return Err(MalformedRefreshToken);
        }
        let mut bytes = Zeroizing::new([0; TOKEN]);
        let out = base64_simd::Out::from_slice(&mut *bytes);
        base64_simd::URL_SAFE_NO_PAD.decode(text.as_bytes(), out).map_err(|_| MalformedRefreshToken)?;
        let (name, rest) = bytes.split_first_chunk().ok_or(MalformedRefreshToken)?;
        let (secret, checksum) = rest.split_first_chunk().ok_or(MalformedRefreshToken)?;
        [Naming::Hashed, Naming::Plain]
            .into_iter()
            .filter(|naming| *naming == Naming::Hashed || !name.starts_with(&HASHED))
            .map(|naming| Self { name: *name, naming, secret: *secret })
            .find(|token| token.checksum().ct_eq(checksum).into())
            .ok_or(MalformedRefreshToken)
    }

    /// The token as the client gets it: 128 characters of URL-safe base64 without padding.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; TOKEN]);
        bytes[..NAME].copy_from_slice(&self.name);
        bytes[NAME..NAME + SECRET].copy_from_slice(&self.secret);
        bytes[NAME + SECRET..].copy_from_slice(&self.checksum());
        Zeroizing::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes.as_slice()))
    }

    /// Which session the token belongs to.
    pub fn handle(&self) -> SessionHandle {
        SessionHandle(match self.naming {
            Naming::Hashed => {
                let mut handle = first_half(Sha256::new().chain_update(HANDLE_LABEL).chain_update(self.name));
                handle[..HASHED.len()].copy_from_slice(&HASHED);
                handle
            }
            Naming::Plain => self.name,
        })
    }

    /// What the store keeps of the token.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.secret).into())
    }

    /// Makes the next token of the same session.
    ///
    /// # Errors
    ///
    /// [`RandomnessError`] when the operating system gives no random bytes.
    pub fn successor(&self) -> Result<Self, RandomnessError> {
        Self::generate(self.name, self.naming)
    }

    /// Seals `successor` so that only a holder of this token can [`unseal`](Self::unseal) it.
    pub fn seal(&self, successor: &Self) -> SealedSecret {
        SealedSecret(self.pad_over(&successor.secret))
    }

    /// The successor that was sealed under this token. Compare its [`hash`](Self::hash) before use.
    #[must_use]
    pub fn unseal(&self, sealed: &SealedSecret) -> Self {
        Self { name: self.name, naming: self.naming, secret: self.pad_over(&sealed.0) }
    }

    fn generate(name: [u8; NAME], naming: Naming) -> Result<Self, RandomnessError> {
        Ok(Self { name, naming, secret: random_bytes()? })
    }

    fn checksum(&self) -> [u8; CHECKSUM] {
        let label = self.naming.checksum_label();
        first_half(Sha256::new().chain_update(label).chain_update(self.name).chain_update(self.secret))
    }

    fn pad_over(&self, bytes: &[u8; SECRET]) -> [u8; SECRET] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = <Hmac<Sha512> as KeyInit>::new_from_slice(&self.secret).expect("HMAC takes any key");
        mac.update(SEAL_LABEL);
        mac.update(&self.name);
        let pad = mac.finalize().into_bytes();
        std::array::from_fn(|index| bytes[index] ^ pad[index])
    }
}

fn first_half(hash: Sha256) -> [u8; 16] {
    let digest = hash.finalize();
    std::array::from_fn(|index| digest[index])
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RefreshToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_journey() {
        let token = generate_refresh_token().unwrap();
        let text = token.reveal();
        assert_eq!(text.len(), REFRESH_TOKEN_LENGTH);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        let read = RefreshToken::parse(&text).unwrap();
        assert_eq!(read.handle(), token.handle());
        assert_eq!(read.hash(), token.hash());
    }

    #[test]
    fn a_successor_shares_the_session_and_nothing_else() {
        let token = generate_refresh_token().unwrap();
        let next = token.successor().unwrap();
        assert_eq!(next.handle(), token.handle());
        assert_ne!(next.hash(), token.hash());
        assert_ne!(generate_refresh_token().unwrap().handle(), token.handle());
    }

    #[test]
    fn hashes_that_differ_in_one_bit_differ() {
        let hash = SecretHash([0xA5; 32]);
        assert_eq!(hash, SecretHash([0xA5; 32]));
        for bit in 0..256 {
            let mut other = hash;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(hash, other, "bit {bit}");
        }
    }

    #[test]
    fn a_handle_makes_no_token_of_its_session() {
        let token = generate_refresh_token().unwrap();
        let handle = token.handle();
        assert_ne!(handle.0, token.name);
        let forged = |naming| RefreshToken::parse(&RefreshToken::generate(handle.0, naming).unwrap().reveal());
        assert_ne!(forged(Naming::Hashed).unwrap().handle(), handle);
        assert_eq!(forged(Naming::Plain).err(), Some(MalformedRefreshToken));
    }

    #[test]
    fn a_token_from_before_the_hash_finds_its_session_and_so_does_its_successor() {
        let token = RefreshToken::generate([7; NAME], Naming::Plain).unwrap();
        let read = RefreshToken::parse(&token.reveal()).unwrap();
        let successor = RefreshToken::parse(&read.successor().unwrap().reveal()).unwrap();
        assert_eq!((read.handle().0, successor.handle().0), ([7; NAME], [7; NAME]));
        assert_eq!(read.unseal(&read.seal(&successor)).reveal(), successor.reveal());
    }

    #[test]
    fn every_damaged_token_is_malformed() {
        let text = generate_refresh_token().unwrap().reveal();
        for index in 0..text.len() {
            let mut damaged = text.as_bytes().to_vec();
            damaged[index] = if damaged[index] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).unwrap();
            assert_eq!(RefreshToken::parse(&damaged).err(), Some(MalformedRefreshToken), "at {index}");
        }
        for odd in [
            String::new(),
            text[1..].to_owned(),
            format!("{}=", text.as_str()),
            format!(" {}", &text[1..]),
            "é".repeat(REFRESH_TOKEN_LENGTH / 2),
            "A".repeat(1 << 20),
        ] {
            assert!(RefreshToken::parse(&odd).is_err());
        }
    }

    #[test]
    fn only_the_spent_token_opens_the_sealed_successor() {
        let spent = generate_refresh_token().unwrap();
        let successor = spent.successor().unwrap();
        let sealed = spent.seal(&successor);
        assert_eq!(spent.unseal(&sealed).hash(), successor.hash());
        assert_ne!(successor.unseal(&sealed).hash(), successor.hash());
    }

    #[test]
    fn debug_shows_nothing() {
        let token = generate_refresh_token().unwrap();
        assert_eq!(
            format!("{token:?} {:?} {:?}", token.handle(), token.hash()),
            "RefreshToken(…) SessionHandle(…) SecretHash(…)"
        );
    }
}
