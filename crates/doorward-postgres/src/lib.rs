//! Doorward's users and sessions in PostgreSQL, for many nodes: **not written yet**.
//!
//! The crate holds the place that `ARCHITECTURE.md` gives it: beside `doorward-sqlite`, with the same files
//! in the same order, held to `doorward::store_contract!`. Until then `doorward` refuses `postgres://`
//! in `database_url` with one line.
