//! A clock that stands until it is told to move.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};

/// A clock that the test owns. It stands still between calls.
#[derive(Debug)]
pub struct TestClock {
    shown: AtomicI64,
    /// Microseconds.
    passed: AtomicU64,
}

impl TestClock {
    /// A clock that shows `moment`.
    pub const fn at(moment: Timestamp) -> Self {
        Self { shown: AtomicI64::new(moment.micros()), passed: AtomicU64::new(0) }
    }

    /// Lets `duration` pass.
    pub fn advance(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.passed.fetch_add(micros, Ordering::SeqCst);
        self.set(self.now().plus(duration));
    }

    /// Shows `moment` from now on, be it later or earlier. No time passes.
    pub fn set(&self, moment: Timestamp) {
        self.shown.store(moment.micros(), Ordering::SeqCst);
    }
}

impl Default for TestClock {
    /// A clock that shows 2027-01-15T08:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_seconds(1_800_000_000))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.shown.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.passed.load(Ordering::SeqCst))
    }
}
