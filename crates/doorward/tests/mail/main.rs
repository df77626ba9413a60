//! Verification, recovery, change of address and invitation on the memory store, with the letters read from the outbox
//! as the worker reads them. Named by the attacks of the catalogue where they are some.
#![expect(clippy::unwrap_used, reason = "a test's failures are panics")]

mod changing;
mod codes;
mod recovering;
mod verifying;
mod world;
