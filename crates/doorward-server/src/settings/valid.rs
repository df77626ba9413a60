//! Raw settings become valid settings, or every fault there is.

mod delivery;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::{HeaderValue, Uri};
use doorward::password::{HashParameters, InvalidParameters};
use doorward_axum::TrustedProxies;
use tracing_subscriber::EnvFilter;

use super::accounts;
use super::fault::{SettingFault, SettingFaults};
use super::raw::{RawSettings, RawValue, Source};
use super::table::{Secrecy, Setting};
use super::{Database, DatabaseLimits, LogFormat, Secret, Settings, TlsFiles};

pub(crate) const MAKE_SECRET: &str = "make a good one with: openssl rand -base64 48";
const MAKE_WEBHOOK_SECRET: &str = "make a good one with: echo whsec_$(openssl rand -base64 32)";
/// What is wrong with one value, as the end of a sentence.
type Problem = String;

/// Reads every setting before giving up on any, so that all faults come at once.
pub(super) fn settings(raw: &RawSettings) -> Result<Settings, SettingFaults> {
    let mut door = Door { raw, faults: raw.faults.clone() };
    let bind = door.read("bind", socket_address);
    let tls = tls_files(&mut door);
    let data_dir = door.read("data_dir", path);
    let database = door.optional("database_url", |text| Database::parse(text).map_err(str::to_owned));
    let database_limits = database_limits(&mut door);
    let secret_key = door.optional("secret_key", secret);
    let secret_key_previous = door.list("secret_key_previous", secret);
    let access_minutes = door.number("access_token_expire_minutes", 1..=1440);
    let refresh_rules = accounts::refresh_rules(&mut door);
    let events_kept = accounts::events_kept(&mut door);
    let account_rules = accounts::account_rules(&mut door);
    let mut keys: Vec<_> = secret_key.iter().flatten().chain(secret_key_previous.iter().flatten()).cloned().collect();
    let sealing = accounts::sealing(&mut door, &keys);
    keys.extend(sealing.iter().flat_map(|sealing| sealing.current.iter().chain(&sealing.previous)).cloned());
    let peppers = accounts::peppers(&mut door, &keys);
    let hash_parameters = hash_parameters(&mut door);
    let hash_budget_mib = hash_budget(&mut door, hash_parameters);
    let allowed_origins = door.list("allowed_origins", origin);
    let trusted_proxies = door.list("trusted_proxies", network);
    let rate_limit_enabled = door.read("rate_limit_enabled", yes_or_no);
    let delivery = delivery::delivery(&mut door);
    let max_connections = door.number("max_connections", 1..=1_000_000);
    let header_seconds = door.number("header_timeout_seconds", 1..=3600);
    let idle_seconds = door.number("idle_timeout_seconds", 1..=3600);
    let shutdown_seconds = door.number("shutdown_grace_seconds", 0..=3600);
    let metrics_bind = door.optional("metrics_bind", socket_address);
    let log_filter = door.read("log_level", log_filter);
    let log_format = door.read("log_format", log_format);
    let faults = std::mem::take(&mut door.faults);
    let complete = move || {
        let data_dir = data_dir?;
        Some(Settings {
            bind: bind?,
            tls: tls?,
            database: database?.unwrap_or_else(|| Database::Sqlite(data_dir.join("doorward.db"))),
            database_limits: database_limits?,
            data_dir,
            secret_key: secret_key?,
            secret_key_previous: secret_key_previous?,
            sealing: sealing?,
            access_token_lifetime: Duration::from_secs(60 * u64::from(access_minutes?)),
            refresh_rules: refresh_rules?,
            events_kept: events_kept?,
            account_rules: account_rules?,
            peppers: peppers?,
            hash_parameters: hash_parameters?,
            hash_budget_mib: hash_budget_mib?,
            allowed_origins: allowed_origins?,
            trusted_proxies: TrustedProxies::parse(trusted_proxies?.iter().map(String::as_str)).ok()?,
            rate_limit_enabled: rate_limit_enabled?,
            delivery: delivery?,
            max_connections: usize::try_from(max_connections?).ok()?,
            header_timeout: Duration::from_secs(u64::from(header_seconds?)),
            idle_timeout: Duration::from_secs(u64::from(idle_seconds?)),
            shutdown_grace: Duration::from_secs(u64::from(shutdown_seconds?)),
            metrics_bind: metrics_bind?,
            log_filter: log_filter?,
            log_format: log_format?,
        })
    };
    if faults.is_empty() { complete().ok_or(SettingFaults(faults)) } else { Err(SettingFaults(faults)) }
}

