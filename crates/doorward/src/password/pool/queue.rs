//! A queue that serves clients in turns, whatever each of them has waiting.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use crate::network::Network;

/// Whose an item is: the client's networks, the widest first. So a /48 has one turn among all, and its /64s share it.
pub(super) fn path_of(client: Option<IpAddr>) -> Vec<Network> {
    let mut networks: Vec<_> = Network::ladder(client).collect();
    networks.reverse();
    networks
}

/// Items of many clients. Those of one client stay in order; between networks each has one item taken in its turn, and
/// inside of it each of its own.
pub(super) struct FairQueue<T> {
    /// Those that are no narrower network's.
    items: VecDeque<T>,
    /// The networks inside that have something waiting, the next to be served first.
    turns: VecDeque<Network>,
    /// What each of these has waiting: never nothing.
    inside: HashMap<Network, FairQueue<T>>,
    length: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), turns: VecDeque::new(), inside: HashMap::new(), length: 0 }
    }
}

impl<T> FairQueue<T> {
    /// Items of all clients.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Takes a place for `item`. Who has nothing waiting yet is served after everybody who has.
    pub(super) fn push(&mut self, path: &[Network], item: T) {
        self.length += 1;
        let Some((network, rest)) = path.split_first() else { return self.items.push_back(item) };
        if !self.inside.contains_key(network) {
            self.turns.push_back(*network);
        }
        self.inside.entry(*network).or_default().push(rest, item);
    }

    /// The next item that may begin: the first such of the client whose turn it is, or the one's after.
    pub(super) fn take(&mut self, may_begin: &impl Fn(&T) -> bool) -> Option<T> {
        let own = self.items.iter().position(may_begin);
        let item = match own {
            Some(place) => self.items.remove(place)?,
            None => self.take_inside(may_begin)?,
        };
        self.length -= 1;
        Some(item)
    }

    fn take_inside(&mut self, may_begin: &impl Fn(&T) -> bool) -> Option<T> {
        let mut take = |network| self.inside.get_mut(network)?.take(may_begin);
        let (turn, item) = self.turns.iter().enumerate().find_map(|(turn, network)| Some((turn, take(network)?)))?;
        let network = self.turns.remove(turn)?;
        self.turns.push_back(network);
        self.forget_if_empty(network);
        Some(item)
    }

    /// How many items would at most be served before one more of `path`, were no more to come.
    pub(super) fn ahead_of(&self, path: &[Network]) -> usize {
        let Some((network, rest)) = path.split_first() else { return self.length };
        let own = self.inside.get(network).map_or(0, |own| own.ahead_of(rest));
        let others = self.inside.iter().filter(|(other, _)| *other != network);
        own + others.map(|(_, other)| other.length.min(own + 1)).sum::<usize>()
    }

    /// Takes the newest item from whoever has most, in favour of one more of `path`; nothing from anybody who would then
    /// have less than it.
    pub(super) fn displace_for(&mut self, path: &[Network]) -> Option<T> {
        let owner = self.displaceable_for(path)?;
        self.remove_newest(&owner)
    }

    /// Whose item that would be.
    pub(super) fn displaceable_for(&self, path: &[Network]) -> Option<Vec<Network>> {
        let (network, rest) = path.split_first()?;
        let own = self.inside.get(network);
        let (fullest, most) = self.inside.iter().max_by_key(|(_, other)| other.length)?;
        let (first, inside) = if fullest != network && most.length >= own.map_or(0, |own| own.length) + 2 {
            (fullest, most.fullest())
        } else {
            (network, own?.displaceable_for(rest)?)
        };
        Some([vec![*first], inside].concat())
    }

    /// Whoever has most.
    fn fullest(&self) -> Vec<Network> {
        let fullest = self.inside.iter().max_by_key(|(_, other)| other.length);
        fullest.map_or_else(Vec::new, |(network, most)| [vec![*network], most.fullest()].concat())
    }

    fn remove_newest(&mut self, path: &[Network]) -> Option<T> {
        let item = match path.split_first() {
            None => self.items.pop_back()?,
            Some((network, rest)) => {
                let item = self.inside.get_mut(network)?.remove_newest(rest)?;
                self.forget_if_empty(*network);
                item
            }
        };
        self.length -= 1;
        Some(item)
    }

    fn forget_if_empty(&mut self, network: Network) {
        if self.inside.get(&network).is_some_and(|other| other.length == 0) {
            self.inside.remove(&network);
            self.turns.retain(|other| *other != network);
        }
    }

    /// Removes what `is_kept` says no to; how many.
    pub(super) fn retain(&mut self, is_kept: &impl Fn(&T) -> bool) -> usize {
        let before = self.length;
        self.items.retain(is_kept);
        self.inside.retain(|_, other| {
            other.retain(is_kept);
            other.length > 0
        });
        self.turns.retain(|network| self.inside.contains_key(network));
        self.length = self.items.len() + self.inside.values().map(Self::len).sum::<usize>();
        before - self.length
    }

