//! `migrate`.

use std::process::ExitCode;

use super::output::print_line;
use crate::data_dir;
use crate::failure::Failure;
use crate::settings::Settings;

/// Applies the migrations that the database lacks and names them.
pub(crate) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    data_dir::ensure(&settings.data_dir)?;
    let applied = doorward_sqlite::migrate(&settings.database).map_err(Failure::because)?;
    for migration in &applied {
        print_line(&format!("applied {migration}"))?;
    }
    if applied.is_empty() {
        print_line("nothing to do: the database is up to date")?;
    }
    Ok(ExitCode::SUCCESS)
}
