//! The real binary, from outside: what an operator and a client see of it.

mod application;
mod command_line;
mod serving;
mod settings;
mod token;
mod users;
