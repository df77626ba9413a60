//! The client's address: the peer's, unless the peer is a proxy that the operator trusts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

/// What proxies write about whom they speak for.
const FORWARDING: [&str; 2] = [X_FORWARDED_FOR, FORWARDED];
const X_FORWARDED_FOR: &str = "x-forwarded-for";
/// RFC 7239.
const FORWARDED: &str = "forwarded";
/// How often a trusted proxy wrote something that is no address, in this process.
static UNREADABLE: AtomicU64 = AtomicU64::new(0);

/// Where a request came from, among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The proxies whose word about the client's address is taken. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<(IpNet, &'static str)>);

impl TrustedProxies {
    /// Reads addresses (`10.0.0.1`) and networks (`10.0.0.0/8`, `fd00::/8`), each perhaps with the header behind it that
    /// those proxies write: `10.0.0.1 forwarded`. Without, it is `X-Forwarded-For`. A header that a proxy doesn't write
    /// itself is whatever the client sent.
    ///
    /// # Errors
    ///
    /// The text that is none of these.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let network = |text: &str| IpNet::from_str(text).ok().or_else(|| IpAddr::from_str(text).ok().map(IpNet::from));
        let proxy = |text: &str| match text.split_once(' ') {
            None => Some((network(text)?, X_FORWARDED_FOR)),
            Some((address, header)) => {
                let header = FORWARDING.into_iter().find(|known| known.eq_ignore_ascii_case(header.trim()))?;
                Some((network(address)?, header))
            }
        };
        texts.into_iter().map(|text| proxy(text).ok_or_else(|| text.to_owned())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.header_of(address).is_some()
    }

    /// What the proxy of that address writes, if it is one.
    fn header_of(&self, address: IpAddr) -> Option<&'static str> {
        let address = address.to_canonical();
        self.0.iter().find(|(network, _)| network.contains(&address)).map(|(_, header)| *header)
    }

    /// Says once when somebody who isn't trusted speaks for another. Behind a proxy that nobody named all clients
    /// have one address, and one of them uses up the limits of all.
    pub(crate) fn warn_of_strangers(&self, peer: IpAddr, headers: &HeaderMap, has_warned: &AtomicBool) {
        let speaks_for_another = FORWARDING.iter().any(|name| headers.contains_key(*name));
        if speaks_for_another && !self.contains(peer) && !has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                event = "forwarding_ignored",
                "{} sent a forwarding header and is no trusted proxy: if it is your proxy, name it in trusted_proxies, \
                 or all its clients share one address and its limits",
                peer.to_canonical()
            );
        }
    }

    /// The client of a request whose connection came from `peer`.
    ///
    /// The header is read from the right, as each proxy appends whom it heard from: the first
    /// address that is no trusted proxy is the client. What stands further left anybody could have written. A hop that
    /// can't be read ends the walk at the proxy that wrote it, and is logged, the first of a process.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.to_canonical();
        let Some(header) = self.header_of(client) else { return ClientAddress(client) };
        let lines: Vec<_> = headers.get_all(header).iter().map(|line| line.to_str().unwrap_or("?")).collect();
        for hop in lines.iter().rev().flat_map(|line| elements(line).into_iter().rev()) {
            let address = if header == FORWARDED { speaks_for(hop) } else { Some(hop) };
            let Some(address) = address.and_then(|address| read_hop(address.trim())) else {
                note_unreadable(hop, header, client);
                break;
            };
            client = address.to_canonical();
            if !self.contains(client) {
                break;
            }
        }
        ClientAddress(client)
    }
}

/// An address in every spelling that proxies write: bare, with a port, an IPv6 address in brackets with a port or
/// without, and with a zone, which means nothing here.
fn read_hop(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        return if is_port(port) { read_v6(address) } else { None };
    }
    match text.split_once(':') {
        None => Ipv4Addr::from_str(text).ok().map(IpAddr::V4),
        Some((address, port)) if !port.contains(':') => {
            let address = Ipv4Addr::from_str(address).ok().map(IpAddr::V4);
            address.filter(|_| port.parse::<u16>().is_ok())
        }
        Some(_) => read_v6(text),
    }
}

/// Nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

fn read_v6(text: &str) -> Option<IpAddr> {
    let (address, _zone) = text.split_once('%').unwrap_or((text, ""));
    Ipv6Addr::from_str(address).ok().map(IpAddr::V6)
}

/// The parts of a line between its commas, those in quotes left aside.
fn elements(line: &str) -> Vec<&str> {
    let mut is_quoted = false;
    let is_separator = |character: char| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    };
    line.split(is_separator).collect()
}

