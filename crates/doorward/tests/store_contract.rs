//! The memory store keeps the contract that it is the model of.

use std::sync::Arc;

use doorward::Store;
use doorward::testing::MemoryStore;

doorward::store_contract!(|| async { Arc::new(MemoryStore::new()) as Arc<dyn Store> });
