//! A copy of the database while others use it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::SqliteOptions;
use crate::connection::{Database, new_private_file};
use crate::error::{OpenError, OpenErrorReason};

/// Why a backup was not made, in a line for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The database can't be read.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The copy can't be written. What was begun is removed.
    #[error("{path}: {reason}")]
    Copy {
        /// Where it was to be.
        path: String,
        /// What is in the way.
        reason: String,
    },
}

/// Writes a copy of the database at `path` to `copy`, which must not exist: as it is at one moment, while others read
/// and write; readable to its owner alone, checked, and on disk when this returns. Gives its size in bytes.
///
/// # Errors
///
/// [`BackupError`].
pub fn back_up(path: &Path, copy: &Path) -> Result<u64, BackupError> {
    let source = open(path).map_err(OpenError::at(path))?;
    let refused = |reason: String| BackupError::Copy { path: copy.display().to_string(), reason };
    new_private_file(copy).map_err(|error| refused(error.to_string()))?;
    write(&source, copy).map_err(|reason| {
        let _ = fs::remove_file(copy);
        refused(reason)
    })
}

fn open(path: &Path) -> Result<Connection, OpenErrorReason> {
    let database = Database::new(path, SqliteOptions::default())?;
    let connection = Connection::open_with_flags(&database.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(database.options.busy_timeout)?;
    // Whether it is a database at all.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

fn write(source: &Connection, copy: &Path) -> Result<u64, String> {
    let target = copy.to_str().ok_or("the path is no Unicode")?;
    source.execute("VACUUM INTO ?1", [target]).map_err(|error| error.to_string())?;
    let written =
        Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| error.to_string())?;
    let verdict: String =
        written.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| error.to_string())?;
    if verdict != "ok" {
        return Err(format!("the copy is damaged: {verdict}"));
    }
    on_disk(copy).map_err(|error| error.to_string())
}

fn on_disk(copy: &Path) -> io::Result<u64> {
    let file = File::open(copy)?;
    file.sync_all()?;
    let folder = copy.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(file.metadata()?.len())
}
