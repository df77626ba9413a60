//! The threads that hash: a fixed number, each with memory of its own, behind a bounded queue.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_channel::oneshot;

use super::HashingError;
use super::argon2id::Workspace;
use super::parameters::HashParameters;

/// How long a thread has nothing to do before it wipes its memory.
const IDLE: Duration = Duration::from_millis(500);

/// How a [`HashingPool`] is set up.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// What a new hash costs.
    pub parameters: HashParameters,
    /// How many hash at once; each owns the memory of one hash.
    pub workers: NonZeroUsize,
    /// How many may wait.
    pub queue_limit: usize,
    /// How long anybody may have to wait.
    pub deadline: Duration,
}

impl PoolSettings {
    /// A worker a core, 1,024 places in the queue, ten seconds.
    pub fn new(parameters: HashParameters) -> Self {
        Self {
            parameters,
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            queue_limit: 1024,
            deadline: Duration::from_secs(10),
        }
    }

    /// As many workers as cores and as `budget_mib` of memory allow, and at least one.
    pub fn within_budget(parameters: HashParameters, budget_mib: u32) -> Self {
        let settings = Self::new(parameters);
        let affordable = u64::from(budget_mib) * 1024 / u64::from(parameters.memory_kib());
        let affordable =
            NonZeroUsize::new(usize::try_from(affordable).unwrap_or(usize::MAX)).unwrap_or(NonZeroUsize::MIN);
        Self { workers: settings.workers.min(affordable), ..settings }
    }
}

/// Hashes passwords on threads of its own, within a fixed memory, whatever the load.
///
/// When the queue is full, or the wait would pass the deadline, the answer is
/// [`HashingError::Overloaded`] at once. Who goes away while waiting is not hashed for. Dropping the pool
/// stops the threads.
#[derive(Debug)]
pub struct HashingPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What a pool has done so far and is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatistics {
    /// How many hash at once.
    pub workers: usize,
    /// How many wait now.
    pub waiting: usize,
    /// How many are being hashed now.
    pub running: usize,
    /// How many were hashed, verifications included.
    pub hashed: u64,
    /// How many were refused because of the load.
    pub refused: u64,
    /// How many went away while waiting.
    pub abandoned: u64,
    /// How long those that were hashed had waited, in all.
    pub waited: Duration,
    /// How long hashing took, in all.
    pub worked: Duration,
}

pub(super) type Work<T> = Box<dyn FnOnce(&mut Workspace) -> T + Send>;

/// Takes the workspace, or the reason why there is none, and gives the answer that is then to be sent.
type Run = Box<dyn FnOnce(Result<&mut Workspace, HashingError>) -> Answer + Send>;

/// Tells the caller. Sent last, so that whoever has an answer finds it counted.
type Answer = Box<dyn FnOnce() + Send>;

struct Job {
    run: Run,
    is_abandoned: Box<dyn Fn() -> bool + Send>,
    /// More memory than the pool's parameters: only one such job at a time.
    is_oversized: bool,
    queued_at: Instant,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    running: usize,
    is_stopping: bool,
}

struct Shared {
    settings: PoolSettings,
    queue: Mutex<Queue>,
    arrived: Condvar,
    oversized: Mutex<()>,
    /// A moving average of one hash, in microseconds.
    average: AtomicU64,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    hashed: AtomicU64,
    refused: AtomicU64,
    abandoned: AtomicU64,
    waited: AtomicU64,
    worked: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl HashingPool {
    /// Starts the threads. Memory is allocated by each at its first hash.
    ///
    /// # Errors
    ///
    /// The operating system's, when it gives no threads.
    pub fn start(settings: PoolSettings) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            average: AtomicU64::new(settings.parameters.guessed_micros()),
            settings,
            queue: Mutex::default(),
            arrived: Condvar::new(),
            oversized: Mutex::new(()),
            counters: Counters::default(),
        });
        let mut pool = Self { shared, threads: Vec::new() };
        for index in 0..pool.shared.settings.workers.get() {
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new().name(format!("hashing-{index}"));
            // Should one fail to start, dropping the pool stops the others.
            pool.threads.push(thread.spawn(move || shared.work())?);
        }
        Ok(pool)
    }

    /// What a new hash costs.
    pub fn parameters(&self) -> HashParameters {
        self.shared.settings.parameters
    }

    /// What has been done and is being done.
    pub fn statistics(&self) -> PoolStatistics {
        let (waiting, running) = {
            let queue = self.shared.queue();
            (queue.jobs.len(), queue.running)
        };
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolStatistics {
            workers: self.shared.settings.workers.get(),
            waiting,
            running,
            hashed: read(&counters.hashed),
            refused: read(&counters.refused),
            abandoned: read(&counters.abandoned),
            waited: Duration::from_micros(read(&counters.waited)),
            worked: Duration::from_micros(read(&counters.worked)),
        }
    }

    /// Has `work` done by one of the threads, in its turn.
    pub(super) async fn run<T: Send + 'static>(&self, is_oversized: bool, work: Work<T>) -> Result<T, HashingError> {
        let (sender, receiver) = oneshot::channel();
        let sender = Arc::new(Mutex::new(Some(sender)));
        let watched = Arc::clone(&sender);
        let is_abandoned = move || {
            let sender = watched.lock().unwrap_or_else(PoisonError::into_inner);
            sender.as_ref().is_none_or(oneshot::Sender::is_canceled)
        };
        let run = move |workspace: Result<&mut Workspace, HashingError>| {
            let answer = workspace.map(work);
            let send: Answer = Box::new(move || {
                let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).take();
                // Nobody waits any more: nobody misses the answer.
                let _ = sender.map(|sender| sender.send(answer));
            });
            send
        };
        self.shared.admit(is_oversized, Box::new(run), Box::new(is_abandoned))?;
        receiver.await.unwrap_or(Err(HashingError::Stopped))
    }
}

