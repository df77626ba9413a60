//! The steps that bring a database to this version's tables.
//!
//! A released migration is frozen: the database keeps the checksum of what was applied, and a test here
//! keeps the checksums of what was released.

use std::collections::HashMap;
use std::fmt;

use deadpool_postgres::Client;
use doorward::{Clock, SystemClock};
use sha2::{Digest, Sha256};
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::PostgresOptions;
use crate::connection::Database;
use crate::error::{OpenError, OpenErrorReason};
use crate::statement::Value;
use crate::transfer::UNFINISHED_COPY;

/// One step from one version of the tables to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

impl Migration {
    /// Its number, counted from 1.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// What it brings, in a few words joined by underscores.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn checksum(&self) -> [u8; 32] {
        Sha256::digest(self.sql).into()
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}_{}", self.version, self.name)
    }
}

const MIGRATIONS: [Migration; 8] = [
    Migration {
        version: 1,
        name: "users_and_sessions",
        sql: include_str!("../migrations/0001_users_and_sessions.sql"),
    },
    Migration {
        version: 2,
        name: "endings_by_subject",
        sql: include_str!("../migrations/0002_endings_by_subject.sql"),
    },
    Migration { version: 5, name: "rate_limits", sql: include_str!("../migrations/0005_rate_limits.sql") },
    Migration {
        version: 6,
        name: "accounts_events_outbox",
        sql: include_str!("../migrations/0006_accounts_events_outbox.sql"),
    },
    Migration {
        version: 7,
        name: "events_about_others",
        sql: include_str!("../migrations/0007_events_about_others.sql"),
    },
    Migration { version: 8, name: "outbox_by_kind", sql: include_str!("../migrations/0008_outbox_by_kind.sql") },
    Migration {
        version: 9,
        name: "no_wait_is_no_moment",
        sql: include_str!("../migrations/0009_no_wait_is_no_moment.sql"),
    },
    Migration { version: 10, name: "data_keys", sql: include_str!("../migrations/0010_data_keys.sql") },
];

/// Held until the end of the transaction by whoever migrates: "Doorward" in ASCII. The wait for it, and a
/// migration of large tables, may take longer than other statements.
const LOCK: &str = "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(4931282654413812324)";

const CREATE_HISTORY: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        checksum BYTEA NOT NULL CHECK (octet_length(checksum) = 32),
        applied_at BIGINT NOT NULL
    )";

/// The tables of ours that are there, and their columns. From the catalogue itself: a new connection takes ten
/// milliseconds and more to read the views of `information_schema`.
const TABLES: &str = "
    SELECT relname::text, array_agg(attname::text) AS columns
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = current_schema()
        AND relkind IN ('r', 'p', 'v', 'm', 'f')
        AND relname IN (
            'schema_migrations', 'users', 'sessions', 'endings', 'probes', 'housekeeping', 'rate_limits', 'events', 'outbox',
            'data_keys', 'unfinished_copy'
        )
        AND attnum > 0
        AND NOT attisdropped
    GROUP BY relname";

/// The tables of ours that are there, each with its columns.
type Tables = HashMap<String, Vec<String>>;

/// The migrations that the database at `url` lacks. Changes nothing.
///
/// # Errors
///
/// [`OpenError`] when the server can't be reached, or the database is another program's or has a history
/// this version does not know.
pub async fn pending_migrations(url: &str) -> Result<Vec<Migration>, OpenError> {
    let database = Database::new(url, &PostgresOptions::default())?;
    let pending = async { pending(&**database.connect().await?).await };
    pending.await.map_err(OpenError::of(database.name()))
}

/// Brings the database at `url` up to date; says what was applied. Safe to call from several processes at
/// once: each migration is applied by one of them.
///
/// # Errors
///
/// [`OpenError`] as for [`pending_migrations`], or when the database can't be written to. Migrations
/// applied before the failing one stay.
pub async fn migrate(url: &str) -> Result<Vec<Migration>, OpenError> {
    let database = Database::new(url, &PostgresOptions::default())?;
    apply_pending(&database).await.map_err(OpenError::of(database.name()))
}

