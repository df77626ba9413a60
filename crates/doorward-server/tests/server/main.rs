//! The real binary, on a real file, over real sockets: what an operator and a client see of it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failures are panics")]

mod application;
mod client;
#[path = "../../../doorward-postgres/tests/store/cluster.rs"]
mod cluster;
mod command_line;
mod contract_report;
mod copy_on_postgresql;
mod crash;
mod import;
mod import_on_postgresql;
mod on_postgresql;
mod overload;
mod races;
mod readme;
mod restart;
mod secrets;
mod serving;
mod settings;
mod token;
mod users;
mod wire;
