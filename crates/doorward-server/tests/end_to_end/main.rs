//! The real binary, on a real file, over real sockets: what only the whole can show.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failures are panics")]

mod client;
#[path = "../../../doorward-postgres/tests/store/cluster.rs"]
mod cluster;
mod crash;
mod on_postgresql;
mod overload;
mod races;
mod readme;
mod restart;
mod secrets;
mod server;
mod wire;
