//! The secrets that sign access tokens.

#[cfg(test)]
mod vectors;
mod weakness;

use std::fmt;

use base64_simd::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The bytes of a MAC.
pub(crate) const MAC_LENGTH: usize = 32;
/// Sets the HMAC that names a key apart from every HMAC that signs: no signed text begins like this.
const KID_LABEL: &[u8] = b"doorward access token key id v1";
/// The bytes of a key's name: enough to tell keys apart, and just so many that our encoded header fills
/// one block of SHA-256.
const KID_BYTES: usize = 9;
/// The shortest secret, in bytes: as long as the hash (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

/// A secret good enough to sign with: 32 bytes or more (RFC 7518, section 3.2), not a well-known one.
///
/// The bytes are the HMAC key as they stand, as in PyJWT: nothing is decoded or trimmed. Wiped when dropped.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<Vec<u8>>);

/// Why a secret is refused. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakSecret {
    /// Under 32 bytes.
    #[error("it has fewer than 32 bytes")]
    TooShort,
    /// Published in documentation, tutorials or lists of leaked secrets.
    #[error("it is a well-known secret")]
    WellKnown,
    /// One byte or a short pattern over and over, a count, or fewer than 8 different bytes.
    #[error("it repeats itself")]
    Repetitive,
}

impl SecretKey {
    /// Takes the bytes of a secret.
    ///
    /// # Errors
    ///
    /// [`WeakSecret`] when the secret is too easily guessed. Not being refused makes no secret a good one:
    /// take 32 bytes or more from the operating system.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, WeakSecret> {
        let bytes = Zeroizing::new(bytes.into());
        if bytes.len() < SHORTEST_SECRET {
            Err(WeakSecret::TooShort)
        } else if weakness::is_well_known(&bytes) {
            Err(WeakSecret::WellKnown)
        } else if weakness::is_repetitive(&bytes) {
            Err(WeakSecret::Repetitive)
        } else {
            Ok(Self(bytes))
        }
    }
}

impl SecretKey {
    /// The bytes themselves.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(…)")
    }
}

/// The secret that signs, and older ones that still verify while they age out.
///
/// To rotate: make the new secret the current one and the old one a previous one, and drop that when its
/// last token has expired. A secret that is given twice does no harm.
#[derive(Debug)]
pub struct Keyring {
    current: SigningKey,
    previous: Vec<SigningKey>,
    /// Seals the data key instead of the secret that signs.
    sealing: Option<SigningKey>,
    sealing_previous: Vec<SigningKey>,
}

impl Keyring {
    /// A keyring that signs with `current` and verifies with it and with `previous`.
    #[expect(clippy::needless_pass_by_value, reason = "a keyring takes the secrets over: they are wiped here")]
    pub fn new(current: SecretKey, previous: Vec<SecretKey>) -> Self {
        Self::of_keys(SigningKey::new(&current.0), previous.iter().map(|secret| SigningKey::new(&secret.0)))
    }

    /// The same with a secret of its own for what the store keeps sealed, and older ones of those: whoever gets to know
    /// the secret that signs can open nothing then.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a keyring takes the secrets over: they are wiped here")]
    pub fn with_sealing_secret(self, current: Option<SecretKey>, previous: Vec<SecretKey>) -> Self {
        let sealing = current.map(|secret| SigningKey::new(&secret.0));
        let sealing_previous = previous.iter().map(|secret| SigningKey::new(&secret.0)).collect();
        Self { sealing, sealing_previous, ..self }
    }

    /// The same of keys made ready, each kept once.
    pub(crate) fn of_keys(current: SigningKey, others: impl Iterator<Item = SigningKey>) -> Self {
        let mut keyring = Self { current, previous: Vec::new(), sealing: None, sealing_previous: Vec::new() };
        for key in others {
            if keyring.keys().all(|known| known.kid != key.kid) {
                keyring.previous.push(key);
            }
        }
        keyring
    }

    /// The key that signs.
    pub(crate) const fn current(&self) -> &SigningKey {
        &self.current
    }

