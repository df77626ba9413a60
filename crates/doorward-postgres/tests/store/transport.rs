//! TLS, as `sslmode` asks for it.

use doorward_postgres::{OpenError, PostgresOptions, PostgresStore};

use crate::cluster::{Fresh, connect};
use crate::story::count;

#[tokio::test]
async fn a_connection_is_encrypted_unless_told_otherwise() {
    for (query, encrypted) in
        [("", true), ("?sslmode=prefer", true), ("?sslmode=require", true), ("?sslmode=disable", false)]
    {
        let database = Fresh::create().await;
        let _store = open(&database, "localhost", query).await.unwrap();
        let connections = format!(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
             WHERE datname = current_database() AND application_name = 'doorward/2' AND ssl <> {encrypted}"
        );
        let (observer, all) = (connect(database.url()).await, connections.replace("AND ssl <>", "AND ssl ="));
        assert!(count(&observer, &all).await >= 1, "{query}");
        // The one that listens for hints is like the others.
        assert_eq!(count(&observer, &connections).await, 0, "{query}");
    }
}

#[tokio::test]
async fn a_certificate_is_looked_at_as_closely_as_asked() {
    let database = Fresh::create().await;
    let root = environment("DOORWARD_TEST_POSTGRES_ROOT");
    let own = |mode: &str| format!("?sslmode={mode}&sslrootcert={root}");
    for (host, query, accepted) in [
        ("localhost", own("verify-full"), true),
        ("127.0.0.1", own("verify-full"), false),
        ("127.0.0.1", own("verify-ca"), true),
        ("127.0.0.1", own("require"), true),
        // An authority that this machine knows nothing of.
        ("localhost", "?sslmode=verify-full".to_owned(), false),
        ("localhost", "?sslmode=verify-ca".to_owned(), false),
        ("localhost", "?sslmode=require".to_owned(), true),
    ] {
        let opened = open(&database, host, &query).await;
        assert_eq!(opened.is_ok(), accepted, "{host} {query}: {opened:?}");
    }
}

async fn open(database: &Fresh, host: &str, query: &str) -> Result<PostgresStore, OpenError> {
    let name = database.url().rsplit('/').next().unwrap();
    let port = environment("DOORWARD_TEST_POSTGRES_PORT");
    let url = format!("postgres://postgres@{host}:{port}/{name}{query}");
    PostgresStore::open(&url, PostgresOptions::default()).await
}

#[expect(clippy::disallowed_methods, reason = "where the cluster is, only the script that started it knows")]
fn environment(name: &str) -> String {
    std::env::var(name).expect("set by scripts/postgres")
}