/// Applies what is pending and says what that was.
pub(crate) async fn apply_pending(database: &Database) -> Result<Vec<Migration>, OpenErrorReason> {
    let mut client = database.connect().await?;
    let mut applied = Vec::new();
    // Asked first without a lock: at nearly every start there is nothing to do.
    while !pending(&**client).await?.is_empty() {
        applied.extend(apply_next(&mut client).await?);
    }
    Ok(applied)
}

/// Fails unless the database is exactly at this version's last migration.
pub(crate) async fn require_current(database: &Database) -> Result<(), OpenErrorReason> {
    require_current_on(&database.connect().await?).await
}

/// The same on a connection that is there.
pub(crate) async fn require_current_on(client: &Client) -> Result<(), OpenErrorReason> {
    match pending(&***client).await?.len() {
        0 => Ok(()),
        count => Err(OpenErrorReason::MigrationsPending { count }),
    }
}

/// Brings a database up to date that a copy may have been begun into.
pub(crate) async fn bring_up_to_date(client: &mut Client) -> Result<(), OpenErrorReason> {
    while !lacking(&***client).await?.is_empty() {
        apply_next(client).await?;
    }
    Ok(())
}

async fn apply_next(client: &mut Client) -> Result<Option<Migration>, OpenErrorReason> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(LOCK).await?;
    // Asked again under the lock: another process may have been faster.
    let next = lacking(&*transaction).await?.first().copied();
    if let Some(migration) = next {
        transaction.batch_execute(CREATE_HISTORY).await?;
        transaction.batch_execute(migration.sql).await?;
        let version = i32::try_from(migration.version).unwrap_or(i32::MAX);
        let (checksum, now) = (&migration.checksum()[..], SystemClock.now().micros());
        let insert = "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";
        let values: [(Value<'_>, Type); 4] =
            [(&version, Type::INT4), (&migration.name, Type::TEXT), (&checksum, Type::BYTEA), (&now, Type::INT8)];
        transaction.execute_typed(insert, &values).await?;
    }
    transaction.commit().await?;
    Ok(next)
}

/// What a database lacks that anybody may use: one that a copy was begun into and not finished is refused.
async fn pending(client: &impl GenericClient) -> Result<Vec<Migration>, OpenErrorReason> {
    let tables = tables(client).await?;
    let lacking = lacking_among(client, &tables).await?;
    if tables.contains_key(UNFINISHED_COPY) { Err(OpenErrorReason::UnfinishedCopy) } else { Ok(lacking) }
}

async fn lacking(client: &impl GenericClient) -> Result<Vec<Migration>, OpenErrorReason> {
    lacking_among(client, &tables(client).await?).await
}

async fn lacking_among(client: &impl GenericClient, tables: &Tables) -> Result<Vec<Migration>, OpenErrorReason> {
    let applied = history(client, tables).await?;
    for (version, checksum) in &applied {
        match MIGRATIONS.iter().find(|migration| migration.version == *version) {
            None => return Err(OpenErrorReason::Newer { version: newest(&applied) }),
            Some(migration) if migration.checksum()[..] != checksum[..] => {
                return Err(OpenErrorReason::Changed { version: *version });
            }
            Some(_) => {}
        }
    }
    let is_applied = |migration: &Migration| applied.iter().any(|(version, _)| *version == migration.version);
    Ok(MIGRATIONS.into_iter().filter(|migration| !is_applied(migration)).collect())
}

fn newest(applied: &[(u32, Vec<u8>)]) -> u32 {
    applied.iter().map(|(version, _)| *version).max().unwrap_or_default()
}

async fn tables(client: &impl GenericClient) -> Result<Tables, OpenErrorReason> {
    let tables = client.query_typed(TABLES, &[]).await?;
    Ok(tables.iter().map(|table| (table.get(0), table.get(1))).collect())
}

async fn history(client: &impl GenericClient, tables: &Tables) -> Result<Vec<(u32, Vec<u8>)>, OpenErrorReason> {
    match tables.get("schema_migrations") {
        None if tables.is_empty() => return Ok(Vec::new()),
        Some(columns) if columns.iter().any(|column| column == "checksum") => {}
        _ => return Err(OpenErrorReason::AnotherProgram),
    }
    let rows = client.query_typed("SELECT version, checksum FROM schema_migrations ORDER BY version", &[]).await?;
    rows.iter().map(|row| Ok((row.try_get::<_, i32>(0)?.unsigned_abs(), row.try_get(1)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Fresh, connect};
    use crate::{accounts, data_keys, endings, housekeeping, limits, outbox, records, sessions, users};

    #[test]
    fn released_migrations_are_frozen() {
        let checksums: Vec<_> =
            MIGRATIONS.iter().map(|migration| (migration.to_string(), hex(&migration.checksum()))).collect();
        let released = [
            ("0001_users_and_sessions", "7450189e8a84a9a94d1f393331f35603b31fb0df6a9ac304dc3b23aeef276cef"),
            ("0002_endings_by_subject", "056d3b6970ddb7d8626212caf36ab9914b6d6265f060b509283f79afb130d008"),
            ("0005_rate_limits", "15e07f49f00e9a6fe996b5c3a010538d047432a01a95fd5c153ab8e8daf9e45e"),
            ("0006_accounts_events_outbox", "d7ec22224c91f2f79af5759fa63a5af4db59f4b6c060ddc2a8e28b8c1855ac2c"),
            ("0007_events_about_others", "1dfcc553544b76a30450653e4ddcea589e9df65b20cb95d259f0f21f49c657ed"),
            ("0008_outbox_by_kind", "2666253fefb95423b383cba465b2e3265f927673d9b68fc2f593801c23ee9903"),
            ("0009_no_wait_is_no_moment", "3f370ef231d39e42c9206a17bceea1ed8bf246c599b320efd9d2f6d0144a4653"),
            ("0010_data_keys", "27eae59c60ebe17909c085f576a97e96b1c3fddf3b62c47003c921e39ab4c200"),
        ];
        assert_eq!(checksums, released.map(|(name, checksum)| (name.to_owned(), checksum.to_owned())));
    }

    #[tokio::test]
    async fn every_statement_can_be_prepared_on_a_fresh_schema() {
        let fresh = Fresh::create().await;
        migrate(fresh.url()).await.unwrap();
        let client = connect(fresh.url()).await;
        let statements = [
            users::STATEMENTS,
            accounts::STATEMENTS,
            sessions::STATEMENTS,
            endings::STATEMENTS,
            records::STATEMENTS,
            outbox::STATEMENTS,
            data_keys::STATEMENTS,
            housekeeping::STATEMENTS,
            limits::STATEMENTS,
        ];
        for statement in statements.concat() {
            let prepared = client.prepare(statement.sql).await;
            let prepared = prepared.unwrap_or_else(|error| panic!("{}: {error:?}", statement.sql));
            assert_eq!(prepared.params(), statement.types, "{}", statement.sql);
        }
    }

    #[tokio::test]
    async fn nothing_that_a_rotation_changes_is_in_an_index() {
        let fresh = Fresh::create().await;
        migrate(fresh.url()).await.unwrap();
        let indexed = "
            SELECT DISTINCT attname::text FROM pg_index JOIN pg_attribute ON attrelid = indexrelid
            WHERE indrelid = 'sessions'::regclass ORDER BY 1";
        let rows = connect(fresh.url()).await.query(indexed, &[]).await.unwrap();
        let columns: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(columns, ["handle", "user_id"]);
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
