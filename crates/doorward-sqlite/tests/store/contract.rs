//! The suite that every store passes, each case in a folder of its own.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use doorward::Store;
use doorward_sqlite::{SqliteOptions, SqliteStore};

thread_local! {
    static FOLDER: RefCell<PathBuf> = RefCell::default();
}

fn in_a_folder(case: impl Future<Output = ()>) {
    let folder = tempfile::tempdir().unwrap();
    FOLDER.set(folder.path().to_owned());
    pollster::block_on(case);
}

async fn open_fresh() -> Arc<dyn Store> {
    let path = FOLDER.with_borrow(|folder| folder.join("doorward.db"));
    Arc::new(SqliteStore::open(&path, SqliteOptions::default()).unwrap())
}

doorward::store_contract!(open_fresh, in_a_folder);
