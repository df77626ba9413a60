//! The routes, asked as a client asks them, on the memory store. One file a group of routes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's failures are panics")]

mod admin;
mod administration;
mod app;
mod authority;
mod bodies;
mod embedding;
mod events;
mod headers;
mod kinds;
mod limits;
mod login;
mod mail;
mod matrix;
mod me;
mod password;
mod profile;
mod reauthenticate;
mod refresh;
mod register;
mod second_factor;
mod service;
mod serving;
mod sessions;