#[expect(clippy::option_option, reason = "a fault and unset settings are different things")]
fn tls_files(door: &mut Door<'_>) -> Option<Option<TlsFiles>> {
    let (certificate, key) = ("tls_certificate_file", "tls_key_file");
    match (door.optional(certificate, path)?, door.optional(key, path)?) {
        (Some(certificate), Some(key)) => Some(Some(TlsFiles { certificate, key })),
        (None, None) => Some(None),
        (Some(_), None) => {
            door.fault(key, format!("is not set, but {certificate} is"));
            None
        }
        (None, Some(_)) => {
            door.fault(certificate, format!("is not set, but {key} is"));
            None
        }
    }
}

fn database_limits(door: &mut Door<'_>) -> Option<DatabaseLimits> {
    let pool_size = door.number("database_pool_size", 1..=1000);
    let mut timeout = |key| door.number(key, 1..=3600).map(|seconds| Duration::from_secs(seconds.into()));
    let connect_timeout = timeout("database_connect_timeout_seconds");
    let acquire_timeout = timeout("database_acquire_timeout_seconds");
    let statement_timeout = timeout("database_statement_timeout_seconds");
    Some(DatabaseLimits {
        pool_size: usize::try_from(pool_size?).ok()?,
        connect_timeout: connect_timeout?,
        acquire_timeout: acquire_timeout?,
        statement_timeout: statement_timeout?,
    })
}

fn hash_parameters(door: &mut Door<'_>) -> Option<HashParameters> {
    let memory_kib = door.number("password_hash_memory_kib", 8..=u32::MAX);
    let iterations = door.number("password_hash_iterations", 1..=u32::MAX);
    let lanes = door.number("password_hash_lanes", 1..=u32::MAX);
    let invalid = match HashParameters::new(memory_kib?, iterations?, lanes?) {
        Ok(parameters) => return Some(parameters),
        Err(invalid) => invalid,
    };
    let key = match invalid {
        InvalidParameters::Lanes => "password_hash_lanes",
        InvalidParameters::Memory => "password_hash_memory_kib",
        _ => "password_hash_iterations",
    };
    door.fault(key, format!("will not do: {invalid}"));
    None
}

#[expect(clippy::option_option, reason = "a fault and an unset setting are different things")]
fn hash_budget(door: &mut Door<'_>, parameters: Option<HashParameters>) -> Option<Option<u32>> {
    let budget = door.optional("password_hash_budget_mib", |text| whole_number(text, 1..=u32::MAX))?;
    let one_hash = parameters?.memory_kib();
    if budget.is_some_and(|budget| u64::from(budget) * 1024 < u64::from(one_hash)) {
        door.fault("password_hash_budget_mib", format!("is less than the {one_hash} KiB of one hash"));
        return None;
    }
    Some(budget)
}

/// Lets values in and collects the faults of the others.
pub(super) struct Door<'a> {
    raw: &'a RawSettings,
    faults: Vec<SettingFault>,
}

