//! The store on SQLite: the contract of every store, and what is this one's own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's failures are panics")]

mod agreement;
mod contract;
mod files;
mod migrating;
mod story;
mod writing;
