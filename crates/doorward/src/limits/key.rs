//! What a limit counts by: a keyed hash, so that whoever reads the table learns no address and no account.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::rules::Limit;
use crate::network::Network;
use crate::sealing::Label;

/// The bytes of a key.
pub const LIMIT_KEY_BYTES: usize = 16;

/// The bit of the last byte that tells networks from accounts: strangers' made-up accounts are to take no room of theirs.
const OF_NETWORK: u8 = 1;

/// Names what is counted: which limit, of whom. Says neither without the secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey([u8; LIMIT_KEY_BYTES]);

impl LimitKey {
    /// A key of that value: how a store's tests make one.
    pub const fn from_bytes(bytes: [u8; LIMIT_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Whether it names a network alone, and nobody's account.
    pub const fn is_of_network(&self) -> bool {
        self.0[LIMIT_KEY_BYTES - 1] & OF_NETWORK != 0
    }

    /// Its value, for a store.
    pub const fn as_bytes(&self) -> &[u8; LIMIT_KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for LimitKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Makes keys. Nodes with the same data key make the same.
#[derive(Clone)]
pub(crate) struct LimitKeys(Hmac<Sha256>);

impl LimitKeys {
    /// Sets the key of the limits apart from every other use of a data key.
    pub(crate) const LABEL: Label = Label("doorward limit keys v1");

    pub(crate) fn new(secret: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        Self(<Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("HMAC takes any key"))
    }

    pub(crate) fn of_network(&self, limit: Limit, network: Network) -> LimitKey {
        let LimitKey(mut bytes) = self.of(limit, &[&network.bytes()]);
        bytes[LIMIT_KEY_BYTES - 1] |= OF_NETWORK;
        LimitKey(bytes)
    }

    pub(crate) fn of_account(&self, limit: Limit, account: &str) -> LimitKey {
        self.of(limit, &[account.as_bytes()])
    }

    pub(crate) fn of_pair(&self, limit: Limit, network: Network, account: &str) -> LimitKey {
        self.of(limit, &[&network.bytes(), account.as_bytes()])
    }

    /// All but the last part have a length that the limit fixes, so no two lists of parts run together alike.
    fn of(&self, limit: Limit, parts: &[&[u8]]) -> LimitKey {
        let mut mac = self.0.clone().chain_update(limit.name()).chain_update([0]);
        for part in parts {
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        let mut key = [0; LIMIT_KEY_BYTES];
        key.copy_from_slice(&digest[..LIMIT_KEY_BYTES]);
        key[LIMIT_KEY_BYTES - 1] &= !OF_NETWORK;
        LimitKey(key)
    }
}

impl fmt::Debug for LimitKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LimitKeys(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(Some(text.parse().unwrap()))
    }

    #[test]
    fn keys_differ_by_limit_by_subject_and_by_secret() {
        let keys = LimitKeys::new(b"one secret");
        let here = network("203.0.113.9");
        let made = [
            keys.of_network(Limit::LoginNetwork, here),
            keys.of_network(Limit::Registration, here),
            keys.of_network(Limit::LoginNetwork, Network::of(None)),
            keys.of_account(Limit::LoginAccount, "ada@example.com"),
            keys.of_account(Limit::LoginAccount, "bob@example.com"),
            keys.of_pair(Limit::LoginPair, here, "ada@example.com"),
            LimitKeys::new(b"another secret").of_account(Limit::LoginAccount, "ada@example.com"),
        ];
        assert_eq!(made.map(|key| key.is_of_network()), [true, true, true, false, false, false, false]);
        for (index, key) in made.iter().enumerate() {
            assert!(!made[..index].contains(key), "{index}");
        }
        assert_eq!(made[0], keys.of_network(Limit::LoginNetwork, here));
    }
}
