//! A budget of places, and how much of it one network may hold.
//!
//! Without a bound for each, one host takes all places and everybody else is refused. A network is an IPv4 address or
//! a /64, a /56 or a /48 of IPv6 ([`doorward::network`]): 65,536 networks of one customer have no more than one. Connections of a trusted proxy are its clients', and
//! those from this very machine are an unnamed proxy's or an operator's: they share the whole.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward::network::Network;

use crate::client_address::TrustedProxies;

/// The part of the places that one network may hold: a half, a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Half,
    Quarter,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// All places are taken.
    Full,
    /// The network holds its share.
    Share,
}

/// A number of places that are shared.
#[derive(Debug)]
pub(crate) struct Shares {
    whole: usize,
    share: usize,
    proxies: TrustedProxies,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    places: usize,
    by_network: HashMap<Network, usize>,
}

/// A place that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shares: Arc<Shares>,
    networks: Vec<Network>,
}

impl Shares {
    /// `whole` places, of which one network may hold that part, and one at least.
    pub(crate) fn new(whole: usize, part: Part, proxies: TrustedProxies) -> Self {
        let divisor = match part {
            Part::Half => 2,
            Part::Quarter => 4,
        };
        Self { whole, share: (whole / divisor).max(1), proxies, held: Mutex::default() }
    }

    /// How many places are held.
    pub(crate) fn held(&self) -> usize {
        self.lock().places
    }

    /// A place for the peer of that address.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, NoPlace> {
        let networks = self.networks_of(peer);
        let mut held = self.lock();
        if held.places >= self.whole {
            return Err(NoPlace::Full);
        }
        if networks.iter().any(|network| held.by_network.get(network).is_some_and(|places| *places >= self.share)) {
            return Err(NoPlace::Share);
        }
        for network in &networks {
            *held.by_network.entry(*network).or_default() += 1;
        }
        held.places += 1;
        Ok(Place { shares: Arc::clone(self), networks })
    }

    /// Whose share it is; nobody's for the whole.
    fn networks_of(&self, peer: IpAddr) -> Vec<Network> {
        let peer = peer.to_canonical();
        let is_this_machine = peer == IpAddr::from([127, 0, 0, 1]) || peer == IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]);
        if is_this_machine || self.proxies.contains(peer) { Vec::new() } else { Network::ladder(Some(peer)).collect() }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.shares.lock();
        held.places -= 1;
        for network in &self.networks {
            let Some(places) = held.by_network.get_mut(network) else { continue };
            *places -= 1;
            if *places == 0 {
                held.by_network.remove(network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(whole: usize, part: Part) -> Arc<Shares> {
        let proxies = TrustedProxies::parse(["10.0.0.0/8"]).unwrap();
        Arc::new(Shares::new(whole, part, proxies))
    }

    fn taken(shares: &Arc<Shares>, peer: &str) -> Vec<Place> {
        std::iter::from_fn(|| shares.take(peer.parse().unwrap()).ok()).collect()
    }

    #[test]
    fn one_network_holds_its_share_and_leaves_the_rest() {
        let shares = shares(8, Part::Quarter);
        for peers in [["203.0.113.9", "::ffff:203.0.113.9"], ["2001:db8::1", "2001:db8:0:ffff::1"]] {
            let places = taken(&shares, peers[0]);
            assert_eq!(places.len(), 2);
            assert_eq!(shares.take(peers[1].parse().unwrap()).unwrap_err(), NoPlace::Share);
            drop(places);
        }
        let all: Vec<_> = (1..=4).map(|last| taken(&shares, &format!("203.0.113.{last}"))).collect();
        assert_eq!((all.iter().map(Vec::len).sum::<usize>(), shares.held()), (8, 8));
        assert_eq!(shares.take("203.0.113.5".parse().unwrap()).unwrap_err(), NoPlace::Full);
        drop(all);
        assert_eq!(
            (shares.held(), shares.lock().by_network.len()),
            (0, 0),
            "nothing is remembered of whoever has left"
        );
    }

    #[test]
    fn proxies_and_this_machine_have_the_whole() {
        for peer in ["10.1.2.3", "127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(taken(&shares(8, Part::Quarter), peer).len(), 8, "{peer}");
        }
        assert_eq!(taken(&shares(8, Part::Half), "127.0.0.2").len(), 4);
        assert_eq!(taken(&shares(1, Part::Quarter), "203.0.113.9").len(), 1, "one at least");
    }
}
