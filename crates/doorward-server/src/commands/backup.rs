//! `backup`.

use std::path::Path;
use std::process::ExitCode;

use super::output::print_line;
use crate::application::{name_database, require_database};
use crate::failure::Failure;
use crate::settings::{Database, Settings};

/// Writes a copy of the SQLite database while it is served, and says what to keep beside it.
pub(crate) fn run(settings: &Settings, copy: &Path) -> Result<ExitCode, Failure> {
    let Database::Sqlite(file) = &settings.database else {
        return Err(Failure::new("a PostgreSQL database is backed up by its own means: pg_dump --format=custom"));
    };
    require_database(settings)?;
    name_database(settings);
    let bytes = doorward_sqlite::back_up(file, copy).map_err(Failure::because)?;
    print_line(&format!("{}: {bytes} bytes, checked", copy.display()))?;
    print_line("keep secret.key, or what secret_key is set to, beside it: without it nobody's second factor works")?;
    Ok(ExitCode::SUCCESS)
}
