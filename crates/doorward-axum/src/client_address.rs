//! The client's address: the peer's, unless the peer is a proxy that the operator trusts.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

/// What proxies write about whom they speak for. Only the first is ever read.
const FORWARDING: [&str; 2] = ["x-forwarded-for", "forwarded"];

/// Where a request came from, among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The proxies whose word about the client's address is taken. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads addresses (`10.0.0.1`) and networks (`10.0.0.0/8`, `fd00::/8`).
    ///
    /// # Errors
    ///
    /// The text that is neither.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let network = |text: &str| IpNet::from_str(text).ok().or_else(|| IpAddr::from_str(text).ok().map(IpNet::from));
        texts.into_iter().map(|text| network(text).ok_or_else(|| text.to_owned())).collect::<Result<_, _>>().map(Self)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
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
    /// `X-Forwarded-For` is read from the right, as each proxy appends whom it heard from: the first
    /// address that is no trusted proxy is the client. What stands further left anybody could have written.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.to_canonical();
        if !self.contains(client) {
            return ClientAddress(client);
        }
        let lines: Vec<_> =
            headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("?")).collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Some(address) = read_hop(hop.trim()) else { break };
            client = address.to_canonical();
            if !self.contains(client) {
                break;
            }
        }
        ClientAddress(client)
    }
}

fn read_hop(text: &str) -> Option<IpAddr> {
    IpAddr::from_str(text).or_else(|_| SocketAddr::from_str(text).map(|address| address.ip())).ok()
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
    fn rubbish_ends_the_walk() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1, rubbish, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_named() {
        assert_eq!(TrustedProxies::parse(["10.0.0.0/8", "proxy"]), Err("proxy".to_owned()));
    }
}
