//! The application: settings made into a store, a hashing pool, a keyring and the [`Auth`] of them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use doorward::password::{HashingPool, Peppers, PoolSettings};
use doorward::token::access::AccessTokenRules;
use doorward::token::keyring::Keyring;
use doorward::{AccountRules, Auth, Store};
use doorward_postgres::{PostgresOptions, PostgresStore};
use doorward_sqlite::{SqliteOptions, SqliteStore};

use crate::data_dir;
use crate::failure::Failure;
use crate::settings::{Database, DatabaseLimits, MAKE_SECRET, Secret, Settings};

/// Opens everything for serving: as many hashing threads as cores and budget allow.
pub(crate) async fn open_for_serving(settings: &Settings) -> Result<Auth, Failure> {
    let parameters = settings.hash_parameters;
    open(
        settings,
        match settings.hash_budget_mib {
            Some(budget) => PoolSettings::within_budget(parameters, budget),
            None => PoolSettings::new(parameters),
        },
        true,
    )
    .await
}

/// Opens everything for one command: one hashing thread.
pub(crate) async fn open_for_a_command(settings: &Settings) -> Result<Auth, Failure> {
    let pool = PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(settings.hash_parameters) };
    open(settings, pool, false).await
}

/// The rules of access tokens that the settings make.
pub(crate) fn access_token_rules(settings: &Settings) -> AccessTokenRules {
    AccessTokenRules { lifetime: settings.access_token_lifetime, ..AccessTokenRules::default() }
}

/// The rules of accounts that the settings make.
pub(crate) fn account_rules(settings: &Settings) -> AccountRules {
    let mut rules = settings.account_rules.clone();
    rules.email_verification = settings.delivery.email_verification;
    rules
}

/// Refuses to make a secret of this node's own where every node must have the same.
///
/// # Errors
///
/// [`Failure`] that says how to make one.
pub(crate) fn require_secret(settings: &Settings) -> Result<(), Failure> {
    match (&settings.database, &settings.secret_key) {
        (Database::Postgres(_), None) => Err(Failure::new(format!(
            "secret_key is not set, and with PostgreSQL every node must have the same; {MAKE_SECRET}"
        ))),
        _ => Ok(()),
    }
}

/// `listen`: whether hints of what other nodes end are worth a connection, for as long as this lives.
async fn open(settings: &Settings, pool: PoolSettings, listen: bool) -> Result<Auth, Failure> {
    require_secret(settings)?;
    if let Database::Sqlite(_) = settings.database {
        data_dir::ensure(&settings.data_dir)?;
    }
    let secret = match &settings.secret_key {
        Some(secret) => secret.clone(),
        None => data_dir::ensure_secret(&settings.data_dir)?,
    };
    // What the settings name was compared when they were read; the one on disk is known only now.
    let mut peppers = settings.peppers.current.iter().chain(&settings.peppers.previous);
    if peppers.any(|pepper| pepper.bytes() == secret.bytes()) {
        return Err(Failure::new("password_pepper is refused: it is the secret in the data_dir, too"));
    }
    let previous = settings.secret_key_previous.iter().map(Secret::key).collect();
    let keyring = Keyring::new(secret.key(), previous);
    let previous = settings.peppers.previous.iter().map(Secret::key).collect();
    let peppers = Peppers::new(settings.peppers.current.as_ref().map(Secret::key), previous);
    let pool = HashingPool::start(PoolSettings { peppers, ..pool })
        .map_err(|error| Failure::new(format!("cannot start the threads that hash passwords: {error}")))?;
    let auth = Auth::new(open_store(settings, listen).await?, pool, keyring)
        .with_access_token_rules(access_token_rules(settings))
        .with_refresh_rules(settings.refresh_rules)
        .with_events_kept(settings.events_kept)
        .with_account_rules(account_rules(settings));
    let auth = if settings.delivery.webhook.is_some() { auth.with_webhooks() } else { auth };
    Ok(if settings.rate_limit_enabled { auth } else { auth.danger_without_limits() })
}

async fn open_store(settings: &Settings, listen: bool) -> Result<Arc<dyn Store>, Failure> {
    Ok(match &settings.database {
        Database::Sqlite(file) => {
            Arc::new(SqliteStore::open(file, SqliteOptions::default()).map_err(Failure::because)?)
        }
        Database::Postgres(url) => {
            // One node must not change the tables under the others: `doorward migrate` does, when told to.
            let DatabaseLimits { pool_size, connect_timeout, acquire_timeout, statement_timeout } =
                settings.database_limits;
            let options = PostgresOptions {
                max_connections: pool_size,
                connect_timeout,
                acquire_timeout,
                statement_timeout,
                listen,
                migrate: false,
                ..PostgresOptions::default()
            };
            Arc::new(PostgresStore::open(url, options).await.map_err(Failure::because)?)
        }
    })
}
