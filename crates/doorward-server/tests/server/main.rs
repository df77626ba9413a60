//! The real binary, on a real file, over real sockets: what an operator and a client see of it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failures are panics")]

mod accounts;
mod application;
mod authenticator;
mod authority;
mod backup;
mod browser_guide;
mod calibrate;
mod client;
#[path = "../../../doorward-postgres/tests/store/cluster.rs"]
mod cluster;
mod command_line;
mod contract_report;
mod copy_on_postgresql;
mod crash;
mod data_key;
mod http2;
mod idle;
mod import;
mod import_on_postgresql;
mod import_services;
mod limits;
mod logging;
mod mail;
mod many_nodes;
mod on_postgresql;
mod overload;
mod races;
mod readme;
mod restart;
mod second_factor;
mod secrets;
mod serving;
mod settings;
mod story;
mod tls;
mod token;
mod users;
mod wire;

#[path = "../../../doorward-delivery/tests/delivery/sink.rs"]
mod sink;
