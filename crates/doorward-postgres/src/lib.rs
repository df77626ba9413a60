//! Doorward's users and sessions in PostgreSQL: one database for many nodes.
//!
//! ```no_run
//! use doorward::Store;
//! use doorward_postgres::{PostgresOptions, PostgresStore};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "postgres://doorward:secret@db.example.com/doorward?sslmode=verify-full";
//! let store = PostgresStore::open(url, PostgresOptions::default()).await?;
//! store.check().await?;
//! store.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! PostgreSQL 14 or newer; a Tokio runtime. Every operation is one statement, or one transaction sent in
//! one go: no lock is ever held across a round trip, so a node that dies in the middle holds nobody up.
//! Where the domain decides between a read and a write, the write takes effect only if the row still is
//! what was read; otherwise both are done again.
//!
//! **The URL** is the one of PostgreSQL's own clients. `sslmode` is `disable`, `prefer` (the default),
//! `require`, `verify-ca` or `verify-full`, with `sslrootcert=FILE` for an authority that the machine does not
//! trust by itself; only the last two tell the server from somebody in between. Several hosts may be named,
//! with `target_session_attrs=read-write` to find the one that takes writes.
//!
//! **`PgBouncer`** in transaction mode, of any version, is noticed: nothing is prepared then, and nobody
//! listens for hints. Give it `ignore_startup_parameters = options`, or set
//! [`startup_options`](PostgresOptions::startup_options) to false, and set `statement_timeout` and
//! `idle_in_transaction_session_timeout` on the role.
//!
//! **Endings** (logout, reuse, deactivation, new role) commit one after another, so that a reader who has
//! seen one has seen all before it: their rate is bounded by the server's commit latency. Logins and
//! refreshes take no part in that.
//!
//! | file | what |
//! | --- | --- |
//! | `store.rs` | the port, [`doorward::Store`] |
//! | `users.rs` `accounts.rs` `sessions.rs` `endings.rs` | the operations and their SQL |
//! | `records.rs` `outbox.rs` `limits.rs` `housekeeping.rs` | and theirs |
//! | `transaction.rs` | several statements sent in one go |
//! | `rows.rs` | from rows to the domain's types |
//! | `migrations.rs` | the tables, step by step |
//! | `hints.rs` | telling other nodes that something ended |
//! | `connection.rs` `statement.rs` `hosts.rs` `tls.rs` | the pool, time-outs, prepared or not, from host to host, `sslmode` |
//! | `transfer.rs` | connections for moving whole tables |
//! | `error.rs` | what can go wrong |

mod accounts;
#[cfg(test)]
#[path = "../tests/store/cluster.rs"]
mod cluster;
mod connection;
mod data_keys;
mod endings;
mod error;
mod hints;
mod hosts;
mod housekeeping;
mod limits;
mod migrations;
mod outbox;
mod records;
mod rows;
mod sessions;
mod statement;
mod store;
mod tls;
mod transaction;
pub mod transfer;
mod users;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use error::{OpenError, OpenErrorReason};
pub use migrations::{Migration, migrate, pending_migrations};

use connection::Database;
use hints::{Hints, Listener};
use housekeeping::Broom;

/// Whether somebody between this machine and the database of `url` could pose as it: it is elsewhere, and anything but
/// `sslmode=verify-full` asks for no certificate of its name. `false` for what is no URL.
pub fn can_be_posed_as(url: &str) -> bool {
    tls::can_be_posed_as(url)
}

/// A [`doorward::Store`] in a PostgreSQL database.
///
/// [`close`](doorward::Store::close) refuses new operations and lets those that run come to their end.
#[derive(Debug)]
pub struct PostgresStore {
    database: Database,
    hints: Arc<Hints>,
    listener: Option<Listener>,
    broom: Broom,
    /// Whether the server tells on which timeline it is.
    knows_timeline: AtomicBool,
}

/// How to open a database.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// How many connections are opened at most. 16 by default.
    pub max_connections: usize,
    /// How long making a connection may take. Five seconds by default.
    pub connect_timeout: Duration,
    /// How long an operation waits for a free connection before it is refused as too many. Two seconds by
    /// default.
    pub acquire_timeout: Duration,
    /// How long the server may work on a statement. Ten seconds by default.
    pub statement_timeout: Duration,
    /// How long the server may be silent before it is asked, on a connection made anew, whether it is there at all; and
    /// how long it may take to answer that. Who is not there is given up, whatever time a statement had. One and a half
    /// seconds by default.
    pub silence_timeout: Duration,
    /// Whether the server is told of the limit of statements in the startup message. Not every pooler lets it pass; without
    /// it one is taken to be in between.
    pub startup_options: bool,
    /// Whether one more connection listens for what other nodes end. Without it this node hears of that a
    /// quarter of a second later, and so do they.
    pub listen: bool,
    /// Whether a database that is empty or behind is brought up to date. Otherwise it is refused.
    pub migrate: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            max_connections: 16,
            connect_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_millis(1500),
            startup_options: true,
            listen: true,
            migrate: true,
        }
    }
}

impl PostgresStore {
    /// Opens the database at `url`, applying migrations as `options` say. The database must exist.
    ///
    /// # Errors
    ///
    /// [`OpenError`], one line for the operator that never holds the password: not reachable, not a URL,
    /// another program's, made by a newer Doorward, or behind when `options` forbid migrating.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, OpenError> {
        let database = Database::new(url, &options)?;
        let prepared = async {
            if options.migrate {
                migrations::apply_pending(&database).await?;
            } else {
                migrations::require_current(&database).await?;
            }
            database.look_for_pooler().await
        };
        prepared.await.map_err(OpenError::of(database.name()))?;
        let hints = Arc::new(Hints::default());
        let listener = options.listen.then(|| database.listen(Arc::clone(&hints)));
        Ok(Self { database, hints, listener, broom: Broom::default(), knows_timeline: AtomicBool::new(true) })
    }
}
