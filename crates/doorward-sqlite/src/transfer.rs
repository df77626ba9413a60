//! Connections for whoever moves whole tables in or out: `doorward-transfer`. Nothing for applications.

use std::ops::Deref;
use std::path::Path;

use rusqlite::Connection;

use crate::connection::{Database, OpenedFile};
use crate::error::{OpenError, OpenErrorReason};
use crate::{SqliteOptions, migrations};

/// The table that a database has while a copy into it is unfinished. Until it is gone, nobody is served from there.
pub const UNFINISHED_COPY: &str = "unfinished_copy";

/// A connection to a Doorward database, for statements of the caller's own.
#[derive(Debug)]
pub struct TransferConnection(OpenedFile);

impl TransferConnection {
    /// Opens a whole database at this version's migrations to read all of it, while nobody else has it open.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: absent, not Doorward's, behind, unfinished, or in use.
    pub fn to_source(path: &Path) -> Result<Self, OpenError> {
        let open = || {
            let database = Database::new(path, SqliteOptions::default())?;
            let opened = database.connect_exclusively()?;
            migrations::require_current(&opened)?;
            Ok(Self(opened))
        };
        open().map_err(OpenError::at(path))
    }

    /// Opens a database to fill it, made and brought up to date if need be, while nobody else has it open.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: not Doorward's, made by a newer one, in use, or not writable.
    pub fn to_target(path: &Path) -> Result<Self, OpenError> {
        let open = || {
            let database = Database::new(path, SqliteOptions::default())?;
            database.create_if_absent()?;
            migrations::require_ours_or_empty(&*database.connect_for_reading(database.options.busy_timeout)?)?;
            let opened = database.connect_exclusively()?;
            migrations::bring_up_to_date(&opened)?;
            Ok::<_, OpenErrorReason>(Self(opened))
        };
        open().map_err(OpenError::at(path))
    }

    /// Opens a database to add to it beside others, made and brought up to date if need be.
    ///
    /// # Errors
    ///
    /// [`OpenError`] as of [`SqliteStore::open`](crate::SqliteStore::open).
    pub fn to_shared(path: &Path) -> Result<Self, OpenError> {
        let open = || {
            let database = Database::new(path, SqliteOptions::default())?;
            Ok(Self(migrations::connect_migrated(&database)?.0))
        };
        open().map_err(OpenError::at(path))
    }
}

impl Deref for TransferConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}
