//! Settings: gathered from file, environment and flags, made valid once, at the door.

mod accounts;
mod database;
mod delivery;
mod fault;
mod raw;
mod table;
mod valid;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderValue;
use doorward::AccountRules;
use doorward::password::HashParameters;
use doorward::session::RefreshRules;
use doorward::token::keyring::SecretKey;
use doorward_axum::TrustedProxies;
use zeroize::Zeroizing;

pub use accounts::{PepperSettings, SealingSettings};
pub use database::{Database, DatabaseLimits};
pub use delivery::{Delivery, Receiver};
pub use fault::{SettingFault, SettingFaults};
pub use raw::{DEFAULT_FILE, Environment, Flags, RawSettings, RawText, RawValue, Source};
pub use table::{SETTINGS, Scope, Secrecy, Setting};
pub(crate) use valid::MAKE_SECRET;

/// Settings that were checked: nothing here needs a second look.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen.
    pub bind: SocketAddr,
    /// The certificate and key for TLS. `None`: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The folder of the embedded database and of a secret made on first start.
    pub data_dir: PathBuf,
    /// Where accounts and sessions are kept.
    pub database: Database,
    /// What is asked of it at most, if it is PostgreSQL.
    pub database_limits: DatabaseLimits,
    /// Signs access tokens. `None`: the one in [`data_dir`](Self::data_dir), made on first start; not with
    /// PostgreSQL, whose nodes must share one.
    pub secret_key: Option<Secret>,
    /// Older secrets that still verify.
    pub secret_key_previous: Vec<Secret>,
    /// What the store keeps sealed is sealed under.
    pub sealing: SealingSettings,
    /// How long an access token is good.
    pub access_token_lifetime: Duration,
    /// What holds for refresh tokens.
    pub refresh_rules: RefreshRules,
    /// How long events are kept. `None`: for ever.
    pub events_kept: Option<Duration>,
    /// What holds for accounts.
    pub account_rules: AccountRules,
    /// What is mixed into password hashes.
    pub peppers: PepperSettings,
    /// What a password hash costs.
    pub hash_parameters: HashParameters,
    /// Memory of all hashing, in MiB. `None`: one hash a core.
    pub hash_budget_mib: Option<u32>,
    /// The origins whose pages may call.
    pub allowed_origins: Vec<HeaderValue>,
    /// The proxies that are believed.
    pub trusted_proxies: TrustedProxies,
    /// Whether attempts are limited.
    pub rate_limit_enabled: bool,
    /// Mail and webhooks.
    pub delivery: Delivery,
    /// Connections served at once.
    pub max_connections: usize,
    /// How long the head of a request may take, and the start of a connection.
    pub header_timeout: Duration,
    /// How long a connection may stay open between two requests.
    pub idle_timeout: Duration,
    /// How long requests under way may take after the signal to stop.
    pub shutdown_grace: Duration,
    /// Where metrics are served.
    pub metrics_bind: Option<SocketAddr>,
    /// What is logged: directives of `tracing_subscriber`'s `EnvFilter`.
    pub log_filter: String,
    /// How logs are written.
    pub log_format: LogFormat,
}

impl Settings {
    /// Makes settings of what was gathered.
    ///
    /// # Errors
    ///
    /// [`SettingFaults`]: everything that is wrong, at once.
    pub fn from_raw(raw: &RawSettings) -> Result<Self, SettingFaults> {
        valid::settings(raw)
    }
}

/// Where the certificate for TLS and its key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the server, and after it those between it and the authority.
    pub certificate: PathBuf,
    /// The private key of the first certificate: PKCS #8, SEC 1 or PKCS #1.
    pub key: PathBuf,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// [`Text`](Self::Text) when standard error is a terminal, [`Json`](Self::Json) otherwise.
    Auto,
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// A signing secret, strong enough, with the text that it was read from.
#[derive(Clone)]
pub struct Secret {
    key: SecretKey,
    text: Zeroizing<String>,
}

impl Secret {
    /// Takes the text of a secret; its bytes are the key.
    ///
    /// # Errors
    ///
    /// [`WeakSecret`](doorward::token::keyring::WeakSecret).
    pub fn new(text: Zeroizing<String>) -> Result<Self, doorward::token::keyring::WeakSecret> {
        Ok(Self { key: SecretKey::new(text.as_bytes())?, text })
    }

    /// The key for the keyring.
    pub fn key(&self) -> SecretKey {
        self.key.clone()
    }

    /// The bytes themselves, for explaining a signature.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}
