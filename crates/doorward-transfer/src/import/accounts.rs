//! Where accounts are added.

use std::collections::{HashMap, HashSet};

use doorward::UserId;
use doorward_postgres::transfer::TransferClient;
use doorward_sqlite::transfer::TransferConnection;
use rusqlite::{TransactionBehavior, params};

use super::check::Account;
use crate::{Location, TransferError};

/// The database, which a server may be using meanwhile.
pub(super) enum Accounts {
    Sqlite(TransferConnection),
    Postgres(TransferClient),
    /// A dry run on a file that is not there.
    Nowhere,
}

/// The ids of accounts by the keys of their addresses.
type Added = HashMap<String, UserId>;

fn given(key: &str, id: i64) -> Option<(String, UserId)> {
    Some((key.to_owned(), UserId::new(id)?))
}

/// What is not free.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) ids: HashSet<i64>,
    pub(super) emails: HashSet<String>,
}

const INSERT: &str = "
    INSERT INTO users (id, email, email_key, full_name, role, is_active, password_hash, created_at, email_verified_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";

/// Nobody adds accounts meanwhile, so that the sequence can be set: who has its lock sees every number given.
const LOCK: &str = "LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE";

/// A sequence that has given nothing yet would begin with its `last_value`.
const CONTINUE: &str = "
    SELECT setval('users_id_seq', $1) FROM users_id_seq
    WHERE last_value < $1 OR (last_value = $1 AND NOT is_called)";

const INSERT_ALL: &str = "
    INSERT INTO users (id, email, email_key, full_name, role, is_active, password_hash, created_at, email_verified_at)
    SELECT coalesce(id, nextval('users_id_seq')), email, email_key, full_name, role, is_active, password_hash,
        created_at, email_verified_at
    FROM unnest(
        $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::bigint[],
        $9::bigint[]
    ) AS new (id, email, email_key, full_name, role, is_active, password_hash, created_at, email_verified_at)
    ON CONFLICT DO NOTHING RETURNING email_key, id";

impl Accounts {
    pub(super) async fn open(location: &Location, dry_run: bool) -> Result<Self, TransferError> {
        Ok(match location {
            Location::Sqlite(path) if dry_run && !path.exists() => Self::Nowhere,
            Location::Sqlite(path) => Self::Sqlite(TransferConnection::to_shared(path)?),
            Location::Postgres(url) => Self::Postgres(TransferClient::to_shared(url).await?),
        })
    }

    pub(super) async fn taken(&self, accounts: &[Account]) -> Result<Taken, TransferError> {
        match self {
            Self::Sqlite(connection) => {
                let mut taken = Taken::default();
                let mut by_id = connection.prepare_cached("SELECT 1 FROM users WHERE id = ?1")?;
                let mut by_email = connection.prepare_cached("SELECT 1 FROM users WHERE email_key = ?1")?;
                for account in accounts {
                    if by_email.exists([account.email.key()])? {
                        taken.emails.insert(account.email.key().to_owned());
                    }
                    if let Some(id) = account.id
                        && by_id.exists([id.value()])?
                    {
                        taken.ids.insert(id.value());
                    }
                }
                Ok(taken)
            }
            Self::Postgres(client) => {
                let ids: Vec<_> =
                    accounts.iter().filter_map(|account| account.id).map(doorward::UserId::value).collect();
                let emails: Vec<_> = accounts.iter().map(|account| account.email.key()).collect();
                let select = "SELECT id, email_key FROM users WHERE id = ANY ($1) OR email_key = ANY ($2)";
                let mut taken = Taken::default();
                for row in client.query(select, &[&ids, &emails]).await? {
                    taken.ids.insert(row.try_get(0)?);
                    taken.emails.insert(row.try_get(1)?);
                }
                Ok(taken)
            }
            Self::Nowhere => Ok(Taken::default()),
        }
    }

    /// Adds them in one transaction; the keys of the addresses that were added and the ids of their accounts, which is
    /// all unless somebody was faster.
    pub(super) async fn add(&mut self, accounts: &[Account]) -> Result<Added, TransferError> {
        match self {
            Self::Sqlite(connection) => add_to_sqlite(connection, accounts),
            Self::Postgres(client) => add_to_postgres(client, accounts).await,
            Self::Nowhere => Ok(Added::new()),
        }
    }
}

fn add_to_sqlite(connection: &TransferConnection, accounts: &[Account]) -> Result<Added, TransferError> {
    let mut added = Added::new();
    let transaction = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    {
        let mut insert = transaction.prepare_cached(INSERT)?;
        for account in accounts {
            let count = insert.execute(params![
                account.id.map(doorward::user::UserId::value),
                account.email.as_str(),
                account.email.key(),
                account.full_name,
                account.role.as_str(),
                account.is_active,
                account.hash.as_str(),
                account.created_at.micros(),
                account.email_verified_at.map(doorward::Timestamp::micros),
            ])?;
            if count == 1 {
                added.extend(given(account.email.key(), transaction.last_insert_rowid()));
            }
        }
    }
    transaction.commit()?;
    Ok(added)
}

async fn add_to_postgres(client: &mut TransferClient, accounts: &[Account]) -> Result<Added, TransferError> {
    let ids: Vec<_> = accounts.iter().map(|account| account.id.map(doorward::user::UserId::value)).collect();
    let emails: Vec<_> = accounts.iter().map(|account| account.email.as_str()).collect();
    let keys: Vec<_> = accounts.iter().map(|account| account.email.key()).collect();
    let names: Vec<_> = accounts.iter().map(|account| account.full_name.as_deref()).collect();
    let roles: Vec<_> = accounts.iter().map(|account| account.role.as_str()).collect();
    let active: Vec<_> = accounts.iter().map(|account| account.is_active).collect();
    let hashes: Vec<_> = accounts.iter().map(|account| account.hash.as_str()).collect();
    let created: Vec<_> = accounts.iter().map(|account| account.created_at.micros()).collect();
    let verified: Vec<_> =
        accounts.iter().map(|account| account.email_verified_at.map(doorward::Timestamp::micros)).collect();
    let transaction = client.transaction().await?;
    transaction.batch_execute(LOCK).await?;
    if let Some(highest) = ids.iter().copied().flatten().max() {
        transaction.execute(CONTINUE, &[&highest]).await?;
    }
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] =
        [&ids, &emails, &keys, &names, &roles, &active, &hashes, &created, &verified];
    let rows = transaction.query(INSERT_ALL, &values).await?;
    let mut added = Added::new();
    for row in &rows {
        added.extend(given(row.try_get(0)?, row.try_get(1)?));
    }
    transaction.commit().await?;
    Ok(added)
}
