//! `store copy`.

use std::process::ExitCode;

use doorward_transfer::{CopyReport, Location};

use super::output::{counted, print_line};
use super::progress::Bar;
use crate::command_line::StoreCopy;
use crate::data_dir;
use crate::failure::Failure;
use crate::settings::{Database, Settings};

/// Copies everything from one database to another and says what that was.
pub(crate) fn copy(settings: &Settings, task: &StoreCopy) -> Result<ExitCode, Failure> {
    let from = task.from.as_ref().unwrap_or(&settings.database);
    let to = task.to.as_ref().unwrap_or(&settings.database);
    if from == to {
        return Err(Failure::new("the source and the target are the same database"));
    }
    if task.to.is_none() && matches!(to, Database::Sqlite(_)) {
        data_dir::ensure(&settings.data_dir)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    let (from, to, mut bar) = (location(from), location(to), Bar::new());
    let copying = doorward_transfer::copy(&from, &to, task.start_over, &mut bar);
    report(&runtime.block_on(copying).map_err(Failure::because)?)
}

/// Where the database of the settings is, for moving.
pub(super) fn location(database: &Database) -> Location {
    match database {
        Database::Sqlite(path) => Location::Sqlite(path.clone()),
        Database::Postgres(url) => Location::Postgres(url.to_string()),
    }
}

fn report(report: &CopyReport) -> Result<ExitCode, Failure> {
    if report.resumed > 0 {
        print_line(&format!("{} had been brought by the copy that was cut short", counted(report.resumed, "row")))?;
    }
    for table in &report.tables {
        let checksum: String = table.checksum.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        print_line(&format!(
            "{:10} {:>15}, the same on both sides ({checksum}…)",
            table.name,
            counted(table.rows, "row")
        ))?;
    }
    print_line("copied: start the servers on the target; the source is unchanged")?;
    Ok(ExitCode::SUCCESS)
}
