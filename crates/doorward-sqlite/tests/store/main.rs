//! The store on SQLite: the contract of every store, and what is this one's own.

mod contract;
mod files;
mod migrating;
mod story;
mod writing;
