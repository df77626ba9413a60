//! Reading: single rows on the caller's own thread, whole tables on a thread for that.
//!
//! In a write-ahead log readers and the writer do not wait for each other, and a row found by its key
//! takes microseconds: less than handing it to another thread would.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use doorward::revocation::Epoch;
use doorward::store::StoreResult;
use futures_channel::oneshot;
use rusqlite::Connection;

use crate::connection::{Database, OpenedFile};
use crate::error::{Fault, OpenErrorReason};
use crate::worker::Worker;

/// How many connections are kept for the next reads; a burst opens more for its duration.
const KEPT: usize = 16;

/// How long a read waits at most, for it holds the caller's thread. In a write-ahead log readers wait for
/// nobody but a recovery.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a connection is used before it is looked again whether its file is in place: a look costs half as much
/// as finding a row. What a read could miss meanwhile was never acknowledged by us: who writes looks every time.
const TRUSTED_FOR: Duration = Duration::from_millis(20);

/// The way to the tables for those who only look.
#[derive(Debug)]
pub(crate) struct Readers {
    pool: Arc<Pool>,
    scanner: Worker<Scan>,
}

type Scan = Box<dyn FnOnce(&Pool) + Send>;

impl Readers {
    /// Starts the thread for long reads.
    pub(crate) fn spawn(database: Database) -> Result<Self, OpenErrorReason> {
        let pool = Arc::new(Pool { database, idle: Mutex::new(Some(Vec::new())) });
        let scanned = Arc::clone(&pool);
        let scanner =
            Worker::spawn("doorward-scanner", move |scans| scans.iter().for_each(|scan: Scan| scan(&scanned)))?;
        Ok(Self { pool, scanner })
    }

    /// Reads on the calling thread: for rows found by their key.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> StoreResult<T> {
        Ok(self.pool.read(work)?)
    }

    /// Which file is at the database's path.
    pub(crate) fn epoch(&self) -> Result<Epoch, Fault> {
        self.pool.database.identity().map(|identity| identity.epoch()).map_err(|error| Fault::Reopen(error.into()))
    }

    /// Reads on the thread for that: for what may go through a whole table.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> StoreResult<T> {
        let (reply, answer) = oneshot::channel();
        self.scanner.push(Box::new(move |pool: &Pool| {
            if !reply.is_canceled() {
                let scanned = catch_unwind(AssertUnwindSafe(|| pool.read(work)));
                let _ = reply.send(scanned.unwrap_or(Err(Fault::Panicked)));
            }
        }))?;
        Ok(answer.await.unwrap_or(Err(Fault::Closed))?)
    }

    /// Finishes the scans that wait, closes every connection and refuses further reads.
    pub(crate) async fn finish(&self) {
        self.scanner.finish().await;
        drop(self.pool.idle().take());
    }
}

/// Connections that nobody is using; `None` when the store is closed.
#[derive(Debug)]
struct Pool {
    database: Database,
    idle: Mutex<Option<Vec<IdleConnection>>>,
}

/// A connection, and when its file was last seen in its place.
#[derive(Debug)]
struct IdleConnection {
    opened: OpenedFile,
    seen_in_place: Instant,
}

impl Pool {
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let kept = self.take()?;
        // A connection on which something failed is not kept.
        let found = work(&kept.opened)?;
        self.put_back(kept);
        Ok(found)
    }

    #[expect(clippy::disallowed_methods, reason = "measures how long ago a file was looked at")]
    fn take(&self) -> Result<IdleConnection, Fault> {
        let kept = self.idle().as_mut().ok_or(Fault::Closed)?.pop();
        let now = Instant::now();
        match kept {
            Some(kept) if now.duration_since(kept.seen_in_place) < TRUSTED_FOR => Ok(kept),
            Some(IdleConnection { opened, .. }) if opened.is_in_place(&self.database) => {
                Ok(IdleConnection { opened, seen_in_place: now })
            }
            _ => {
                let opened = self.database.connect_for_reading(PATIENCE).map_err(Fault::Reopen)?;
                Ok(IdleConnection { opened, seen_in_place: now })
            }
        }
    }

    fn put_back(&self, kept: IdleConnection) {
        if let Some(idle) = self.idle().as_mut().filter(|idle| idle.len() < KEPT) {
            idle.push(kept);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<IdleConnection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