impl Drop for HashingPool {
    fn drop(&mut self) {
        let left = {
            let mut queue = self.shared.queue();
            queue.is_stopping = true;
            std::mem::take(&mut queue.jobs)
        };
        self.shared.arrived.notify_all();
        for job in left {
            (job.run)(Err(HashingError::Stopped))();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(
        &self,
        is_oversized: bool,
        run: Run,
        is_abandoned: Box<dyn Fn() -> bool + Send>,
    ) -> Result<(), HashingError> {
        let mut queue = self.queue();
        let ahead = (queue.jobs.len() + queue.running) as u64;
        let wait = Duration::from_micros(
            self.average.load(Ordering::Relaxed).saturating_mul(ahead) / self.settings.workers.get() as u64,
        );
        if queue.jobs.len() >= self.settings.queue_limit || wait > self.settings.deadline {
            return Err(self.overloaded(wait));
        }
        let job = Job { run, is_abandoned, is_oversized, queued_at: now() };
        queue.jobs.push_back(job);
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    fn overloaded(&self, wait: Duration) -> HashingError {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        let retry_after = wait.clamp(Duration::from_secs(1), Duration::from_secs(60));
        HashingError::Overloaded { retry_after }
    }

    /// The life of one thread.
    fn work(&self) {
        let mut workspace = Workspace::default();
        while let Some(job) = self.next(&mut workspace) {
            let answer = self.perform(job, &mut workspace);
            self.queue().running -= 1;
            if let Some(send) = answer {
                send();
            }
        }
    }

    /// Waits for a job and counts it as running; `None` when the pool stops.
    fn next(&self, workspace: &mut Workspace) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            if queue.is_stopping {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                queue.running += 1;
                return Some(job);
            }
            let (woken, timeout) = self.arrived.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            if timeout.timed_out() && queue.jobs.is_empty() {
                drop(queue);
                workspace.wipe();
                queue = self.queue();
                while queue.jobs.is_empty() && !queue.is_stopping {
                    queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn perform(&self, job: Job, workspace: &mut Workspace) -> Option<Answer> {
        let waited = job.queued_at.elapsed();
        if (job.is_abandoned)() {
            self.counters.abandoned.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if waited > self.settings.deadline {
            return Some((job.run)(Err(self.overloaded(waited))));
        }
        let turn = job.is_oversized.then(|| self.oversized.lock().unwrap_or_else(PoisonError::into_inner));
        let start = now();
        // A panic drops the caller's channel, which is an answer too; the workspace has no invariant to break.
        let answer = catch_unwind(AssertUnwindSafe(|| (job.run)(Ok(&mut *workspace))));
        if answer.is_err() {
            tracing::error!(event = "hashing_panicked");
        }
        if turn.is_some() {
            workspace.shrink_to(self.settings.parameters);
        }
        self.count(waited, start.elapsed(), job.is_oversized);
        answer.ok()
    }

    fn count(&self, waited: Duration, worked: Duration, is_oversized: bool) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.counters.hashed.fetch_add(1, Ordering::Relaxed);
        self.counters.waited.fetch_add(micros(waited), Ordering::Relaxed);
        self.counters.worked.fetch_add(micros(worked), Ordering::Relaxed);
        if !is_oversized {
            let average = self.average.load(Ordering::Relaxed);
            self.average.store((average * 7 + micros(worked)) / 8, Ordering::Relaxed);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "measures waits; decides about no token")]
fn now() -> Instant {
    Instant::now()
}
