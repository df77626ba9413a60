//! The threads that hash: a fixed number, each with memory of its own, behind a bounded queue.

mod settings;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_channel::oneshot;

pub use settings::PoolSettings;

use super::HashingError;
use super::argon2id::Workspace;
use super::parameters::{HashParameters, MAX_MEMORY_KIB};

/// How long a thread has nothing to do before it wipes its memory.
const IDLE: Duration = Duration::from_millis(500);

/// Hashes passwords on threads of its own, within a fixed memory, whatever the load.
///
/// When the queue is full, or the wait would pass the deadline, the answer is
/// [`HashingError::Overloaded`] at once. Who goes away while waiting is not hashed for. A stored hash that
/// needs more memory than a thread owns borrows it, one such hash at a time. Memory is wiped once its
/// thread is idle. Dropping the pool stops the threads, after the hash each is busy with.
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
    /// How many failed: a panic, or no memory for a large stored hash. None should.
    pub failed: u64,
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
    memory_kib: u32,
    queued_at: Instant,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    running: usize,
    /// One job at a time borrows memory, so that the ceiling holds; those behind it overtake the next one.
    is_oversized_running: bool,
    is_stopping: bool,
}

struct Shared {
    settings: PoolSettings,
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// A moving average of one hash, in microseconds.
    average: AtomicU64,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    hashed: AtomicU64,
    refused: AtomicU64,
    abandoned: AtomicU64,
    failed: AtomicU64,
    waited: AtomicU64,
    worked: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl HashingPool {
    /// Starts the threads and sets their memory aside.
    ///
    /// # Errors
    ///
    /// The operating system's, when it gives no threads or no memory.
    pub fn start(settings: PoolSettings) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            average: AtomicU64::new(settings.parameters.guessed_micros()),
            settings,
            queue: Mutex::default(),
            arrived: Condvar::new(),
            counters: Counters::default(),
        });
        let mut pool = Self { shared, threads: Vec::new() };
        for index in 0..pool.shared.settings.workers.get() {
            let workspace = Workspace::reserve(pool.parameters().memory_kib())?;
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new().name(format!("hashing-{index}"));
            // Should one fail to start, dropping the pool stops the others.
            pool.threads.push(thread.spawn(move || shared.work(workspace))?);
        }
        Ok(pool)
    }

    /// What a new hash costs.
    pub fn parameters(&self) -> HashParameters {
        self.shared.settings.parameters
    }

    /// The most memory that hashing takes, in bytes: the threads' own, and a GiB that one stored hash larger
    /// than the pool's parameters may borrow. Without such hashes it is the threads' own.
    pub fn memory_ceiling_bytes(&self) -> u64 {
        let own_kib = u64::from(self.parameters().memory_kib()) * self.threads.len() as u64;
        let borrowed_kib = if self.parameters().memory_kib() < MAX_MEMORY_KIB { MAX_MEMORY_KIB } else { 0 };
        (own_kib + u64::from(borrowed_kib)) * 1024
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
            failed: read(&counters.failed),
            waited: Duration::from_micros(read(&counters.waited)),
            worked: Duration::from_micros(read(&counters.worked)),
        }
    }

    /// Has `work`, which needs `memory_kib`, done by one of the threads in its turn.
    pub(super) async fn run<T: Send + 'static>(&self, memory_kib: u32, work: Work<T>) -> Result<T, HashingError> {
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
        self.shared.admit(Job {
            run: Box::new(run),
            is_abandoned: Box::new(is_abandoned),
            memory_kib,
            queued_at: now(),
        })?;
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
            send((job.run)(Err(HashingError::Stopped)));
        }
        for thread in self.threads.drain(..) {
            // An answer may end a task on the thread that gave it, and that task may own the pool.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_oversized(&self, job: &Job) -> bool {
        job.memory_kib > self.settings.parameters.memory_kib()
    }

    fn admit(&self, job: Job) -> Result<(), HashingError> {
        let mut queue = self.queue();
        if !self.has_room(&queue) {
            self.drop_abandoned(&mut queue);
        }
        if !self.has_room(&queue) {
            return Err(self.overloaded(self.expected_wait(&queue)));
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    fn has_room(&self, queue: &Queue) -> bool {
        let places = self.settings.workers.get().saturating_add(self.settings.queue_limit);
        queue.jobs.len() + queue.running < places && self.expected_wait(queue) <= self.settings.deadline
    }

    /// How long one more would wait: not at all while a thread is free.
    fn expected_wait(&self, queue: &Queue) -> Duration {
        let workers = self.settings.workers.get();
        let Some(ahead) = (queue.jobs.len() + queue.running + 1).checked_sub(workers) else {
            return Duration::ZERO;
        };
        let average = self.average.load(Ordering::Relaxed);
        Duration::from_micros(average.saturating_mul(ahead as u64) / workers as u64)
    }

    /// Those who went away would keep out those who are still here.
    fn drop_abandoned(&self, queue: &mut Queue) {
        let before = queue.jobs.len();
        queue.jobs.retain(|job| !(job.is_abandoned)());
        let dropped = before - queue.jobs.len();
        self.counters.abandoned.fetch_add(dropped as u64, Ordering::Relaxed);
    }

    fn overloaded(&self, wait: Duration) -> HashingError {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        let retry_after = wait.clamp(Duration::from_secs(1), Duration::from_secs(60));
        HashingError::Overloaded { retry_after }
    }

    /// The life of one thread. It holds no lock while it hashes or answers.
    fn work(&self, mut workspace: Workspace) {
        workspace.touch();
        while let Some(job) = self.next(&mut workspace) {
            let is_oversized = self.is_oversized(&job);
            let answer = self.perform(job, &mut workspace);
            let mut queue = self.queue();
            queue.running -= 1;
            queue.is_oversized_running &= !is_oversized;
            drop(queue);
            if let Some(answer) = answer {
                send(answer);
            }
        }
    }

    /// Waits for a job and counts it as running; `None` when the pool stops.
    fn next(&self, workspace: &mut Workspace) -> Option<Job> {
        let mut queue = self.queue();
        while !queue.is_stopping {
            if let Some(job) = self.take(&mut queue) {
                return Some(job);
            }
            if !workspace.is_dirty() {
                queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (woken, timeout) = self.arrived.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            if timeout.timed_out() {
                drop(queue);
                workspace.wipe();
                queue = self.queue();
            }
        }
        None
    }

    /// The first job that may begin.
    fn take(&self, queue: &mut Queue) -> Option<Job> {
        let is_blocked = |job: &Job| queue.is_oversized_running && self.is_oversized(job);
        let first = queue.jobs.iter().position(|job| !is_blocked(job))?;
        let job = queue.jobs.remove(first)?;
        queue.running += 1;
        queue.is_oversized_running |= self.is_oversized(&job);
        Some(job)
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
        if !self.is_oversized(&job) {
            return self.compute(job.run, workspace, waited, true);
        }
        match Workspace::reserve(job.memory_kib) {
            Ok(mut borrowed) => self.compute(job.run, &mut borrowed, waited, false),
            Err(error) => {
                tracing::error!(event = "hashing_failed", %error);
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                Some((job.run)(Err(HashingError::Stopped)))
            }
        }
    }

    /// Hashes. A panic drops the caller's channel, which is an answer too, and the workspace has no
    /// invariant to break.
    fn compute(&self, run: Run, workspace: &mut Workspace, waited: Duration, is_typical: bool) -> Option<Answer> {
        let start = now();
        let Ok(answer) = catch_unwind(AssertUnwindSafe(|| run(Ok(workspace)))) else {
            tracing::error!(event = "hashing_failed", error = "panic");
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.count(waited, start.elapsed(), is_typical);
        Some(answer)
    }

    fn count(&self, waited: Duration, worked: Duration, is_typical: bool) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.counters.hashed.fetch_add(1, Ordering::Relaxed);
        self.counters.waited.fetch_add(micros(waited), Ordering::Relaxed);
        self.counters.worked.fetch_add(micros(worked), Ordering::Relaxed);
        if is_typical {
            let average = self.average.load(Ordering::Relaxed);
            self.average.store((average * 7 + micros(worked)) / 8, Ordering::Relaxed);
        }
    }
}

/// Wakes whoever waits: foreign code, whose panic must not take the thread along.
fn send(answer: Answer) {
    let _ = catch_unwind(AssertUnwindSafe(answer));
}

#[expect(clippy::disallowed_methods, reason = "measures waits; decides about no token")]
fn now() -> Instant {
    Instant::now()
}
