//! The real binary, from outside: what an operator and a client see of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's failures are panics")]

mod application;
mod command_line;
mod serving;
mod settings;
mod token;
mod users;
