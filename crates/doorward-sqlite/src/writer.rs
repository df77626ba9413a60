//! The one thread that writes: what waits is committed together.
//!
//! Making a commit durable costs a wait for the disk, whatever its size. So the thread takes all that
//! has come in meanwhile, does it in one transaction, and answers every caller after the commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use doorward::store::StoreResult;
use futures_channel::oneshot;
use rusqlite::Connection;

use crate::checkpointer::Checkpointer;
use crate::connection::{Database, OpenedFile};
use crate::error::{Fault, OpenErrorReason, unavailable};
use crate::migrations;
use crate::worker::Worker;

/// The most operations in one transaction: it bounds how long the first of them waits.
const BATCH: usize = 256;

/// What the writer has done since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Committed transactions.
    pub batches: u64,
    /// Operations in them.
    pub operations: u64,
}

#[derive(Debug, Default)]
struct Counters {
    batches: AtomicU64,
    operations: AtomicU64,
}

/// The way to the writing thread.
#[derive(Debug)]
pub(crate) struct Writer {
    worker: Worker<Box<dyn Job>>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Starts the thread on a connection that is at this version's schema.
    pub(crate) fn spawn(database: Database, opened: OpenedFile) -> Result<Self, OpenErrorReason> {
        let counters = Arc::new(Counters::default());
        let checkpointer = Checkpointer::new(database.clone());
        Checkpointer::take_over(&opened)?;
        let thread = WritingThread { database, opened: Some(opened), checkpointer, counters: Arc::clone(&counters) };
        let worker = Worker::spawn("doorward-writer", move |jobs| thread.run(&jobs))?;
        Ok(Self { worker, counters })
    }

    /// Does `work` in a transaction and returns what it gave once that is on disk. `work` may be called
    /// a second time, on a clean slate, when another operation of its batch failed.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> StoreResult<T> {
        let (reply, answer) = oneshot::channel();
        self.worker.push(Box::new(Operation { work, outcome: None, reply }))?;
        answer.await.unwrap_or_else(|oneshot::Canceled| Err(Fault::Closed.into()))
    }

    pub(crate) fn statistics(&self) -> Statistics {
        Statistics {
            batches: self.counters.batches.load(Ordering::Relaxed),
            operations: self.counters.operations.load(Ordering::Relaxed),
        }
    }

    /// Finishes what is waiting and empties the write-ahead log.
    pub(crate) async fn finish(&self) {
        self.worker.finish().await;
    }
}

/// One operation on its way: done within a batch, answered after the commit.
trait Job: Send {
    fn is_abandoned(&self) -> bool;
    fn perform(&mut self, connection: &Connection) -> Result<(), Fault>;
    fn answer(self: Box<Self>, committed: Result<(), &Arc<Fault>>);
}

struct Operation<T, W> {
    work: W,
    outcome: Option<T>,
    reply: oneshot::Sender<StoreResult<T>>,
}

impl<T: Send, W: FnMut(&Connection) -> Result<T, Fault> + Send> Job for Operation<T, W> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_canceled()
    }

    fn perform(&mut self, connection: &Connection) -> Result<(), Fault> {
        let work = AssertUnwindSafe(|| (self.work)(connection));
        self.outcome = Some(catch_unwind(work).unwrap_or(Err(Fault::Panicked))?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), &Arc<Fault>>) {
        let result = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => Ok(outcome),
            (Ok(()), None) => Err(Fault::Closed.into()),
            (Err(fault), _) => Err(unavailable(fault)),
        };
        // Whoever no longer waits misses an answer, nothing else.
        let _ = self.reply.send(result);
    }
}

/// Where a batch failed.
enum BatchFault {
    /// In one of its operations: the others may do better without it.
    InOperation(Fault),
    /// At the beginning or the commit, which concern all.
    InTransaction(Fault),
}

struct WritingThread {
    database: Database,
    /// `None` after a fault that casts doubt on the connection; the next batch opens another.
    opened: Option<OpenedFile>,
    checkpointer: Checkpointer,
    counters: Arc<Counters>,
}

