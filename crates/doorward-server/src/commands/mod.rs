//! What is done about each command but `serve`.

pub(crate) mod calibrate;
pub(crate) mod config;
pub(crate) mod migrate;
mod output;
pub(crate) mod token;
pub(crate) mod users;
