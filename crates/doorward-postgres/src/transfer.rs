//! Connections for whoever moves whole tables in or out: `doorward-transfer`. Nothing for applications.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool_postgres::Client;

use crate::connection::Database;
use crate::error::{OpenError, OpenErrorReason};
use crate::{PostgresOptions, migrations};

/// The table that a database has while a copy into it is unfinished. Until it is gone, nobody is served from there.
pub const UNFINISHED_COPY: &str = "unfinished_copy";

/// How long one statement over a whole table may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Connections to this database of other processes of Doorward's.
const OTHERS: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND application_name IN ('doorward', current_setting('application_name'))";

/// A connection for statements of the caller's own.
pub struct TransferClient {
    client: Client,
    name: String,
}

impl TransferClient {
    /// Connects to any database: it need not be Doorward's.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: not a URL, or not reachable.
    pub async fn to_any(url: &str) -> Result<Self, OpenError> {
        let options =
            PostgresOptions { max_connections: 1, statement_timeout: STATEMENT_TIMEOUT, ..PostgresOptions::default() };
        let database = Database::new(url, &options)?;
        let client = database.connect().await.map_err(OpenError::of(database.name()))?;
        Ok(Self { client, name: database.name().to_owned() })
    }

    /// Connects to a whole database at this version's migrations.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: not reachable, not Doorward's, behind, or unfinished.
    pub async fn to_shared(url: &str) -> Result<Self, OpenError> {
        let connected = Self::to_any(url).await?;
        migrations::require_current_on(&connected.client).await.map_err(OpenError::of(&connected.name))?;
        Ok(connected)
    }

    /// Connects to a whole database at this version's migrations while no other process of Doorward's is connected.
    ///
    /// # Errors
    ///
    /// [`OpenError`] as for [`to_shared`](Self::to_shared), or in use.
    pub async fn to_source(url: &str) -> Result<Self, OpenError> {
        let connected = Self::to_shared(url).await?;
        connected.require_alone().await?;
        Ok(connected)
    }

    /// Connects to a database to fill it, and brings it up to date if need be.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: not reachable, not Doorward's, made by a newer one, or in use.
    pub async fn to_target(url: &str) -> Result<Self, OpenError> {
        let mut connected = Self::to_any(url).await?;
        connected.require_alone().await?;
        let migrated = migrations::bring_up_to_date(&mut connected.client).await;
        migrated.map_err(OpenError::of(&connected.name))?;
        Ok(connected)
    }

    /// What to call the database in a message: host and name, no secrets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Refuses to go on beside another process of Doorward's.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: one is connected.
    pub async fn require_alone(&self) -> Result<(), OpenError> {
        let others = async {
            let others: i64 = self.client.query_one(OTHERS, &[]).await?.try_get(0)?;
            if others == 0 { Ok(()) } else { Err(OpenErrorReason::InUse) }
        };
        others.await.map_err(OpenError::of(&self.name))
    }
}

impl std::fmt::Debug for TransferClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TransferClient").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Deref for TransferClient {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &tokio_postgres::Client {
        &self.client
    }
}

impl DerefMut for TransferClient {
    fn deref_mut(&mut self) -> &mut tokio_postgres::Client {
        &mut self.client
    }
}
