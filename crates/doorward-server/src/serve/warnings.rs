//! What is unsafe about the settings.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use doorward_delivery::{Links, SmtpSettings, Webhooks};

use crate::data_dir::{is_open_to_others, secret_path};
use crate::settings::{Database, Settings};

/// A line for each thing that is unsafe about these settings.
pub(crate) fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    if settings.hash_parameters.is_below_recommendation() {
        warnings.push(
            "password hashing is cheaper than recommended: passwords are easy to guess from a stolen database"
                .to_owned(),
        );
    }
    if !settings.rate_limit_enabled {
        warnings.push("rate_limit_enabled is false: nobody is kept from guessing passwords".to_owned());
    }
    if settings.tls.is_none() && !settings.bind.ip().is_loopback() {
        warnings
            .push(format!("bind = {}: plain HTTP on a network; set tls_certificate_file and tls_key_file, or put a proxy that speaks TLS before it", settings.bind));
    }
    if settings.metrics_bind.is_some_and(|address| !address.ip().is_loopback()) {
        warnings.push("metrics_bind is on a network: anybody there can read the metrics".to_owned());
    }
    if let Some(files) = &settings.tls {
        // A key is often its group's too, and that is meant; it is never everybody's.
        if fs::metadata(&files.key).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0) {
            warnings.push(format!("tls_key_file {} is open to everybody: chmod o= it", files.key.display()));
        }
    }
    if let Database::Postgres(url) = &settings.database
        && doorward_postgres::can_be_posed_as(url)
    {
        warnings.push(
            "database_url asks for no proof of the server: whoever is on the way can pose as it; set sslmode=verify-full"
                .to_owned(),
        );
    }
    warnings.extend(delivery_warnings(settings));
    let mut private = vec![settings.data_dir.clone(), secret_path(&settings.data_dir)];
    if let Database::Sqlite(file) = &settings.database {
        private.push(file.clone());
    }
    for path in private {
        if is_open_to_others(&path) {
            warnings.push(format!("{} is open to other users of the machine: chmod go= it", path.display()));
        }
    }
    warnings
}

fn delivery_warnings(settings: &Settings) -> Vec<String> {
    let delivery = &settings.delivery;
    let mut warnings = Vec::new();
    let is_local = delivery.links.as_ref().map_or(settings.bind.ip().is_loopback(), Links::lead_to_this_machine);
    if delivery.letters_in_log {
        warnings.push(
            "mail is log: no letter reaches anybody, and whoever reads the log can open accounts; set mail = smtp"
                .to_owned(),
        );
    } else if delivery.smtp.is_none() {
        warnings.push(
            "mail is not set: no letter reaches anybody, and the log has none; set mail = smtp, or mail = log to try things out"
                .to_owned(),
        );
    }
    if delivery.smtp.is_some() && is_local {
        warnings.push("mail is sent, but its links lead to this machine only: set public_url".to_owned());
    }
    if delivery.smtp.as_ref().is_some_and(SmtpSettings::is_unprotected) {
        warnings.push("smtp_url does without TLS: whoever listens on the way can open accounts".to_owned());
    }
    if delivery.webhook.as_ref().is_some_and(|receiver| Webhooks::is_unprotected_url(&receiver.url)) {
        warnings.push("webhook_url is plain HTTP: whoever listens on the way reads every event".to_owned());
    }
    warnings
}
