//! `migrate`.

use std::fmt::Display;
use std::process::ExitCode;

use super::output::print_line;
use crate::application::name_database;
use crate::data_dir;
use crate::failure::Failure;
use crate::settings::{Database, Settings};

/// Applies the migrations that the database lacks and names them; in a dry run only names them.
pub(crate) fn run(settings: &Settings, dry_run: bool) -> Result<ExitCode, Failure> {
    name_database(settings);
    match &settings.database {
        Database::Sqlite(file) => {
            if !dry_run {
                data_dir::ensure(&settings.data_dir)?;
            }
            let migrations =
                if dry_run { doorward_sqlite::pending_migrations(file) } else { doorward_sqlite::migrate(file) };
            report(&migrations.map_err(Failure::because)?, dry_run)
        }
        Database::Postgres(url) => {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
            let migrations = runtime.block_on(async {
                if dry_run {
                    doorward_postgres::pending_migrations(url).await
                } else {
                    doorward_postgres::migrate(url).await
                }
            });
            report(&migrations.map_err(Failure::because)?, dry_run)
        }
    }
}

fn report(migrations: &[impl Display], dry_run: bool) -> Result<ExitCode, Failure> {
    let done = if dry_run { "would apply" } else { "applied" };
    for migration in migrations {
        print_line(&format!("{done} {migration}"))?;
    }
    if migrations.is_empty() {
        print_line("nothing to do: the database is up to date")?;
    }
    Ok(ExitCode::SUCCESS)
}
