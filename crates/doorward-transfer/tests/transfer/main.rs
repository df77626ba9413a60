//! Moving between real databases.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failures are panics")]

#[path = "../../../doorward-postgres/tests/store/cluster.rs"]
mod cluster;
mod tables;
