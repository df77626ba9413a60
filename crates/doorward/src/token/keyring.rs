//! The secrets that sign access tokens.

use std::fmt;

use zeroize::Zeroizing;

/// A secret good enough to sign with: 32 bytes or more (RFC 7518, section 3.2), not a well-known one.
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
    /// One byte or a short pattern over and over.
    #[error("it repeats itself")]
    Repetitive,
}

impl SecretKey {
    /// Takes the bytes of a secret.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, WeakSecret> {
        let bytes = Zeroizing::new(bytes.into());
        if bytes.len() < 32 {
            return Err(WeakSecret::TooShort);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(…)")
    }
}

/// The secret that signs, and older ones that still verify while they age out.
#[derive(Debug)]
pub struct Keyring {
    #[expect(dead_code, reason = "stub")]
    current: SecretKey,
    #[expect(dead_code, reason = "stub")]
    previous: Vec<SecretKey>,
}

impl Keyring {
    /// A keyring that signs with `current` and verifies with it and with `previous`.
    pub fn new(current: SecretKey, previous: Vec<SecretKey>) -> Self {
        Self { current, previous }
    }
}
