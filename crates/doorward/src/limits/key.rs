//! What a limit counts by: a keyed hash, so that whoever reads the table learns no address and no account.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::rules::Limit;

/// The bytes of a key.
pub const LIMIT_KEY_BYTES: usize = 16;
/// How much of an IPv6 address is one customer's: whoever has one address has the whole of it (RFC 6177).
const IPV6_PREFIX_BYTES: usize = 8;
/// The prefix under which a translator shows IPv4 clients (RFC 6052): one /64 would be the whole of IPv4.
const NAT64_PREFIX: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Names what is counted: which limit, of whom. Says neither without the secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey([u8; LIMIT_KEY_BYTES]);

impl LimitKey {
    /// A key of that value: how a store's tests make one.
    pub const fn from_bytes(bytes: [u8; LIMIT_KEY_BYTES]) -> Self {
        Self(bytes)
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

/// Makes keys. Nodes with the same secret make the same.
#[derive(Clone)]
pub(crate) struct LimitKeys(Hmac<Sha256>);

impl LimitKeys {
    pub(crate) fn new(secret: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        Self(<Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("HMAC takes any key"))
    }

    pub(crate) fn of_network(&self, limit: Limit, network: Network) -> LimitKey {
        self.of(limit, &[&network.bytes()])
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
        LimitKey(key)
    }
}

impl fmt::Debug for LimitKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LimitKeys(…)")
    }
}

/// Who counts as one sender: an IPv4 address, the /64 of an IPv6 address, or everybody whose address nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    V4(Ipv4Addr),
    V6([u8; IPV6_PREFIX_BYTES]),
    Unknown,
}

impl Network {
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::Unknown,
            Some(IpAddr::V4(address)) => Self::V4(address),
            Some(IpAddr::V6(address)) => Self::of_v6(address),
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let octets = address.octets();
        if address.segments()[..6] == NAT64_PREFIX {
            return Self::V4(Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]));
        }
        let mut prefix = [0; IPV6_PREFIX_BYTES];
        prefix.copy_from_slice(&octets[..IPV6_PREFIX_BYTES]);
        Self::V6(prefix)
    }

    /// As long for every network.
    fn bytes(self) -> [u8; 1 + IPV6_PREFIX_BYTES] {
        let mut bytes = [0; 1 + IPV6_PREFIX_BYTES];
        match self {
            Self::Unknown => {}
            Self::V4(address) => {
                bytes[0] = 4;
                bytes[1..5].copy_from_slice(&address.octets());
            }
            Self::V6(prefix) => {
                bytes[0] = 6;
                bytes[1..].copy_from_slice(&prefix);
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(Some(text.parse().unwrap()))
    }

    #[test]
    fn an_ipv6_customer_is_one_whatever_address_they_choose() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff:eeee:dddd:cccc"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_every_guise() {
        for guise in ["::ffff:203.0.113.9", "64:ff9b::203.0.113.9"] {
            assert_eq!(network(guise), network("203.0.113.9"));
        }
        assert_ne!(network("203.0.113.9"), network("203.0.113.8"));
        assert_ne!(network("64:ff9b::203.0.113.9"), network("64:ff9b::203.0.113.8"));
        assert_ne!(network("64:ff9b:1::1"), network("0.0.0.1"));
    }

    #[test]
    fn keys_differ_by_limit_by_subject_and_by_secret() {
        let keys = LimitKeys::new(b"one secret");
        let here = network("203.0.113.9");
        let made = [
            keys.of_network(Limit::LoginNetwork, here),
            keys.of_network(Limit::Registration, here),
            keys.of_network(Limit::LoginNetwork, Network::Unknown),
            keys.of_account(Limit::LoginAccount, "ada@example.com"),
            keys.of_account(Limit::LoginAccount, "bob@example.com"),
            keys.of_pair(Limit::LoginPair, here, "ada@example.com"),
            LimitKeys::new(b"another secret").of_account(Limit::LoginAccount, "ada@example.com"),
        ];
        for (index, key) in made.iter().enumerate() {
            assert!(!made[..index].contains(key), "{index}");
        }
        assert_eq!(made[0], keys.of_network(Limit::LoginNetwork, here));
    }
}
