//! Housekeeping: what is long dead leaves the store, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use doorward::Auth;

/// The time before the first round: as soon as the clock is trusted.
const FIRST: Duration = Duration::from_secs(31);
/// The time between two rounds.
const INTERVAL: Duration = Duration::from_secs(600);
/// The time between two batches of a round, in which others may write.
const PAUSE: Duration = Duration::from_millis(50);

/// Purges the store at intervals, for ever.
pub(super) async fn run(auth: Arc<Auth>) {
    let mut rounds = tokio::time::interval_at(tokio::time::Instant::now() + FIRST, INTERVAL);
    loop {
        rounds.tick().await;
        purge(&auth).await;
    }
}

async fn purge(auth: &Auth) {
    let mut purged = 0;
    loop {
        match auth.purge().await {
            Ok(batch) => {
                purged += batch.rows;
                if batch.is_done {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!(event = "purge_failed", %error);
                break;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    if purged > 0 {
        tracing::info!(event = "purged", rows = purged);
    }
}
