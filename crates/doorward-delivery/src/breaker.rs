//! Leaves a receiver alone that works for no message, so that none spends its attempts on it.

/// How many failures in a row are a message's bad luck.
const TOLERATED: u32 = 4;
/// The first rest, in looks into the outbox; it doubles with each that was too short.
const FIRST_REST: u32 = 5;
/// The longest rest: how late a receiver that works again is noticed.
const LONGEST_REST: u32 = 60;

/// What is known of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breaker {
    /// It works, but for that many failures in a row.
    Works(u32),
    /// It doesn't: after a rest one message tries it.
    Rests(u32),
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Works(0)
    }
}

impl Breaker {
    /// How many of `places` may be taken.
    pub(crate) fn places(self, places: usize) -> usize {
        if matches!(self, Self::Works(_)) { places } else { places.min(1) }
    }

    /// It took a message, or refused that message alone.
    pub(crate) fn worked(&mut self) {
        *self = Self::default();
    }

    /// It didn't work. Gives for how many looks to leave it alone, if at all.
    pub(crate) fn failed(&mut self) -> Option<u32> {
        *self = match *self {
            Self::Works(failures) if failures < TOLERATED => Self::Works(failures + 1),
            Self::Works(_) => Self::Rests(FIRST_REST),
            Self::Rests(rest) => Self::Rests((rest * 2).min(LONGEST_REST)),
        };
        match *self {
            Self::Works(_) => None,
            Self::Rests(rest) => Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_rests_after_five_failures_and_longer_each_time() {
        let mut breaker = Breaker::default();
        let rests: Vec<_> = (0..10).map(|_| breaker.failed().unwrap_or(0)).collect();
        assert_eq!(rests, [0, 0, 0, 0, 5, 10, 20, 40, 60, 60]);
        assert_eq!(breaker.places(8), 1);
        breaker.worked();
        assert_eq!((breaker.places(8), breaker.failed()), (8, None));
    }
}
