//! Whether the clock is where it should be by the time that has passed: what is purged by a wrong hour is gone when the
//! clock is corrected, a year of the audit trail for one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};

/// How far the clock may be from what it should be.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// How long a clock is watched before it is trusted at all: a machine may start by a wrong hour and be told the right one
/// a little later.
const WATCHED_FOR: Duration = Duration::from_secs(30);
/// After how long a leap that nobody has corrected is taken for the truth. A machine that slept looks the same.
const ACCEPTED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Compares a clock with the time that has passed.
#[derive(Debug)]
pub(crate) struct ClockWatch(Mutex<Watched>);

#[derive(Debug, Clone, Copy)]
struct Watched {
    /// What the clock said, and what time had passed at the same moment.
    base: (Timestamp, Duration),
    /// When the watch began.
    begun: Duration,
    /// Since when they have parted.
    parted_at: Option<Duration>,
}

impl ClockWatch {
    pub(crate) fn on(clock: &dyn Clock) -> Self {
        Self(Mutex::new(Watched { base: (clock.now(), clock.elapsed()), begun: clock.elapsed(), parted_at: None }))
    }

    /// Whether the clock is where it should be. One that has been elsewhere for a day is believed from then on.
    pub(crate) fn trusts(&self, clock: &dyn Clock) -> bool {
        let (now, elapsed) = (clock.now(), clock.elapsed());
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (then, base) = watched.base;
        if elapsed.saturating_sub(watched.begun) < WATCHED_FOR {
            return false;
        }
        let off = now.distance(then.plus(elapsed.saturating_sub(base)));
        let parted_at = *watched.parted_at.get_or_insert(elapsed);
        if off <= TOLERANCE || elapsed.saturating_sub(parted_at) >= ACCEPTED_AFTER {
            *watched = Watched { base: (now, elapsed), parted_at: None, ..*watched };
            return true;
        }
        tracing::error!(
            event = "clock_leapt",
            seconds = off.as_secs(),
            "the clock is not where it should be by the time that has passed: nothing is purged until it is corrected, or \
             for a day"
        );
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestClock;

    const ROUND: Duration = Duration::from_secs(600);
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    #[test]
    fn nothing_is_purged_by_a_clock_that_leapt_until_it_is_corrected() {
        let clock = TestClock::default();
        let watch = ClockWatch::on(&clock);
        clock.advance(ROUND);
        assert!(watch.trusts(&clock));
        for number in 2..10 {
            clock.advance(ROUND);
            let right = clock.now();
            clock.set(if number % 2 == 0 { right.plus(YEAR) } else { right.minus(YEAR) });
            assert!(!watch.trusts(&clock), "{number}");
            clock.set(right);
        }
        clock.set(clock.now().plus(Duration::from_secs(30)));
        assert!(watch.trusts(&clock), "corrected, to half a minute");
    }

    /// As a machine does whose battery is empty.
    #[test]
    fn a_clock_that_is_wrong_at_the_start_is_found_out() {
        let clock = TestClock::default();
        let right = clock.now();
        clock.set(right.plus(YEAR));
        let watch = ClockWatch::on(&clock);
        assert!(!watch.trusts(&clock));
        clock.set(right);
        clock.advance(WATCHED_FOR);
        assert!(!watch.trusts(&clock), "not before a day, for it can't tell which hour was wrong");
    }

    #[test]
    fn a_clock_that_stays_where_it_leapt_is_believed_after_a_day() {
        let clock = TestClock::default();
        let watch = ClockWatch::on(&clock);
        clock.set(clock.now().plus(YEAR));
        let believed = || {
            clock.advance(ROUND);
            watch.trusts(&clock)
        };
        let first = (1..1_000).find(|_| believed()).unwrap();
        assert_eq!(first, 1 + 24 * 6);
        assert!(believed());
    }
}