    /// Keys for the sealing of data keys: that of the present secret first, then those that still open. Nothing learnt
    /// from one leads back to its secret, and no signed text begins like a label, which has spaces.
    pub(crate) fn wrapping_derived(&self, label: &[u8]) -> impl Iterator<Item = [u8; MAC_LENGTH]> {
        let secrets = self.sealing.iter().chain(self.keys()).chain(&self.sealing_previous);
        secrets.map(move |secret| secret.keyed.clone().chain_update(label).finalize().into_bytes().into())
    }

    /// Every key that verifies, the current one first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// A secret made ready: its name, the header of the tokens it signs, and HMAC's state with and without that header.
///
/// The states are copied for every token, which saves hashing the key and the header each time. They are
/// as good as the secret to a forger, and wiped when dropped.
#[derive(Clone)]
pub(crate) struct SigningKey {
    kid: String,
    header: String,
    keyed: Hmac<Sha256>,
    keyed_past_header: Hmac<Sha256>,
}

impl SigningKey {
    fn new(secret: &[u8]) -> Self {
        let name = keyed(secret).chain_update(KID_LABEL).finalize().into_bytes();
        Self::named(URL_SAFE_NO_PAD.encode_to_string(&name[..KID_BYTES]), secret)
    }

    /// A key under a name of its own, which needs no escaping in JSON.
    pub(crate) fn named(kid: String, secret: &[u8]) -> Self {
        let json = format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT"}}"#);
        let header = format!("{}.", URL_SAFE_NO_PAD.encode_to_string(json));
        let keyed = keyed(secret);
        let keyed_past_header = keyed.clone().chain_update(&header);
        Self { kid, header, keyed, keyed_past_header }
    }

    /// HMAC keyed with the secret.
    pub(crate) const fn keyed(&self) -> &Hmac<Sha256> {
        &self.keyed
    }

    /// The key's name: says nothing of the secret, and is the same on every node that has it.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The encoded header of the tokens it signs, with the dot behind it.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// The MAC of a token under the key's own header.
    pub(crate) fn sign(&self, encoded_payload: &str) -> [u8; MAC_LENGTH] {
        self.keyed_past_header.clone().chain_update(encoded_payload).finalize().into_bytes().into()
    }

    /// Whether `mac` is that of a token under the key's own header, told in constant time.
    pub(crate) fn verifies(&self, encoded_payload: &str, mac: &[u8; MAC_LENGTH]) -> bool {
        self.keyed_past_header.clone().chain_update(encoded_payload).verify_slice(mac).is_ok()
    }

    /// Whether `mac` is that of `signed`, a whole encoded header and payload, told in constant time.
    pub(crate) fn verifies_under_another_header(&self, signed: &str, mac: &[u8; MAC_LENGTH]) -> bool {
        self.keyed.clone().chain_update(signed).verify_slice(mac).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

pub(crate) fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    <Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("HMAC takes any key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP";
    const OTHER: &str = "pXc8NwQ1vB6tZ3yR9kJm4LsD7hGf2UaE";

    fn keyring(current: &str, previous: &[&str]) -> Keyring {
        let previous = previous.iter().map(|secret| SecretKey::new(*secret).unwrap()).collect();
        Keyring::new(SecretKey::new(current).unwrap(), previous)
    }

    #[test]
    fn a_key_has_the_same_name_everywhere_and_another_key_another() {
        assert_eq!(SigningKey::new(GOOD.as_bytes()).kid(), SigningKey::new(GOOD.as_bytes()).kid());
        assert_ne!(SigningKey::new(GOOD.as_bytes()).kid(), SigningKey::new(OTHER.as_bytes()).kid());
    }

    #[test]
    fn our_header_fills_one_block_of_the_hash() {
        assert_eq!(SigningKey::new(GOOD.as_bytes()).header().trim_end_matches('.').len(), 64);
    }

    #[test]
    fn a_secret_given_twice_is_kept_once() {
        assert_eq!(keyring(GOOD, &[GOOD, OTHER, OTHER]).keys().count(), 2);
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?} {:?}", SecretKey::new(GOOD).unwrap(), keyring(GOOD, &[OTHER]));
        assert!(!shown.contains(GOOD) && !shown.contains(OTHER), "{shown}");
        assert!(shown.starts_with("SecretKey(…) Keyring {"), "{shown}");
    }
}
