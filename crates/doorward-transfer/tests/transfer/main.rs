//! Moving between real databases.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's failures are panics")]

#[path = "../../../doorward-postgres/tests/store/cluster.rs"]
mod cluster;
mod tables;
