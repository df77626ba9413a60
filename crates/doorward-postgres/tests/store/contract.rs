//! The suite that every store passes, each case on a database of its own.

use std::sync::Arc;

use doorward::Store;
use doorward_postgres::{PostgresOptions, PostgresStore};

use crate::cluster::Fresh;

fn in_a_runtime(case: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(case);
}

async fn open_fresh() -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(Fresh::create().await.url(), PostgresOptions::default()).await.unwrap())
}

doorward::store_contract!(open_fresh, in_a_runtime);
