//! The application: settings made into a store, a hashing pool, a keyring and the [`Auth`] of them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use doorward::password::{HashingPool, PoolSettings};
use doorward::token::access::AccessTokenRules;
use doorward::token::keyring::Keyring;
use doorward::{Auth, Store};
use doorward_sqlite::{SqliteOptions, SqliteStore};

use crate::data_dir;
use crate::failure::Failure;
use crate::settings::{Secret, Settings};

/// Opens everything for serving: as many hashing threads as cores and budget allow.
pub(crate) fn open_for_serving(settings: &Settings) -> Result<Auth, Failure> {
    let parameters = settings.hash_parameters;
    open(
        settings,
        match settings.hash_budget_mib {
            Some(budget) => PoolSettings::within_budget(parameters, budget),
            None => PoolSettings::new(parameters),
        },
    )
}

/// Opens everything for one command: one hashing thread.
pub(crate) fn open_for_a_command(settings: &Settings) -> Result<Auth, Failure> {
    let pool = PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(settings.hash_parameters) };
    open(settings, pool)
}

/// The rules of access tokens that the settings make.
pub(crate) fn access_token_rules(settings: &Settings) -> AccessTokenRules {
    AccessTokenRules { lifetime: settings.access_token_lifetime, ..AccessTokenRules::default() }
}

fn open(settings: &Settings, pool: PoolSettings) -> Result<Auth, Failure> {
    data_dir::ensure(&settings.data_dir)?;
    let secret = match &settings.secret_key {
        Some(secret) => secret.clone(),
        None => data_dir::ensure_secret(&settings.data_dir)?,
    };
    let previous = settings.secret_key_previous.iter().map(Secret::key).collect();
    let keyring = Keyring::new(secret.key(), previous);
    let pool = HashingPool::start(pool)
        .map_err(|error| Failure::new(format!("cannot start the threads that hash passwords: {error}")))?;
    Ok(Auth::new(open_store(settings)?, pool, keyring)
        .with_access_token_rules(access_token_rules(settings))
        .with_refresh_rules(settings.refresh_rules))
}

fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, Failure> {
    let store = SqliteStore::open(&settings.database, SqliteOptions::default()).map_err(Failure::because)?;
    Ok(Arc::new(store))
}
