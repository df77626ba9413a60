//! Whether anybody delivers the outbox: an application that writes letters which nobody sends is to learn of it.

use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Default)]
pub(crate) struct DeliveryWatch {
    is_promised: AtomicBool,
    has_warned: AtomicBool,
}

impl DeliveryWatch {
    pub(crate) fn promise(&self) {
        self.is_promised.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_promised(&self) -> bool {
        self.is_promised.load(Ordering::Relaxed)
    }

    /// Warns of the first message that nobody will deliver.
    pub(crate) fn expect(&self) {
        if !self.is_promised() && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                event = "nobody_delivers",
                "a letter is in the outbox and nobody delivers it: run a doorward_delivery::Worker"
            );
        }
    }
}
