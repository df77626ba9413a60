//! What is unsafe about the settings.

use std::fs;
use std::os::unix::fs::PermissionsExt;

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
