//! What is done about each command but `serve`.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod calibrate;
pub(crate) mod config;
pub(crate) mod healthcheck;
mod import;
pub(crate) mod keys;
pub(crate) mod mail;
pub(crate) mod migrate;
mod output;
mod progress;
pub(crate) mod store;
pub(crate) mod token;
pub(crate) mod users;