impl WritingThread {
    fn run(mut self, jobs: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = jobs.recv() {
            let waiting = std::iter::once(first).chain(jobs.try_iter());
            self.commit(waiting.filter(|job| !job.is_abandoned()).take(BATCH).collect());
        }
        drop(self.checkpointer);
        if let Some(opened) = self.opened.filter(|opened| opened.is_in_place(&self.database)) {
            // At worst the log stays, and the next to open the database reads it.
            let _ = opened.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }

    fn commit(&mut self, mut batch: Vec<Box<dyn Job>>) {
        if batch.is_empty() {
            return;
        }
        match self.transact(&mut batch) {
            Ok(()) => {
                self.counters.batches.fetch_add(1, Ordering::Relaxed);
                self.counters.operations.fetch_add(batch.len() as u64, Ordering::Relaxed);
                batch.into_iter().for_each(|job| job.answer(Ok(())));
                if let Some(opened) = &self.opened {
                    self.checkpointer.follow(opened);
                }
            }
            // One bad operation fails nobody else: each gets a transaction of its own.
            Err(BatchFault::InOperation(_)) if batch.len() > 1 => {
                batch.into_iter().for_each(|job| self.commit(vec![job]));
            }
            Err(BatchFault::InOperation(fault) | BatchFault::InTransaction(fault)) => {
                let fault = Arc::new(fault);
                batch.into_iter().for_each(|job| job.answer(Err(&fault)));
            }
        }
    }

    fn transact(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), BatchFault> {
        let opened = self.take_connection().map_err(|reason| BatchFault::InTransaction(Fault::Reopen(reason)))?;
        let result = perform_all(&opened, batch);
        let is_sound = match &result {
            Ok(()) => true,
            Err(BatchFault::InOperation(fault) | BatchFault::InTransaction(fault)) => fault.spares_connection(),
        };
        // SQLite rolls some faults back by itself. A connection that is dropped rolls back too.
        let is_clean = opened.is_autocommit() || opened.execute_batch("ROLLBACK").is_ok();
        self.opened = (is_sound && is_clean).then_some(opened);
        result
    }

    /// The connection of the last batch, or a new one when there is none or its file was moved away.
    fn take_connection(&mut self) -> Result<OpenedFile, OpenErrorReason> {
        if let Some(opened) = self.opened.take().filter(|opened| opened.is_in_place(&self.database)) {
            return Ok(opened);
        }
        let opened = migrations::connect_current(&self.database)?;
        Checkpointer::take_over(&opened)?;
        Ok(opened)
    }
}

fn perform_all(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), BatchFault> {
    let in_transaction = |error: rusqlite::Error| BatchFault::InTransaction(error.into());
    let run = |statement| connection.prepare_cached(statement)?.execute([]);
    run("BEGIN IMMEDIATE").map_err(in_transaction)?;
    for job in batch {
        job.perform(connection).map_err(BatchFault::InOperation)?;
    }
    run("COMMIT").map(drop).map_err(in_transaction)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use pollster::block_on;
    use tempfile::TempDir;

    use super::*;
    use crate::SqliteOptions;

    fn writer() -> (TempDir, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(&folder.path().join("doorward.db"), SqliteOptions::default()).unwrap();
        let (opened, _) = migrations::connect_migrated(&database).unwrap();
        (folder, Writer::spawn(database, opened).unwrap())
    }

    #[test]
    fn a_panic_fails_its_own_operation_and_nothing_after_it() {
        let (_folder, writer) = writer();
        let panicking = writer.write(|connection| -> Result<(), Fault> {
            connection.execute("DELETE FROM schema_migrations", [])?;
            panic!("for the test");
        });
        assert!(block_on(panicking).is_err());
        let count = writer.write(|connection| {
            Ok(connection.query_row("SELECT count(*) FROM schema_migrations", [], |row| row.get::<_, i64>(0))?)
        });
        assert_eq!(block_on(count).unwrap(), 7);
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_begun() {
        let (_folder, writer) = writer();
        let (started, has_started) = mpsc::channel();
        let (proceed, may_proceed) = mpsc::channel::<()>();
        let (begun, begun_abandoned) = mpsc::channel();
        let blocking = begin(writer.write(move |_| {
            started.send(()).unwrap();
            may_proceed.recv().unwrap();
            Ok(())
        }));
        has_started.recv().unwrap();
        drop(begin(writer.write(move |_| {
            begun.send(()).unwrap();
            Ok(())
        })));
        proceed.send(()).unwrap();
        block_on(blocking).unwrap();
        block_on(writer.finish());
        assert!(begun_abandoned.recv().is_err());
        assert_eq!(writer.statistics().operations, 1);
    }

    fn begin<F: Future>(future: F) -> std::pin::Pin<Box<F>> {
        let mut future = Box::pin(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        future
    }
}