impl Door<'_> {
    /// A setting that always has a value, if only its default.
    pub(super) fn read<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, Problem>) -> Option<T> {
        self.optional(key, parse).flatten()
    }

    /// A setting that may be unset: `Some(None)`. The outer `None` stands for a fault.
    #[expect(clippy::option_option, reason = "a fault and an unset setting are different things")]
    pub(super) fn optional<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, Problem>) -> Option<Option<T>> {
        match self.raw.value(key).map(|value| parse(value.text())) {
            None => Some(None),
            Some(Ok(value)) => Some(Some(value)),
            Some(Err(problem)) => {
                self.fault(key, problem);
                None
            }
        }
    }

    /// Whether somebody chose the value, if only that of the default.
    pub(super) fn is_said(&self, key: &str) -> bool {
        self.raw.value(key).is_some_and(|value| value.source != Source::Default)
    }

    pub(super) fn list<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, Problem>) -> Option<Vec<T>> {
        let Some(value) = self.raw.value(key) else { return Some(Vec::new()) };
        let parsed: Result<_, _> = value.parts.iter().map(|part| parse(part.as_str())).collect();
        parsed.map_err(|problem| self.fault(key, problem)).ok()
    }

    pub(super) fn number(&mut self, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        self.read(key, |text| whole_number(text, range.clone()))
    }

    #[expect(clippy::option_option, reason = "a fault and an unset setting are different things")]
    pub(super) fn optional_number(&mut self, key: &str, range: RangeInclusive<u32>) -> Option<Option<u32>> {
        self.optional(key, |text| whole_number(text, range.clone()))
    }

    pub(super) fn fault(&mut self, key: &str, problem: Problem) {
        let setting = Setting::find(key);
        let is_secret = setting.is_some_and(|setting| setting.secrecy == Secrecy::Secret);
        let example = setting.map_or("", |setting| setting.example);
        let remedy = match key {
            "webhook_secret" => MAKE_WEBHOOK_SECRET.to_owned(),
            _ if is_secret => MAKE_SECRET.to_owned(),
            _ => format!("for example {example}"),
        };
        let source = self.raw.value(key).map_or(Source::Default, |RawValue { source, .. }| source.clone());
        self.faults.push(SettingFault { setting: key.to_owned(), source, problem, remedy });
    }
}

fn shown(text: &str) -> String {
    let shortened: String = text.chars().take(80).collect();
    format!("{shortened:?}")
}

fn whole_number(text: &str, range: RangeInclusive<u32>) -> Result<u32, Problem> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("is {}, not a whole number from {} to {}", shown(text), range.start(), range.end()))
}

fn socket_address(text: &str) -> Result<SocketAddr, Problem> {
    text.parse().map_err(|_| format!("is {}, not an IP address and a port", shown(text)))
}

pub(super) fn yes_or_no(text: &str) -> Result<bool, Problem> {
    text.parse().map_err(|_| format!("is {}, neither true nor false", shown(text)))
}

fn path(text: &str) -> Result<PathBuf, Problem> {
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn secret(text: &str) -> Result<Secret, Problem> {
    if text.is_empty() {
        return Err("is refused: it is empty".to_owned());
    }
    Secret::new(text.to_owned().into()).map_err(|weak| format!("is refused: {weak}"))
}

/// An origin as browsers send it: scheme, host and perhaps a port, all lower case, nothing after.
fn origin(text: &str) -> Result<HeaderValue, Problem> {
    let problem = || format!("has {}, not scheme://host with perhaps a port and nothing after", shown(text));
    let uri: Uri = text.parse().map_err(|_| problem())?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().ok_or_else(problem)?;
    let canonical = format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
    let is_origin = is_web && canonical == text && text == text.to_lowercase() && !text.contains(['*', '@']);
    if is_origin { HeaderValue::from_str(text).map_err(|_| problem()) } else { Err(problem()) }
}

fn network(text: &str) -> Result<String, Problem> {
    TrustedProxies::parse([text])
        .map(|_| text.to_owned())
        .map_err(|_| format!("has {}, neither an IP address nor a network (such as 10.0.0.0/8, or with the header that it writes: 10.0.0.0/8 forwarded)", shown(text)))
}

fn log_filter(text: &str) -> Result<String, Problem> {
    let problem = || format!("is {}, not a level or list of module=level", shown(text));
    let known =
        |level: &str| ["error", "warn", "info", "debug", "trace", "off"].contains(&level.to_lowercase().as_str());
    // `EnvFilter` takes a lone word for a module's name, so that a misspelled level would silence everything.
    let each_is_known = text.split(',').all(|directive| known(directive.rsplit('=').next().unwrap_or_default().trim()));
    if !each_is_known {
        return Err(problem());
    }
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|_| problem())
}

fn log_format(text: &str) -> Result<LogFormat, Problem> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("is {}, none of auto, text, json", shown(text))),
    }
}
