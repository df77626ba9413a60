//! The real binary, on a real file, over real sockets: what only the whole can show.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's failures are panics")]

mod client;
mod contract_report;
mod crash;
mod overload;
mod races;
mod readme;
mod restart;
mod secrets;
mod server;
mod wire;
