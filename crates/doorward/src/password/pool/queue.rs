//! A queue that serves clients in turns, whatever each of them has waiting.

use std::collections::{HashMap, VecDeque};

use super::client::ClientKey;

/// Items of many clients. Those of one client stay in order; between clients each has one item taken in its turn.
/// What comes without a client is one client's.
pub(super) struct FairQueue<T> {
    /// Who has something waiting, the next to be served first.
    turns: VecDeque<Option<ClientKey>>,
    /// What each of these has waiting: never nothing.
    waiting: HashMap<Option<ClientKey>, VecDeque<T>>,
    length: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), waiting: HashMap::new(), length: 0 }
    }
}

impl<T> FairQueue<T> {
    /// Items of all clients.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Takes a place for `item`. Who has nothing waiting yet is served after everybody who has.
    pub(super) fn push(&mut self, client: Option<ClientKey>, item: T) {
        let items = self.waiting.entry(client).or_default();
        if items.is_empty() {
            self.turns.push_back(client);
        }
        items.push_back(item);
        self.length += 1;
    }

    /// The next item that may begin: the first such of the client whose turn it is, or the one's after.
    pub(super) fn take(&mut self, may_begin: impl Fn(&T) -> bool) -> Option<T> {
        let first = |client| self.waiting.get(client)?.iter().position(&may_begin);
        let (turn, place) = self.turns.iter().enumerate().find_map(|(turn, client)| Some((turn, first(client)?)))?;
        let client = self.turns.remove(turn)?;
        let items = self.waiting.get_mut(&client)?;
        let item = items.remove(place)?;
        if items.is_empty() {
            self.waiting.remove(&client);
        } else {
            self.turns.push_back(client);
        }
        self.length -= 1;
        Some(item)
    }

    /// How many items would at most be served before one more of `client`, were no more to come.
    pub(super) fn ahead_of(&self, client: Option<ClientKey>) -> usize {
        let own = self.waiting_for(client);
        self.waiting.values().map(|items| items.len().min(own + 1)).sum()
    }

    fn waiting_for(&self, client: Option<ClientKey>) -> usize {
        self.waiting.get(&client).map_or(0, VecDeque::len)
    }

    /// Takes the newest item from whoever has most, in favour of one more of `client`; nothing from anybody who
    /// would then have less than `client`.
    pub(super) fn displace_for(&mut self, client: Option<ClientKey>) -> Option<T> {
        let owner = self.displaceable_for(client)?;
        self.length -= 1;
        self.waiting.get_mut(&owner)?.pop_back()
    }

    /// Whose item that would be.
    pub(super) fn displaceable_for(&self, client: Option<ClientKey>) -> Option<Option<ClientKey>> {
        let own = self.waiting_for(client);
        let (owner, most) = self.waiting.iter().max_by_key(|(_, items)| items.len())?;
        (most.len() >= own + 2).then_some(*owner)
    }

    /// Removes what `is_kept` says no to; how many.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&T) -> bool) -> usize {
        let before = self.length;
        self.waiting.retain(|_, items| {
            items.retain(&is_kept);
            !items.is_empty()
        });
        self.turns.retain(|client| self.waiting.contains_key(client));
        self.length = self.waiting.values().map(VecDeque::len).sum();
        before - self.length
    }

    /// Everything, in no order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(self).waiting.into_values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    fn client(number: u8) -> Option<ClientKey> {
        Some(IpAddr::from(Ipv4Addr::new(192, 0, 2, number)).into())
    }

    fn order(queue: &mut FairQueue<(u8, u32)>) -> Vec<(u8, u32)> {
        std::iter::from_fn(|| queue.take(|_| true)).collect()
    }

    #[test]
    fn clients_take_turns_and_each_keeps_its_order() {
        let mut queue = FairQueue::default();
        for number in 0..4 {
            queue.push(client(1), (1, number));
        }
        queue.push(client(2), (2, 0));
        queue.push(client(2), (2, 1));
        queue.push(client(3), (3, 0));
        assert_eq!(order(&mut queue), [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2), (1, 3)]);
        assert!(queue.turns.is_empty() && queue.waiting.is_empty() && queue.len() == 0);
    }

    #[test]
    fn what_may_not_begin_is_overtaken_and_keeps_its_place() {
        let mut queue = FairQueue::default();
        for (owner, number) in [(1, 0), (1, 1), (2, 0)] {
            queue.push(client(owner), (owner, number));
        }
        assert_eq!(queue.take(|item| *item != (1, 0)), Some((1, 1)));
        assert_eq!(queue.take(|item| item.0 == 9), None);
        assert_eq!(order(&mut queue), [(2, 0), (1, 0)]);
    }

    #[test]
    fn whoever_has_most_makes_room() {
        let mut queue = FairQueue::default();
        for number in 0..3 {
            queue.push(client(1), (1, number));
        }
        queue.push(client(2), (2, 0));
        assert_eq!(queue.displace_for(client(1)), None, "not for itself");
        assert_eq!(queue.displace_for(client(2)), Some((1, 2)), "the newest");
        queue.push(client(2), (2, 1));
        assert_eq!(queue.displace_for(client(2)), None, "two each");
        assert_eq!(queue.displace_for(client(3)).map(|item| item.1), Some(1));
        queue.push(client(3), (3, 0));
        assert_eq!(queue.len(), 4);
    }

    proptest! {
        /// Against a list that is looked through: nothing is lost or counted twice, a newcomer waits no longer than
        /// foretold, and nobody is served twice before another who waits.
        #[test]
        fn nothing_is_lost_and_forecasts_hold(steps in proptest::collection::vec((0u8..6, 0u8..4), 0..200)) {
            let mut queue = FairQueue::default();
            let mut model: Vec<(u8, u32)> = Vec::new();
            for (number, (action, owner)) in (0u32..).zip(steps) {
                match action {
                    0..=2 => {
                        queue.push(client(owner), (owner, number));
                        model.push((owner, number));
                    }
                    3 => {
                        let taken = queue.take(|_| true);
                        prop_assert_eq!(taken.is_some(), !model.is_empty());
                        if let Some(item) = taken {
                            let oldest = model.iter().position(|other| other.0 == item.0).unwrap();
                            prop_assert_eq!(model.remove(oldest), item);
                        }
                    }
                    4 => if let Some(item) = queue.displace_for(client(owner)) {
                        let newest = model.iter().rposition(|other| other.0 == item.0).unwrap();
                        prop_assert_eq!(model.remove(newest), item);
                    }
                    _ => {
                        let dropped = queue.retain(|item| item.1 % 3 > 0);
                        let before = model.len();
                        model.retain(|item| item.1 % 3 > 0);
                        prop_assert_eq!(dropped, before - model.len());
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
            }
            let forecast = queue.ahead_of(client(0));
            queue.push(client(0), (0, u32::MAX));
            let served = order(&mut queue);
            let place = served.iter().position(|item| item.1 == u32::MAX).unwrap();
            prop_assert!(place <= forecast, "{} after {}", place, forecast);
            prop_assert_eq!(served.len(), model.len() + 1);
        }
    }
}
