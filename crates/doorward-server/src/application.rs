//! The application: settings made into a store, a hashing pool, a keyring and the [`Auth`] of them.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use doorward::password::{HashingPool, Peppers, PoolSettings};
use doorward::store::UserQuery;
use doorward::token::access::AccessTokenRules;
use doorward::token::keyring::Keyring;
use doorward::{AccountRules, Auth, OpenError, Store};
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
        Opening::Server,
    )
    .await
}

/// Opens everything for one command, one hashing thread, and says on standard error which database that is. Only
/// `create` makes one that isn't there.
pub(crate) async fn open_for_a_command(settings: &Settings, create: bool) -> Result<Auth, Failure> {
    if !create {
        require_database(settings)?;
    }
    name_database(settings);
    open(settings, pool_for_a_command(settings), Opening::Command).await
}

/// The same for giving up what no secret opens any more, if that is `meant`.
pub(crate) async fn open_giving_up_data_key(settings: &Settings, meant: bool) -> Result<Auth, Failure> {
    require_database(settings)?;
    name_database(settings);
    if !meant {
        let count = open_store(settings, false).await?.count_second_factors().await.map_err(Failure::because)?;
        return Err(Failure::new(format!(
            "the second factors that no secret here opens go, of {count} in all, and whoever knows the password of one \
             of those accounts gets in: say that you mean it with --yes"
        )));
    }
    open(settings, pool_for_a_command(settings), Opening::GivingUp).await
}

fn pool_for_a_command(settings: &Settings) -> PoolSettings {
    PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(settings.hash_parameters) }
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

/// Says on standard error which database a command uses.
pub(crate) fn name_database(settings: &Settings) {
    tell(&format!("database {}", settings.database));
}

/// Says something on standard error that is no failure. Where nobody listens it is nobody's loss.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "doorward: {line}");
}

/// Refuses to begin a new, empty service where a command was run in the wrong folder.
///
/// # Errors
///
/// [`Failure`] that names the path.
pub(crate) fn require_database(settings: &Settings) -> Result<(), Failure> {
    match &settings.database {
        Database::Sqlite(file) if !file.exists() => Err(Failure::new(format!(
            "there is no database at {}: is this the right folder? (doorward serve and doorward migrate make one; users \
             create and users import with --create)",
            std::path::absolute(file).as_deref().unwrap_or(file).display()
        ))),
        _ => Ok(()),
    }
}

/// The secret of the data folder, made and told of when there is none and nobody's data hangs on an older one.
async fn secret_of_the_folder(settings: &Settings, store: &dyn Store, listen: bool) -> Result<Secret, Failure> {
    if let Some(secret) = data_dir::read_secret(&settings.data_dir)? {
        return Ok(secret);
    }
    let path = data_dir::secret_path(&settings.data_dir);
    let anybody = UserQuery { limit: 1, ..UserQuery::default() };
    if store.list_users(anybody).await.map_err(Failure::because)?.total > 0 {
        let second_factors = store.count_second_factors().await.map_err(Failure::because)?;
        return Err(Failure::new(format!(
            "{} is missing, {} has accounts, and {} on it. Bring the file back from a backup, or name its secret in \
             secret_key. If it is lost for good: (umask 077; openssl rand -base64 48 > {0}), then doorward keys \
             forget-sealed",
            path.display(),
            settings.database,
            counted_factors(second_factors)
        )));
    }
    data_dir::ensure(&settings.data_dir)?;
    let secret = data_dir::ensure_secret(&settings.data_dir)?;
    let made = format!("made a secret in {}: keep a copy of it apart from the database's", path.display());
    if listen {
        tracing::info!(event = "secret_made", "{made}");
    } else {
        tell(&made);
    }
    Ok(secret)
}

/// What the service is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// To serve: hints of what other nodes end are worth a connection, for as long as this lives.
    Server,
    /// For one command, perhaps beside a server.
    Command,
    /// For one command, without what no secret opens any more.
    GivingUp,
}

fn lost_or(settings: &Settings, error: OpenError) -> Failure {
    match error {
        OpenError::DataKeyLost { second_factors } => Failure::new(format!(
            "no secret here opens the data key in {}, and {} on it. Name the secret that was secret_key (or sealing_key) \
             before in secret_key_previous, or in sealing_key_previous if it leaked. If it is lost for good: doorward \
             keys forget-sealed",
            settings.database,
            counted_factors(second_factors)
        )),
        error => Failure::because(error),
    }
}

fn counted_factors(count: u64) -> String {
    match count {
        1 => "1 second factor hangs".to_owned(),
        count => format!("{count} second factors hang"),
    }
}

async fn open(settings: &Settings, pool: PoolSettings, opening: Opening) -> Result<Auth, Failure> {
    let listen = opening == Opening::Server;
    require_secret(settings)?;
    if let Database::Sqlite(_) = settings.database {
        data_dir::ensure(&settings.data_dir)?;
    }
    let store = open_store(settings, listen).await?;
    let secret = match &settings.secret_key {
        Some(secret) => secret.clone(),
        None => secret_of_the_folder(settings, &*store, listen).await?,
    };
    // What the settings name was compared when they were read; the one on disk is known only now.
    let mut peppers = settings.peppers.current.iter().chain(&settings.peppers.previous);
    if peppers.any(|pepper| pepper.bytes() == secret.bytes()) {
        return Err(Failure::new("password_pepper is refused: it is the secret in the data_dir, too"));
    }
    let previous = settings.secret_key_previous.iter().map(Secret::key).collect();
    let sealing_previous = settings.sealing.previous.iter().map(Secret::key).collect();
    let sealing = settings.sealing.current.as_ref().map(Secret::key);
    let keyring = Keyring::new(secret.key(), previous).with_sealing_secret(sealing, sealing_previous);
    let previous = settings.peppers.previous.iter().map(Secret::key).collect();
    let peppers = Peppers::new(settings.peppers.current.as_ref().map(Secret::key), previous);
    let pool = HashingPool::start(PoolSettings { peppers, ..pool })
        .map_err(|error| Failure::new(format!("cannot start the threads that hash passwords: {error}")))?;
    let opened = match opening {
        Opening::Server => Auth::open(store, pool, keyring).await,
        Opening::Command => Auth::open_beside(store, pool, keyring).await,
        Opening::GivingUp => Auth::open_giving_up_data_key(store, pool, keyring).await,
    };
    let auth = opened
        .map_err(|error| lost_or(settings, error))?
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
