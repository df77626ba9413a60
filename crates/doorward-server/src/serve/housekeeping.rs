//! Housekeeping: what is long dead leaves the store, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use doorward::{Auth, Timestamp};
use tokio::time::Instant;

/// The time between two rounds.
const INTERVAL: Duration = Duration::from_secs(600);
/// The time between two batches of a round, in which others may write.
const PAUSE: Duration = Duration::from_millis(50);
/// How far the clock may be from what it should be by the time that has passed.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// After how long a leap that nobody has corrected is taken for the truth.
const ACCEPTED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Purges the store at intervals, for ever.
pub(super) async fn run(auth: Arc<Auth>) {
    let mut watch = ClockWatch::new(auth.now(), Instant::now());
    let mut rounds = tokio::time::interval(INTERVAL);
    loop {
        rounds.tick().await;
        if watch.trusts(auth.now(), Instant::now()) {
            purge(&auth).await;
        }
    }
}

async fn purge(auth: &Auth) {
    let mut purged = 0;
    loop {
        match auth.purge().await {
            Ok(batch) => {
                purged += batch.rows;
                if batch.is_done {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!(event = "purge_failed", %error);
                break;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    if purged > 0 {
        tracing::info!(event = "purged", rows = purged);
    }
}

/// Compares the clock with the time that has passed: what is purged by a wrong hour is gone when it is corrected, a
/// year of the audit trail for one.
struct ClockWatch {
    /// What the clock said, and the monotonic clock at the same moment.
    base: (Timestamp, Instant),
    /// Since when they have parted, by the monotonic clock.
    parted_at: Option<Instant>,
}

impl ClockWatch {
    const fn new(now: Timestamp, monotonic: Instant) -> Self {
        Self { base: (now, monotonic), parted_at: None }
    }

    /// Whether the clock is where it should be. One that has been elsewhere for a day is believed from then on.
    fn trusts(&mut self, now: Timestamp, monotonic: Instant) -> bool {
        let (then, base) = self.base;
        let off = now.distance(then.plus(monotonic.duration_since(base)));
        let parted_at = *self.parted_at.get_or_insert(monotonic);
        if off <= TOLERANCE || monotonic.duration_since(parted_at) >= ACCEPTED_AFTER {
            *self = Self::new(now, monotonic);
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

    const ROUND: Duration = INTERVAL;
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    #[test]
    fn nothing_is_purged_by_a_clock_that_leapt_until_it_is_corrected() {
        let (start, begun) = (Timestamp::from_seconds(1_800_000_000), Instant::now());
        let mut watch = ClockWatch::new(start, begun);
        let round = |number: u32| (start.plus(ROUND * number), begun + ROUND * number);
        let (now, monotonic) = round(1);
        assert!(watch.trusts(now, monotonic));
        for number in 2..10 {
            let (now, monotonic) = round(number);
            let wrong = if number % 2 == 0 { now.plus(YEAR) } else { now.minus(YEAR) };
            assert!(!watch.trusts(wrong, monotonic), "{number}");
        }
        let (now, monotonic) = round(10);
        assert!(watch.trusts(now.plus(Duration::from_secs(30)), monotonic), "corrected, to half a minute");
    }

    #[test]
    fn a_clock_that_stays_where_it_leapt_is_believed_after_a_day() {
        let (start, begun) = (Timestamp::from_seconds(1_800_000_000), Instant::now());
        let mut watch = ClockWatch::new(start, begun);
        let believed = |watch: &mut ClockWatch, number: u32| {
            watch.trusts(start.plus(YEAR).plus(ROUND * number), begun + ROUND * number)
        };
        let first = (1..1_000).find(|number| believed(&mut watch, *number)).unwrap();
        assert_eq!(first, 1 + 24 * 6);
        assert!(believed(&mut watch, first + 1));
    }
}
