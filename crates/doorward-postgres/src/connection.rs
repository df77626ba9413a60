//! Connections to the server, set up for what they are for.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::Host;
use tokio_postgres::types::ToSql;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::PostgresOptions;
use crate::error::{Fault, OpenError, OpenErrorReason};
use crate::hosts::{self, FirstToAnswer};
use crate::tls;

/// A value for a statement.
pub(crate) type Value<'a> = &'a (dyn ToSql + Sync);

/// How often an operation is begun when others are in its way.
const ATTEMPTS: usize = 5;

/// How much longer than the server's own time-out an answer is waited for.
const MARGIN: Duration = Duration::from_secs(1);

/// A pool of connections to one database.
pub(crate) struct Database {
    pool: Pool,
    patience: Duration,
    name: String,
}

impl Database {
    /// Reads the URL; connects to nothing yet.
    pub(crate) fn new(url: &str, options: &PostgresOptions) -> Result<Self, OpenError> {
        let (config, tls) = tls::read_url(url).map_err(OpenError::of("of that URL"))?;
        let name = name_of(&config);
        let urls = if FirstToAnswer::may_choose(&config) { hosts::each(url) } else { vec![url.to_owned()] };
        let configs: Result<Vec<_>, _> = urls.iter().map(|url| Ok(set_up(tls::read_url(url)?.0, options))).collect();
        let configs = configs.map_err(OpenError::of(&name))?;
        let connector = tls.client_config().map_err(OpenError::of(&name))?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let connect = FirstToAnswer::new(configs, MakeRustlsConnect::new(connector), options.connect_timeout);
        let manager = Manager::from_connect(config, connect, recycling);
        let pool = Pool::builder(manager)
            .max_size(options.max_connections.max(1))
            .wait_timeout(Some(options.acquire_timeout))
            .create_timeout(Some(options.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| OpenError::of(&name)(Fault::Pool(error.to_string()).into()))?;
        Ok(Self { pool, patience: options.statement_timeout.saturating_add(MARGIN), name })
    }

    /// What to call it in a message: host and database, no secrets.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A connection for work that has no time limit.
    pub(crate) async fn connect(&self) -> Result<Client, OpenErrorReason> {
        Ok(self.pool.get().await.map_err(Fault::from)?)
    }

    /// Runs an operation on a connection of its own: within its time, and again when others were in its way.
    pub(crate) async fn run<T, F>(&self, operation: impl Fn(Client) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut attempts_left = ATTEMPTS;
        loop {
            attempts_left -= 1;
            let client = self.pool.get().await?;
            match timeout(self.patience, operation(client)).await.unwrap_or(Err(Fault::TimedOut)) {
                Err(fault) if fault.is_conflict() && attempts_left > 0 => {}
                Err(fault) => {
                    if fault.spoils_connections() {
                        self.pool.retain(|_, _| false);
                    }
                    return Err(fault);
                }
                done => return done,
            }
        }
    }

    /// Lets go of the connections: of the idle ones now, of the others when their operation is done.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Database").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Sends a transaction of two statements in one go, so that it holds no lock across a round trip and a
/// caller who gives up leaves nothing open. The statements must be prepared already: they are sent when
/// the futures are first polled.
pub(crate) async fn in_transaction<A, B>(
    client: &Client,
    first: impl Future<Output = Result<A, Fault>>,
    second: impl Future<Output = Result<B, Fault>>,
) -> Result<(A, B), Fault> {
    let (begun, first, second, committed) = tokio::join!(
        biased;
        // Whatever the server's default is: a statement after a lock must see what the lock waited for.
        client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
        first,
        second,
        client.batch_execute("COMMIT"),
    );
    begun?;
    let outcome = (first?, second?);
    committed?;
    Ok(outcome)
}

fn set_up(mut config: Config, options: &PostgresOptions) -> Config {
    if config.get_application_name().is_none() {
        config.application_name("doorward");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.connect_timeout);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(options.statement_timeout);
    }
    if options.startup_options {
        let given = config.get_options().unwrap_or_default();
        let milliseconds = options.statement_timeout.as_millis();
        let asked = format!(
            "-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={milliseconds} \
             -c default_transaction_isolation=read\\ committed {given}"
        );
        config.options(asked.trim_end());
    }
    config
}

fn name_of(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts: Vec<_> = hosts.collect();
    format!("{} on {}", config.get_dbname().or(config.get_user()).unwrap_or_default(), hosts.join(", "))
}
