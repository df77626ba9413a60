//! The handlers, a file a group.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod auth;
pub(crate) mod documentation;
pub(crate) mod events;
pub(crate) mod mail;
pub(crate) mod password;
pub(crate) mod second_factor;
pub(crate) mod service;
pub(crate) mod sessions;
