//! Sealing: what only a holder of the secret can read, bound to what it is for.
//!
//! `XChaCha20-Poly1305` under a key made of the secret and a label. The nonce is 24 random bytes and goes first.
//! What was sealed under an older secret still opens while that secret is kept.

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::random::{RandomnessError, random_bytes};
use crate::token::keyring::Keyring;

const NONCE_BYTES: usize = 24;

/// Sets the keys of one use apart from those of every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) &'static str);

impl Keyring {
    /// Seals `plain` for the use that `label` names.
    pub(crate) fn seal(&self, label: Label, plain: &[u8]) -> Result<Vec<u8>, RandomnessError> {
        let nonce: [u8; NONCE_BYTES] = random_bytes()?;
        let key = Zeroizing::new(self.derived(label.0.as_bytes()));
        // It fails for lengths past 256 GiB only.
        let sealed = XChaCha20Poly1305::new((&*key).into()).encrypt(&XNonce::from(nonce), plain).unwrap_or_default();
        Ok([&nonce[..], &sealed].concat())
    }

    /// What was sealed for that use; `None` when it wasn't, or under a secret that is no longer kept.
    pub(crate) fn open(&self, label: Label, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        self.all_derived(label.0.as_bytes()).find_map(|key| {
            let key = Zeroizing::new(key);
            let plain = XChaCha20Poly1305::new((&*key).into()).decrypt(&XNonce::from(*nonce), sealed);
            plain.ok().map(Zeroizing::new)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::keyring::SecretKey;

    const LABEL: Label = Label("doorward test v1");

    fn secret(text: &str) -> SecretKey {
        SecretKey::new(text).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_use_alone_and_while_its_secret_is_kept() {
        let (old, new) = ("kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP", "zQ8pL2vXn5RtK0wYd7CmB3fHs6JgUeAi");
        let before = Keyring::new(secret(old), Vec::new());
        let sealed = before.seal(LABEL, b"a link").unwrap();
        assert_eq!(before.open(LABEL, &sealed).unwrap().as_slice(), b"a link");
        assert!(before.open(Label("doorward other v1"), &sealed).is_none());
        let rotated = Keyring::new(secret(new), vec![secret(old)]);
        assert_eq!(rotated.open(LABEL, &sealed).unwrap().as_slice(), b"a link");
        assert!(Keyring::new(secret(new), Vec::new()).open(LABEL, &sealed).is_none());
    }

    #[test]
    fn no_byte_of_it_can_be_changed() {
        let keyring = Keyring::new(secret("kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP"), Vec::new());
        let sealed = keyring.seal(LABEL, b"a link").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(keyring.open(LABEL, &changed).is_none(), "{index}");
        }
        assert!(keyring.open(LABEL, &sealed[..NONCE_BYTES]).is_none());
        assert!(keyring.open(LABEL, b"").is_none());
        assert_ne!(sealed, keyring.seal(LABEL, b"a link").unwrap());
    }
}
