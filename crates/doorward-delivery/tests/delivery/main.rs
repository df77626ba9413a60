//! The worker against real receivers: a mail server that speaks SMTP over TCP, with STARTTLS and AUTH, and an HTTP
//! server, both in the test.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failures are panics")]

mod hooks;
mod mailing;
mod receiver;
mod sink;
mod templates;
mod world;
