//! Drives the real library over a virtual clock, store and network, by seeds.
//!
//! An *episode* is one life of a service with two nodes on one store: people log in, refresh and log out, an administrator
//! changes roles and deactivates, thieves replay and guess; clocks leap and are corrected, links are cut, answers get lost,
//! processes die, copies of the database take its place. What was acknowledged is kept in a model, and after each step
//! both nodes are asked for some of what must hold:
//!
//! * an acknowledged end is refused by every node within 250 ms, and within a second by one that doesn't reach the store;
//! * a session never has two live tokens;
//! * an acknowledged token lives unless its session was ended;
//! * the owner at home gets in;
//! * what was acknowledged is there, as far as the database remembers it.
//!
//! A seed comes to the same steps each time.

mod dice;
mod episode;
mod link;
mod model;
mod world;

pub use episode::{Tally, Violation, live};
