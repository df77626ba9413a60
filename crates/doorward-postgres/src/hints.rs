//! Telling the other nodes that something ended, and hearing it from them: a hint that shortens their wait.
//!
//! On a connection of its own, outside any transaction that ends something: a NOTIFY inside would have all
//! such transactions commit one by one. Who hears nothing reads the endings at intervals as before.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::ready;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Client, Connection, Error, Socket};

use crate::connection::{IS_DIRECT, TlsStream};
use crate::error::Fault;
use crate::hosts::Hosts;

const LISTEN: &str = "LISTEN doorward_endings";
const NOTIFY: &str = "NOTIFY doorward_endings";

/// The pause before connecting again, doubled each time that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What was heard and what is to be told.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    heard: AtomicU64,
    recorded: Notify,
}

impl Hints {
    /// A number that changes when another node says that it ended something, or when it may have been missed.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    /// Has the other nodes told that something ended: soon, once for many, and not at all if the connection
    /// is down.
    pub(crate) fn tell(&self) {
        self.recorded.notify_one();
    }

    fn hear(&self) {
        self.heard.fetch_add(1, Ordering::AcqRel);
    }
}

/// The task that listens; it ends with this.
#[derive(Debug)]
pub(crate) struct Listener(JoinHandle<()>);

impl Listener {
    pub(crate) fn start(hints: Arc<Hints>, hosts: Arc<Hosts>) -> Self {
        Self(tokio::spawn(keep_listening(hints, hosts)))
    }

    pub(crate) fn stop(&self) {
        self.0.abort();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn keep_listening(hints: Arc<Hints>, hosts: Arc<Hosts>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match hosts.connect_unpooled().await {
            Ok((client, connection)) => {
                let heard = hints.heard();
                let end = listen(&hints, &client, connection, hosts.silence_timeout()).await;
                if hints.heard() != heard {
                    pause = FIRST_PAUSE;
                }
                match end {
                    Ok(()) => return,
                    Err(fault) => tracing::info!(event = "listening_cut", %fault, "polling for endings meanwhile"),
                }
            }
            Err(fault) => tracing::debug!(event = "listening_failed", %fault),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Until the connection breaks; `Ok` when there is no use in listening.
async fn listen(
    hints: &Hints,
    client: &Client,
    mut connection: Connection<Socket, TlsStream>,
    silence_timeout: Duration,
) -> Result<(), Fault> {
    let own = AtomicU64::new(0);
    let hearing = poll_fn(|context| {
        loop {
            match ready!(connection.poll_message(context)) {
                Some(Ok(AsyncMessage::Notification(notification))) => {
                    // What this node ended it has read already.
                    if u64::from(notification.process_id().unsigned_abs()) != own.load(Ordering::Relaxed) {
                        hints.hear();
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return std::task::Poll::Ready(Fault::from(error)),
                None => return std::task::Poll::Ready(Fault::Closed),
            }
        }
    });
    tokio::select! {
        fault = hearing => Err(fault),
        outcome = tell_others(hints, client, &own, silence_timeout) => outcome,
    }
}

/// Whoever hears nothing may be connected to nobody: a server that hangs closes nothing. So it is told again that we
/// listen when there is nothing else to tell.
async fn tell_others(hints: &Hints, client: &Client, own: &AtomicU64, silence_timeout: Duration) -> Result<(), Fault> {
    let row = in_time(silence_timeout, client.query_typed_one(IS_DIRECT, &[])).await?;
    if !row.try_get::<_, bool>(0)? {
        tracing::info!(event = "listening_impossible", "a pooler is in between: endings are polled, at 250 ms");
        return Ok(());
    }
    own.store(row.try_get::<_, i32>(1)?.unsigned_abs().into(), Ordering::Relaxed);
    in_time(silence_timeout, client.batch_execute(LISTEN)).await?;
    // Nothing was heard until now.
    hints.hear();
    loop {
        let text = timeout(silence_timeout, hints.recorded.notified()).await.map_or(LISTEN, |()| NOTIFY);
        in_time(silence_timeout, client.batch_execute(text)).await?;
    }
}

async fn in_time<T>(time: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
    Ok(timeout(time, answer).await.map_err(|_| Fault::TimedOut)??)
}
