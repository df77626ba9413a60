//! What became of messages, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use doorward::outbox::{MessageKind, OutboxStatistics};

/// Counts of one process, and how full the outbox was when a worker last looked.
#[derive(Debug, Default)]
pub struct DeliveryStatistics {
    kinds: [Counters; MessageKind::ALL.len()],
    outbox: Mutex<(OutboxStatistics, Duration)>,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
}

/// What became of the messages of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryCounts {
    /// Delivered.
    pub sent: u64,
    /// Attempts that failed and are made again.
    pub failed: u64,
    /// Given up.
    pub abandoned: u64,
}

impl DeliveryStatistics {
    /// The counts of every kind.
    pub fn counts(&self) -> impl Iterator<Item = (MessageKind, DeliveryCounts)> + '_ {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MessageKind::ALL.into_iter().zip(&self.kinds).map(move |(kind, counters)| {
            let Counters { sent, failed, abandoned } = counters;
            (kind, DeliveryCounts { sent: read(sent), failed: read(failed), abandoned: read(abandoned) })
        })
    }

    /// How many messages wait, and for how long the oldest has.
    pub fn outbox(&self) -> (OutboxStatistics, Duration) {
        *self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_outbox(&self, statistics: OutboxStatistics, oldest: Option<Duration>) {
        *self.outbox.lock().unwrap_or_else(PoisonError::into_inner) = (statistics, oldest.unwrap_or_default());
    }

    pub(crate) fn note_sent(&self, kind: MessageKind) {
        self.of(kind).sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_failed(&self, kind: MessageKind) {
        self.of(kind).failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_abandoned(&self, kind: MessageKind) {
        self.of(kind).abandoned.fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, kind: MessageKind) -> &Counters {
        let index = MessageKind::ALL.into_iter().position(|other| other == kind);
        &self.kinds[index.unwrap_or_default()]
    }
}
