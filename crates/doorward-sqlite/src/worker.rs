//! A thread with a bounded queue before it, and the way back to who waits for an answer.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;

use doorward::StoreError;
use doorward::store::StoreResult;
use futures_channel::oneshot;

use crate::error::Fault;

/// How many jobs may wait for a thread.
const CAPACITY: usize = 4096;

/// A thread that does jobs of type `J` in the order of their coming, until [`finish`](Self::finish) or drop.
pub(crate) struct Worker<J> {
    queue: RwLock<Option<SyncSender<J>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl<J: Send + 'static> Worker<J> {
    /// Starts the thread; `main` ends when the queue does.
    pub(crate) fn spawn(name: &str, main: impl FnOnce(Receiver<J>) + Send + 'static) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(CAPACITY);
        let (alive, ended) = oneshot::channel::<()>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Dropped with the thread, however it ends: that is the signal.
            let _alive = alive;
            main(jobs);
        })?;
        Ok(Self { queue: RwLock::new(Some(queue)), ended: Mutex::new(Some(ended)) })
    }

    /// Puts a job into the queue.
    pub(crate) fn push(&self, job: J) -> StoreResult<()> {
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner);
        match queue.as_ref().ok_or(Fault::Closed)?.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded),
            Err(TrySendError::Disconnected(_)) => Err(Fault::Closed.into()),
        }
    }

    /// Refuses further jobs and waits until those in the queue are done and the thread has let go of
    /// everything. Who comes second does not wait.
    pub(crate) async fn finish(&self) {
        drop(self.queue.write().unwrap_or_else(PoisonError::into_inner).take());
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }
}

impl<J> fmt::Debug for Worker<J> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Worker").finish_non_exhaustive()
    }
}
