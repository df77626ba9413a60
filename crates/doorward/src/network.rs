//! Whose address a client's is, as far as limits, queues and shares are concerned.
//!
//! One machine has one IPv4 address. Of IPv6 it has a /64 to choose from, a household or an office often a /56, and
//! whoever asks a provider for it a /48 (RFC 6177): 65,536 times a /64. So an IPv6 client is counted on three rungs, each
//! with more room than the one below it, and a whole /48 gets no further than the widest rung lets it.

use std::fmt;
use std::iter::successors;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The lengths of the prefixes by which IPv6 clients are counted, the narrowest network first.
const RUNGS: [u8; 3] = [64, 56, 48];
/// The prefix under which a translator shows IPv4 clients (RFC 6052): one /64 would be the whole of IPv4.
const NAT64_PREFIX: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// A network that is counted as one: an IPv4 address, a /64, /56 or /48 of IPv6, or everybody whose address nobody
/// knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Unknown,
    V4(Ipv4Addr),
    /// The first 64 bits of the address, zero after the prefix; which rung it is.
    V6(u64, u8),
}

impl Network {
    /// The bytes of [`bytes`](Self::bytes).
    const BYTES: usize = 10;

    /// The narrowest network of a client: its IPv4 address, or the /64 of its IPv6 address.
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(match address.map(|address| address.to_canonical()) {
            None => Kind::Unknown,
            Some(IpAddr::V4(address)) => Kind::V4(address),
            Some(IpAddr::V6(address)) => Self::of_v6(address),
        })
    }

    fn of_v6(address: Ipv6Addr) -> Kind {
        let [.., a, b, c, d] = address.octets();
        if address.segments()[..6] == NAT64_PREFIX {
            return Kind::V4(Ipv4Addr::new(a, b, c, d));
        }
        Kind::V6((address.to_bits() >> 64) as u64, 0)
    }

    /// The networks of a client, the narrowest first: the /64, /56 and /48 of an IPv6 address, else the one of
    /// [`of`](Self::of).
    pub fn ladder(address: Option<IpAddr>) -> impl Iterator<Item = Self> + Clone {
        successors(Some(Self::of(address)), |network| network.wider())
    }

    fn wider(self) -> Option<Self> {
        let Kind::V6(bits, rung) = self.0 else { return None };
        let length = RUNGS.get(usize::from(rung) + 1)?;
        let rest = 64 - u32::from(*length);
        Some(Self(Kind::V6(bits >> rest << rest, rung + 1)))
    }

    /// How often the room of the narrowest network this one has on its rung: 1, 4 for a /56, 16 for a /48.
    pub fn room(self) -> u32 {
        match self.0 {
            Kind::V6(_, rung) => 1 << (2 * rung),
            Kind::Unknown | Kind::V4(_) => 1,
        }
    }

    /// As long for every network, and another for each.
    pub(crate) fn bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        match self.0 {
            Kind::Unknown => {}
            Kind::V4(address) => {
                bytes[0] = 4;
                bytes[1..5].copy_from_slice(&address.octets());
            }
            Kind::V6(bits, rung) => {
                bytes[0] = 6;
                bytes[1] = rung;
                bytes[2..].copy_from_slice(&bits.to_be_bytes());
            }
        }
        bytes
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Unknown => formatter.write_str("unknown"),
            Kind::V4(address) => address.fmt(formatter),
            Kind::V6(bits, rung) => {
                let length = RUNGS.get(usize::from(rung)).copied().unwrap_or_default();
                write!(formatter, "{}/{length}", Ipv6Addr::from_bits(u128::from(bits) << 64))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(Some(text.parse().unwrap()))
    }

    #[test]
    fn an_ipv6_client_is_one_whatever_address_they_choose() {
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
    fn the_ladder_climbs_to_the_48() {
        let ladder = |text: &str| {
            let networks = Network::ladder(Some(text.parse().unwrap()));
            networks.map(|network| (format!("{network:?}"), network.room())).collect::<Vec<_>>()
        };
        let rung = |network: &str, room| (network.to_owned(), room);
        assert_eq!(
            ladder("2001:db8:1:2345::1"),
            [rung("2001:db8:1:2345::/64", 1), rung("2001:db8:1:2300::/56", 4), rung("2001:db8:1::/48", 16)]
        );
        assert_eq!(ladder("203.0.113.9"), [rung("203.0.113.9", 1)]);
        assert_eq!(Network::ladder(None).count(), 1);
        // Networks of one prefix on different rungs are different holders.
        let zeros: Vec<_> = Network::ladder(Some("2001:db8:1::1".parse().unwrap())).map(Network::bytes).collect();
        assert!(zeros[0] != zeros[1] && zeros[1] != zeros[2]);
    }
}
