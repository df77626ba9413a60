//! The store on PostgreSQL: the contract of every store, and what is this one's own.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failures are panics")]

mod agreement;
mod amending;
mod cluster;
mod contract;
mod failing;
mod hints;
mod limits;
mod migrating;
mod pooled;
mod rotating;
mod silence;
mod story;
mod sweeping;
mod together;
mod transport;
