//! How many attempts were refused: counts for metrics, and a log that no flood fills.

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::rules::Limit;
use crate::clock::Timestamp;

/// The least time between two log lines about one limit.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The refusals of each limit in this process.
#[derive(Debug, Default)]
pub(super) struct Refusals([Count; Limit::COUNT]);

#[derive(Debug, Default)]
struct Count {
    all: AtomicU64,
    told: AtomicU64,
    told_at: AtomicI64,
}

impl Refusals {
    pub(super) fn count(&self, limit: Limit) -> u64 {
        self.0[limit.index()].all.load(Ordering::Relaxed)
    }

    /// Counts a refusal. One line says how many there were since the last line, and who was the last: a flood gets no
    /// line each.
    pub(super) fn note(&self, limit: Limit, client: Option<IpAddr>, now: Timestamp) {
        let Count { all, told, told_at } = &self.0[limit.index()];
        let all = all.fetch_add(1, Ordering::Relaxed) + 1;
        let last = told_at.load(Ordering::Relaxed);
        let is_due = last == 0 || Timestamp::from_micros(last).distance(now) >= LINE_INTERVAL;
        if is_due && told_at.compare_exchange(last, now.micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let refused = all - told.swap(all, Ordering::Relaxed).min(all);
            let client = client.map(tracing::field::display);
            tracing::warn!(event = "rate_limited", limit = limit.name(), refused, client, "too many attempts");
        }
    }
}