/// Whom an element of `Forwarded` speaks for: `for=192.0.2.60`, `For="[2001:db8::1]:4711";proto=http`.
fn speaks_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let is_for = name.trim().eq_ignore_ascii_case("for");
        is_for.then(|| value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
    })
}

/// How often a trusted proxy wrote something about whom it speaks for that is no address, in this process.
pub fn unreadable_forwarding() -> u64 {
    UNREADABLE.load(Ordering::Relaxed)
}

/// Counts what a trusted proxy wrote that is no address, and says so once: all whom it speaks for so share its limits.
fn note_unreadable(hop: &str, header: &str, proxy: IpAddr) {
    if UNREADABLE.fetch_add(1, Ordering::Relaxed) == 0 {
        let shown: String = hop.trim().escape_debug().take(64).collect();
        tracing::warn!(
            event = "forwarding_unreadable",
            "the trusted proxy {proxy} sent \"{shown}\" in {header}, which is no address: those whom it speaks \
             for so share one address and its limits"
        );
    }
}

pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted = TrustedProxies::parse(trusted.iter().copied()).unwrap();
        trusted.client(peer.parse().unwrap(), &headers).0.to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(client(&[], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn trusted_hops_are_passed_from_the_right() {
        let trusted = &["10.0.0.0/8", "192.0.2.1"];
        assert_eq!(client(trusted, "10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client(trusted, "10.0.0.1", &["1.1.1.1, 198.51.100.1, 192.0.2.1"]), "198.51.100.1");
        assert_eq!(client(trusted, "10.0.0.1", &["1.1.1.1", "198.51.100.1", "10.9.9.9"]), "198.51.100.1");
        assert_eq!(client(trusted, "10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client(trusted, "::ffff:10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn every_spelling_of_an_address_is_read() {
        for (hop, read) in [
            ("198.51.100.1", "198.51.100.1"),
            (" 198.51.100.1:65535 ", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:DB8:0::1]", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:80", "fe80::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("[::ffff:198.51.100.1]:1", "198.51.100.1"),
        ] {
            assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[hop]), read, "{hop}");
        }
        for hop in [
            "",
            "unknown",
            "_hidden",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]443",
            "[2001:db8::1]:",
            "[]",
            "[198.51.100.1]",
            "198.51.100.1:",
            "198.51.100.1:65536",
            "198.51.100",
            "198.51.100.1 1",
            "for=198.51.100.1",
            "[::1]:80:80",
            "é",
        ] {
            assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1", hop]), "10.0.0.1", "{hop}");
        }
    }

    #[test]
    fn the_header_is_the_one_that_the_proxy_writes() {
        let trusted = TrustedProxies::parse(["10.0.0.1 forwarded", "10.0.0.2 X-Forwarded-For", "10.0.0.3"]).unwrap();
        let client = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.append(X_FORWARDED_FOR, "203.0.113.7".parse().unwrap());
            for line in forwarded {
                headers.append(FORWARDED, line.parse().unwrap());
            }
            trusted.client(peer.parse().unwrap(), &headers).0.to_string()
        };
        for (lines, read) in [
            (&["for=198.51.100.1"][..], "198.51.100.1"),
            (&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            (&["for=1.1.1.1, for=198.51.100.1;proto=https;by=10.0.0.1, for=10.0.0.3"], "198.51.100.1"),
            (&["for=1.1.1.1", "by=10.0.0.1; for = 198.51.100.1:80"], "198.51.100.1"),
            (&["for=198.51.100.1;host=\"a,b\""], "198.51.100.1"),
            (&["for=unknown"], "10.0.0.1"),
            (&["for=_hidden, for=198.51.100.1"], "198.51.100.1"),
            (&["for=198.51.100.1, for=\"_sec;ret\""], "10.0.0.1"),
            (&["proto=https"], "10.0.0.1"),
            (&["198.51.100.1"], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", lines), read, "{lines:?}");
        }
        // Whoever writes the other header passes this one on as the client sent it.
        for peer in ["10.0.0.2", "10.0.0.3"] {
            assert_eq!(client(peer, &["for=198.51.100.1"]), "203.0.113.7");
        }
        assert!(TrustedProxies::parse(["10.0.0.1 x-real-ip"]).is_err());
    }

    #[test]
    fn rubbish_ends_the_walk() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1, rubbish, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_named() {
        assert_eq!(TrustedProxies::parse(["10.0.0.0/8", "proxy"]), Err("proxy".to_owned()));
    }
}
