//! What a pool has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a pool has done so far and is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatistics {
    /// How many hash at once.
    pub workers: usize,
    /// How many wait now.
    pub waiting: usize,
    /// How many are being hashed now.
    pub running: usize,
    /// How many were hashed, verifications included.
    pub hashed: u64,
    /// Of these, how many a second thread helped with, because it had nothing else to do.
    pub assisted: u64,
    /// How many were refused because of the load.
    pub refused: Refusals,
    /// How many went away while waiting.
    pub abandoned: u64,
    /// How many failed: a panic, or no memory for a large stored hash. None should.
    pub failed: u64,
    /// How long those that were hashed had waited.
    pub waits: Durations,
    /// How long hashing took.
    pub times: Durations,
}

/// How many passwords were refused because of the load, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refusals {
    /// The queue had no place left.
    pub full: u64,
    /// The wait would have passed the deadline, or did.
    pub late: u64,
    /// The place went to a client with fewer waiting.
    pub displaced: u64,
}

impl Refusals {
    /// For whatever cause.
    pub const fn total(self) -> u64 {
        self.full + self.late + self.displaced
    }
}

/// Durations counted in ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durations {
    /// How many were no longer than the bound of [`BOUNDS_MILLIS`](Self::BOUNDS_MILLIS) at the same place and
    /// longer than the one before; last, how many were longer than all.
    pub counts: [u64; Self::RANGES],
    /// All together.
    pub sum: Duration,
}

impl Durations {
    const RANGES: usize = Self::BOUNDS_MILLIS.len() + 1;

    /// Upper bounds of the ranges, in milliseconds.
    pub const BOUNDS_MILLIS: [u16; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) assisted: AtomicU64,
    pub(super) full: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) displaced: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) waits: DurationCounters,
    pub(super) times: DurationCounters,
}

impl Counters {
    pub(super) fn read(&self, workers: usize, waiting: usize, running: usize) -> PoolStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let times = self.times.read();
        PoolStatistics {
            workers,
            waiting,
            running,
            hashed: times.count(),
            assisted: read(&self.assisted),
            refused: Refusals { full: read(&self.full), late: read(&self.late), displaced: read(&self.displaced) },
            abandoned: read(&self.abandoned),
            failed: read(&self.failed),
            waits: self.waits.read(),
            times,
        }
    }
}

#[derive(Default)]
pub(super) struct DurationCounters {
    counts: [AtomicU64; Durations::RANGES],
    sum_micros: AtomicU64,
}

impl DurationCounters {
    pub(super) fn add(&self, duration: Duration) {
        let is_within = |bound: &u16| duration <= Duration::from_millis((*bound).into());
        let range = Durations::BOUNDS_MILLIS.iter().position(is_within).unwrap_or(Durations::RANGES - 1);
        self.counts[range].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros(duration), Ordering::Relaxed);
    }

    fn read(&self) -> Durations {
        Durations {
            counts: std::array::from_fn(|range| self.counts[range].load(Ordering::Relaxed)),
            sum: Duration::from_micros(self.sum_micros.load(Ordering::Relaxed)),
        }
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_ranges() {
        let counters = DurationCounters::default();
        for micros in [0, 1000, 1001, 5_000_000, 5_000_001] {
            counters.add(Duration::from_micros(micros));
        }
        let durations = counters.read();
        assert_eq!(
            (durations.counts[0], durations.counts[1], durations.counts[11], durations.counts[12]),
            (2, 1, 1, 1)
        );
        assert_eq!((durations.count(), durations.sum), (5, Duration::from_micros(10_002_002)));
    }
}