    /// Everything, in no order.
    pub(super) fn drain(self) -> Vec<T> {
        let inside = self.inside.into_values().flat_map(Self::drain);
        self.items.into_iter().chain(inside).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two of 192.0.2.0, and then three /64s of one /56, one of another, and one of another /48.
    const CLIENTS: [&str; 7] = [
        "192.0.2.1",
        "192.0.2.2",
        "2001:db8:1:100::1",
        "2001:db8:1:101::1",
        "2001:db8:1:102::1",
        "2001:db8:1:200::1",
        "2001:db8:2::1",
    ];

    fn client(number: u8) -> Vec<Network> {
        path_of(Some(CLIENTS[usize::from(number)].parse().unwrap()))
    }

    fn order(queue: &mut FairQueue<(u8, u32)>) -> Vec<(u8, u32)> {
        std::iter::from_fn(|| queue.take(&|_| true)).collect()
    }

    #[test]
    fn clients_take_turns_and_each_keeps_its_order() {
        let mut queue = FairQueue::default();
        for number in 0..4 {
            queue.push(&client(1), (1, number));
        }
        queue.push(&client(2), (2, 0));
        queue.push(&client(2), (2, 1));
        queue.push(&client(6), (6, 0));
        assert_eq!(order(&mut queue), [(1, 0), (2, 0), (6, 0), (1, 1), (2, 1), (1, 2), (1, 3)]);
        assert!(queue.turns.is_empty() && queue.inside.is_empty() && queue.len() == 0);
    }

    #[test]
    fn what_may_not_begin_is_overtaken_and_keeps_its_place() {
        let mut queue = FairQueue::default();
        for (owner, number) in [(1, 0), (1, 1), (2, 0)] {
            queue.push(&client(owner), (owner, number));
        }
        assert_eq!(queue.take(&|item| *item != (1, 0)), Some((1, 1)));
        assert_eq!(queue.take(&|item| item.0 == 9), None);
        assert_eq!(order(&mut queue), [(2, 0), (1, 0)]);
    }

    #[test]
    fn whoever_has_most_makes_room() {
        let mut queue = FairQueue::default();
        for number in 0..3 {
            queue.push(&client(1), (1, number));
        }
        queue.push(&client(2), (2, 0));
        assert_eq!(queue.displace_for(&client(1)), None, "not for itself");
        assert_eq!(queue.displace_for(&client(2)), Some((1, 2)), "the newest");
        queue.push(&client(2), (2, 1));
        assert_eq!(queue.displace_for(&client(2)), None, "two each");
        assert_eq!(queue.displace_for(&client(3)).map(|item| item.1), Some(1));
        queue.push(&client(3), (3, 0));
        assert_eq!(queue.len(), 4);
    }

    /// Or 65,536 networks of one customer would have as many turns.
    #[test]
    fn a_48_has_one_turn_and_its_networks_share_it() {
        let mut queue = FairQueue::default();
        for owner in [2, 3, 5] {
            queue.push(&client(owner), (owner, 0));
            queue.push(&client(owner), (owner, 1));
        }
        queue.push(&client(0), (0, 0));
        queue.push(&client(6), (6, 0));
        assert_eq!(queue.ahead_of(&client(1)), 3);
        assert_eq!(order(&mut queue), [(2, 0), (0, 0), (6, 0), (5, 0), (3, 0), (5, 1), (2, 1), (3, 1)]);
    }

    #[test]
    fn a_48_of_many_networks_makes_room_though_each_has_one() {
        let mut queue = FairQueue::default();
        for owner in [2, 3, 4, 5] {
            queue.push(&client(owner), (owner, 0));
        }
        let victim = queue.displaceable_for(&client(0)).unwrap();
        assert_eq!(victim[..2], client(2)[..2], "of the /56 that has three");
        queue.displace_for(&client(0)).unwrap();
        queue.push(&client(0), (0, 0));
        assert_eq!(queue.len(), 4);
        // Inside of it, too, whoever has most makes room.
        for number in 1..4 {
            queue.push(&client(5), (5, number));
        }
        assert_eq!(queue.displace_for(&client(3)), Some((5, 3)));
    }

    proptest! {
        /// Against a list that is looked through: nothing is lost or counted twice, a newcomer waits no longer than
        /// foretold, and nobody is served twice before another who waits.
        #[test]
        fn nothing_is_lost_and_forecasts_hold(steps in proptest::collection::vec((0u8..6, 0u8..7), 0..200)) {
            let mut queue = FairQueue::default();
            let mut model: Vec<(u8, u32)> = Vec::new();
            for (number, (action, owner)) in (0u32..).zip(steps) {
                match action {
                    0..=2 => {
                        queue.push(&client(owner), (owner, number));
                        model.push((owner, number));
                    }
                    3 => {
                        let taken = queue.take(&|_| true);
                        prop_assert_eq!(taken.is_some(), !model.is_empty());
                        if let Some(item) = taken {
                            let oldest = model.iter().position(|other| other.0 == item.0).unwrap();
                            prop_assert_eq!(model.remove(oldest), item);
                        }
                    }
                    4 => if let Some(item) = queue.displace_for(&client(owner)) {
                        let newest = model.iter().rposition(|other| other.0 == item.0).unwrap();
                        prop_assert_eq!(model.remove(newest), item);
                    }
                    _ => {
                        let dropped = queue.retain(&|item| item.1 % 3 > 0);
                        let before = model.len();
                        model.retain(|item| item.1 % 3 > 0);
                        prop_assert_eq!(dropped, before - model.len());
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
            }
            let forecast = queue.ahead_of(&client(0));
            queue.push(&client(0), (0, u32::MAX));
            let served = order(&mut queue);
            let place = served.iter().position(|item| item.1 == u32::MAX).unwrap();
            prop_assert!(place <= forecast, "{} after {}", place, forecast);
            prop_assert_eq!(served.len(), model.len() + 1);
        }
    }
}
