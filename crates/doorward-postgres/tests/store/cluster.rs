//! Databases to test on, in the cluster that `scripts/postgres` starts.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

/// An empty database of one test's own. It goes with the cluster.
pub(crate) struct Fresh(String);

impl Fresh {
    pub(crate) async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let cluster = cluster();
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        connect(&format!("{cluster}/postgres")).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self(format!("{cluster}/{name}"))
    }

    pub(crate) fn url(&self) -> &str {
        &self.0
    }
}

#[expect(clippy::disallowed_methods, reason = "where the cluster is, only the script that started it knows")]
fn cluster() -> String {
    std::env::var("DOORWARD_TEST_POSTGRES")
        .expect("this test needs PostgreSQL: run `scripts/test`, or `scripts/postgres cargo test -p doorward-postgres`")
}

/// A connection of somebody else's.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
