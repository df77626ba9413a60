//! Access tokens from the outside: what is made, what is read, and what no forger gets past the verifier.
//!
//! The attacks are numbered T1 to T25 as in the project's attack catalogue. Those that need a store or a
//! request are tried again by the tests of the crates that have one.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![expect(clippy::needless_pass_by_value, reason = "forgeries are written as literals and temporaries")]

mod claim_attacks;
mod forge;
mod form_attacks;
mod header_attacks;
mod interoperation;
mod properties;
mod signature_attacks;
