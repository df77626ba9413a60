//! Connections to the server, set up for what they are for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::PostgresOptions;
use crate::error::{Fault, OpenError, OpenErrorReason};
use crate::hints::{Hints, Listener};
use crate::hosts::{self, FirstToAnswer, Hosts, Waits};
use crate::statement::Connection;
use crate::tls;

/// What a connection with TLS is made of.
pub(crate) type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// Whether the mark of the startup message has reached the server, and the number of its process. A pooler
/// shares its servers out by the transaction and can't hand on what was asked for one client.
pub(crate) const IS_DIRECT: &str =
    "SELECT coalesce(current_setting('doorward.is_direct', true), '') = 'yes', pg_backend_pid()";

/// How long a connection is silent before it is tried: a cut cable says nothing.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How often an operation is begun when others are in its way.
const ATTEMPTS: usize = 5;

/// How much longer than the server's own time-out an answer is waited for.
const MARGIN: Duration = Duration::from_secs(1);

/// A pool of connections to one database.
pub(crate) struct Database {
    pool: Pool,
    hosts: Arc<Hosts>,
    /// The number of the one that the pool's connections lead to.
    used_host: AtomicUsize,
    patience: Duration,
    is_direct: AtomicBool,
    name: String,
}

impl Database {
    /// Reads the URL; connects to nothing yet.
    pub(crate) fn new(url: &str, options: &PostgresOptions) -> Result<Self, OpenError> {
        let (config, tls) = tls::read_url(url).map_err(OpenError::of("of that URL"))?;
        let name = name_of(&config);
        let urls = if hosts::may_choose(&config) { hosts::each(url) } else { vec![url.to_owned()] };
        let configs: Result<Vec<_>, _> = urls.iter().map(|url| Ok(set_up(tls::read_url(url)?.0, options))).collect();
        let configs = configs.map_err(OpenError::of(&name))?;
        let connector = tls.client_config().map_err(OpenError::of(&name))?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let waits = Waits { connect: options.connect_timeout, silence: options.silence_timeout };
        let hosts = Hosts::new(configs, MakeRustlsConnect::new(connector), waits);
        let manager = Manager::from_connect(config, FirstToAnswer(Arc::clone(&hosts)), recycling);
        let pool = Pool::builder(manager)
            .max_size(options.max_connections.max(1))
            .wait_timeout(Some(options.acquire_timeout))
            .create_timeout(Some(options.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| OpenError::of(&name)(Fault::Pool(error.to_string()).into()))?;
        let patience = options.statement_timeout.saturating_add(MARGIN);
        Ok(Self { pool, hosts, used_host: AtomicUsize::new(0), patience, is_direct: AtomicBool::new(false), name })
    }

    /// Finds out whether a pooler is in between. Until then, and if so, nothing is asked of a connection
    /// that outlives a transaction.
    pub(crate) async fn look_for_pooler(&self) -> Result<(), OpenErrorReason> {
        let client = self.connect().await?;
        let row = client.query_typed_one(IS_DIRECT, &[]).await?;
        self.is_direct.store(row.try_get(0)?, Ordering::Release);
        Ok(())
    }

    /// Listens for hints on a connection of its own.
    pub(crate) fn listen(&self, hints: Arc<Hints>) -> Listener {
        Listener::start(hints, Arc::clone(&self.hosts))
    }

    /// What to call it in a message: host and database, no secrets.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A connection for work that has no time limit.
    pub(crate) async fn connect(&self) -> Result<Client, OpenErrorReason> {
        Ok(self.pool.get().await.map_err(Fault::from)?)
    }

    /// Runs an operation on a connection of its own: within its time, no longer than the server is there, and again
    /// when others were in its way.
    pub(crate) async fn run<T, F>(&self, operation: impl Fn(Connection) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut attempts_left = ATTEMPTS;
        loop {
            attempts_left -= 1;
            self.let_go_of_other_hosts();
            let connection = Connection::new(self.pool.get().await?, self.is_direct.load(Ordering::Acquire));
            let host = self.hosts.last();
            let outcome = tokio::select! {
                biased;
                outcome = timeout(self.patience, operation(connection)) => outcome.unwrap_or(Err(Fault::TimedOut)),
                () = self.hosts.silence(host) => Err(Fault::TimedOut),
            };
            match outcome {
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

    /// Who went to another host has no use for idle connections to the one before, which may hang.
    fn let_go_of_other_hosts(&self) {
        let last = self.hosts.last();
        if self.used_host.swap(last, Ordering::Relaxed) != last {
            self.pool.retain(|_, _| false);
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

/// Where PostgreSQL listens unless told otherwise.
const DEFAULT_PORT: u16 = 5432;

/// What connections call themselves, unless the URL names them. Those of versions before this one, which know no data
/// keys, are called `doorward`.
pub(crate) const APPLICATION_NAME: &str = "doorward/2";

fn set_up(mut config: Config, options: &PostgresOptions) -> Config {
    if config.get_application_name().is_none() {
        config.application_name(APPLICATION_NAME);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.connect_timeout);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(options.statement_timeout);
    }
    config.keepalives_idle(KEEPALIVE);
    if options.startup_options {
        let given = config.get_options().unwrap_or_default();
        let milliseconds = options.statement_timeout.as_millis();
        let asked = format!(
            "-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={milliseconds} \
             -c default_transaction_isolation=read\\ committed -c doorward.is_direct=yes {given}"
        );
        config.options(asked.trim_end());
    }
    config
}

fn name_of(config: &Config) -> String {
    // One port for all, or one for each.
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(place, host)| match host {
        Host::Tcp(name) => {
            let port = ports.get(place).or_else(|| ports.first()).copied().unwrap_or(DEFAULT_PORT);
            if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") }
        }
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts: Vec<_> = hosts.collect();
    format!("{} on {}", config.get_dbname().or(config.get_user()).unwrap_or_default(), hosts.join(", "))
}
