//! Sealing: what only this service can read or make, bound to what it is for.
//!
//! `XChaCha20-Poly1305` under a key made of a data key and a label. The nonce is 24 random bytes and goes first. What was
//! sealed under an older data key, or under the signing secret before there were data keys, still opens.

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::limits::LimitKeys;
use crate::random::{RandomnessError, random_bytes};
use crate::token::keyring::{SigningKey, keyed};

const NONCE_BYTES: usize = 24;
/// The bytes of every key here.
pub(crate) const KEY_BYTES: usize = 32;

/// Sets the keys of one use apart from those of every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) &'static str);

/// The keys of one use.
pub(crate) type DerivedKey = Zeroizing<[u8; KEY_BYTES]>;

/// What the keys of the uses come from.
#[derive(Clone)]
pub(crate) enum SealingKey {
    /// The key of every use can be made of it.
    Whole(Hmac<Sha256>),
    /// The keys of these uses and of no others: what is left of a signing secret that once sealed.
    Parts(BTreeMap<String, DerivedKey>),
}

impl SealingKey {
    /// A data key.
    pub(crate) fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self::Whole(keyed(bytes))
    }

    /// A signing secret, as it sealed before there were data keys.
    pub(crate) fn of_secret(secret: &SigningKey) -> Self {
        Self::Whole(secret.keyed().clone())
    }

    /// What is needed of it for these uses.
    pub(crate) fn parts(&self, labels: &[Label]) -> Self {
        let part = |label: &Label| Some((label.0.to_owned(), self.derived(*label)?));
        Self::Parts(labels.iter().filter_map(part).collect())
    }

    fn derived(&self, Label(label): Label) -> Option<DerivedKey> {
        match self {
            Self::Whole(keyed) => {
                Some(Zeroizing::new(keyed.clone().chain_update(label).finalize().into_bytes().into()))
            }
            Self::Parts(parts) => parts.get(label).cloned(),
        }
    }
}

/// Seals, and opens what was sealed: under data keys.
pub(crate) struct Sealer {
    active: SealingKey,
    others: Vec<SealingKey>,
    /// What limits count by: made here, for it must be the same on every node and nobody else's.
    pub(crate) limit_keys: LimitKeys,
}

impl Sealer {
    /// Seals with `active`, and opens with it and with `others`.
    pub(crate) fn new(active: SealingKey, others: Vec<SealingKey>) -> Self {
        let limit_keys = LimitKeys::new(&*active.derived(LimitKeys::LABEL).unwrap_or_default());
        Self { active, others, limit_keys }
    }

    /// Seals `plain` for the use that `label` names.
    pub(crate) fn seal(&self, label: Label, plain: &[u8]) -> Result<Vec<u8>, RandomnessError> {
        seal_under(&self.derived(label), plain)
    }

    /// What was sealed for that use; `None` when it wasn't, or under a key that is no longer kept.
    pub(crate) fn open(&self, label: Label, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.all_derived(label).find_map(|key| open_under(&key, sealed))
    }

    /// The same of what was sealed under the active key: for what clients hold, which no older key may make.
    pub(crate) fn open_fresh(&self, label: Label, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open_under(&self.derived(label), sealed)
    }

    /// A key for one use: the same wherever the active data key is.
    pub(crate) fn derived(&self, label: Label) -> DerivedKey {
        // The active key is a whole one.
        self.active.derived(label).unwrap_or_default()
    }

    /// The same of every key that is kept, the active one first.
    pub(crate) fn all_derived(&self, label: Label) -> impl Iterator<Item = DerivedKey> {
        std::iter::once(&self.active).chain(&self.others).filter_map(move |key| key.derived(label))
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sealer(…)")
    }
}

/// Seals `plain` under `key`.
pub(crate) fn seal_under(key: &DerivedKey, plain: &[u8]) -> Result<Vec<u8>, RandomnessError> {
    let nonce: [u8; NONCE_BYTES] = random_bytes()?;
    // It fails for lengths past 256 GiB only.
    let sealed = XChaCha20Poly1305::new((&**key).into()).encrypt(&XNonce::from(nonce), plain).unwrap_or_default();
    Ok([&nonce[..], &sealed].concat())
}

/// What was sealed under `key`.
pub(crate) fn open_under(key: &DerivedKey, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let plain = XChaCha20Poly1305::new((&**key).into()).decrypt(&XNonce::from(*nonce), sealed);
    plain.ok().map(Zeroizing::new)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const LABEL: Label = Label("doorward test v1");
    const OTHER: Label = Label("doorward other v1");

    /// Seals with the first of these keys, and opens with all.
    pub(crate) fn sealer(keys: &[u8]) -> Sealer {
        let mut keys = keys.iter().map(|byte| SealingKey::new(&[*byte; KEY_BYTES]));
        Sealer::new(keys.next().unwrap(), keys.collect())
    }

    #[test]
    fn what_is_sealed_opens_for_its_use_alone_and_while_its_key_is_kept() {
        let sealed = sealer(&[1]).seal(LABEL, b"a link").unwrap();
        assert_eq!(sealer(&[1]).open(LABEL, &sealed).unwrap().as_slice(), b"a link");
        assert_eq!(sealer(&[1]).open_fresh(LABEL, &sealed).unwrap().as_slice(), b"a link");
        assert!(sealer(&[1]).open(OTHER, &sealed).is_none());
        assert_eq!(sealer(&[2, 1]).open(LABEL, &sealed).unwrap().as_slice(), b"a link");
        assert!(sealer(&[2, 1]).open_fresh(LABEL, &sealed).is_none());
        assert!(sealer(&[2]).open(LABEL, &sealed).is_none());
    }

    #[test]
    fn a_part_is_good_for_its_uses_alone() {
        let whole = SealingKey::new(&[1; KEY_BYTES]);
        let with_a_part = Sealer::new(SealingKey::new(&[2; KEY_BYTES]), vec![whole.parts(&[LABEL])]);
        let before = sealer(&[1]);
        let (kept, lost) = (before.seal(LABEL, b"a link").unwrap(), before.seal(OTHER, b"a challenge").unwrap());
        assert_eq!(with_a_part.open(LABEL, &kept).unwrap().as_slice(), b"a link");
        assert!(with_a_part.open(OTHER, &lost).is_none());
    }

    #[test]
    fn no_byte_of_it_can_be_changed() {
        let sealer = sealer(&[1]);
        let sealed = sealer.seal(LABEL, b"a link").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(sealer.open(LABEL, &changed).is_none(), "{index}");
        }
        assert!(sealer.open(LABEL, &sealed[..NONCE_BYTES]).is_none());
        assert!(sealer.open(LABEL, b"").is_none());
        assert_ne!(sealed, sealer.seal(LABEL, b"a link").unwrap());
    }
}
