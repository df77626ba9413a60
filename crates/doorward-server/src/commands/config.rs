//! `config show` and `config check`.

use std::path::Path;
use std::process::ExitCode;

use super::output::print_line;
use crate::application::{account_rules, require_secret};
use crate::data_dir::secret_path;
use crate::delivery;
use crate::failure::Failure;
use crate::serve::tls::Certificate;
use crate::serve::warnings::warnings;
use crate::settings::{RawSettings, RawText, RawValue, SETTINGS, Secrecy, Setting, Settings};

/// What stands for a secret.
const HIDDEN: &str = "***";

/// Prints each setting, its value and where it came from. Changes nothing on disk.
pub(crate) fn show(raw: &RawSettings) -> Result<(), Failure> {
    let rows = SETTINGS.iter().map(|setting| match raw.value(setting.key) {
        Some(value) => (setting.key, rendered(setting, value), value.source.to_string()),
        None => (setting.key, unset(setting, raw), "default".to_owned()),
    });
    let rows: Vec<_> = rows.collect();
    let key_width = rows.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    let value_width = rows.iter().map(|(_, value, _)| value.chars().count()).max().unwrap_or(0);
    rows.iter()
        .try_for_each(|(key, value, source)| print_line(&format!("{key:key_width$}  {value:value_width$}  {source}")))
}

/// Says that the settings will do, and what is unsafe about them.
pub(crate) fn check(settings: &Settings) -> Result<ExitCode, Failure> {
    require_secret(settings)?;
    if let Some(files) = &settings.tls {
        Certificate::load(files)?;
    }
    // The client of a mail server is made, and dropped, in a runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    runtime.block_on(async {
        delivery::mail(settings, &account_rules(settings).service_name, settings.bind)?;
        delivery::webhooks(settings).map(drop)
    })?;
    for warning in warnings(settings) {
        print_line(&format!("warning: {warning}"))?;
    }
    if !settings.allowed_origins.is_empty() && settings.refresh_rules.reuse_grace.is_zero() {
        print_line(
            "hint: two tabs of a browser that refresh at once end their session: let one refresh at a time \
             (docs/guide/browser.md), or set refresh_reuse_grace_seconds",
        )?;
    }
    if settings.sealing.current.is_none() {
        print_line(
            "hint: if another service has secret_key to verify tokens with, set sealing_key: then that service can open \
             nothing that the database keeps sealed",
        )?;
    }
    print_line("ok")?;
    Ok(ExitCode::SUCCESS)
}

fn rendered(setting: &Setting, value: &RawValue) -> String {
    let text = value.parts.iter().map(RawText::as_str).collect::<Vec<_>>().join(",");
    match setting.secrecy {
        Secrecy::Public => text.escape_debug().to_string(),
        Secrecy::Url => without_password(&text).escape_debug().to_string(),
        Secrecy::Secret => HIDDEN.to_owned(),
    }
}

fn unset(setting: &Setting, raw: &RawSettings) -> String {
    let data_dir = raw.value("data_dir").map_or("", RawValue::text);
    match setting.key {
        "database_url" => format!("sqlite://{}", Path::new(data_dir).join("doorward.db").display()),
        "secret_key" => format!("{HIDDEN} ({})", secret_path(Path::new(data_dir)).display()),
        "password_hash_budget_mib" => "one hash a core".to_owned(),
        _ => "none".to_owned(),
    }
}

/// The URL, or only its scheme when it may hold a password.
fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) if rest.contains(['@', '?']) => format!("{scheme}://{HIDDEN}"),
        Some(_) => url.to_owned(),
        None => HIDDEN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_a_url_is_shown() {
        assert_eq!(without_password("sqlite:///var/lib/doorward.db"), "sqlite:///var/lib/doorward.db");
        assert_eq!(without_password("postgres://ada:p@s?s@db/x"), "postgres://***");
        assert_eq!(without_password("postgres://db/x?password=y"), "postgres://***");
        assert_eq!(without_password("ada:pass"), "***");
    }
}
