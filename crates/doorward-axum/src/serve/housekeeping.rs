//! Housekeeping: what is long dead leaves the store, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use doorward::{Auth, DataKeyWork};

/// The time before the first round: as soon as the clock is trusted.
const FIRST: Duration = Duration::from_secs(31);
/// The time between two rounds.
const INTERVAL: Duration = Duration::from_secs(600);
/// The time between two batches of a round, in which others may write.
const PAUSE: Duration = Duration::from_millis(50);

/// The time between two looks at the data keys.
const KEY_INTERVAL: Duration = Duration::from_secs(2);

/// Purges the store and looks after its data keys, for ever.
pub async fn keep_house(auth: Arc<Auth>) {
    tokio::join!(purge_at_intervals(&auth), look_after_data_keys(&auth));
}

async fn look_after_data_keys(auth: &Auth) {
    let mut looks = tokio::time::interval(KEY_INTERVAL);
    let mut last = None;
    loop {
        looks.tick().await;
        let done = auth.look_after_data_keys().await.map_err(|error| error.to_string());
        // Each state of things is told of once.
        if last.as_ref() != Some(&done) {
            match &done {
                Ok(DataKeyWork::WaitsForOlderNodes) => tracing::info!(
                    event = "data_key_waits",
                    "what is sealed still hangs on secret_key: nodes of an older version are connected"
                ),
                Ok(DataKeyWork::Activated) => tracing::info!(event = "data_key_active", "a new data key seals"),
                Ok(DataKeyWork::Resealed(count)) if *count > 0 => {
                    tracing::info!(event = "second_factors_resealed", count);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(event = "data_key_failed", error),
            }
        }
        last = Some(done);
    }
}

async fn purge_at_intervals(auth: &Auth) {
    let mut rounds = tokio::time::interval_at(tokio::time::Instant::now() + FIRST, INTERVAL);
    loop {
        rounds.tick().await;
        purge(auth).await;
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
