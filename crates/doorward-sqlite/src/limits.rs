//! What the limits count: in the memory of this process, for no other serves from the file.
//!
//! A restart forgets it. To write each guess to the disk would cost the disk what the limit is to save.

use async_trait::async_trait;
use doorward::clock::Timestamp;
use doorward::store::StoreResult;
use doorward::store::limits::{Admittance, ChargedAttempt, LimitStore, Settlement};

use crate::SqliteStore;

#[async_trait]
impl LimitStore for SqliteStore {
    async fn take_limits(&self, attempt: &ChargedAttempt, now: Timestamp) -> StoreResult<Admittance> {
        Ok(self.limits.take(attempt, now))
    }

    async fn settle_limits(&self, settlement: &Settlement, now: Timestamp) -> StoreResult<()> {
        self.limits.settle(settlement, now);
        Ok(())
    }

    async fn purge_limits(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(self.limits.purge(now, limit))
    }
}
