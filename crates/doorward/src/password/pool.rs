//! The threads that hash: a fixed number, each with memory of its own, behind a bounded queue.

mod admission;
mod queue;
mod settings;
mod statistics;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_channel::oneshot;

pub use settings::PoolSettings;
pub use statistics::{Durations, PoolStatistics, Refusals};

use self::queue::FairQueue;
use self::statistics::{Counters, micros};
use super::HashingError;
use super::argon2id::{Assistance, Workspace, time_of_a_mebibyte};
use super::parameters::{HashParameters, MAX_MEMORY_KIB};
use super::pepper::Peppers;

/// How long a thread has nothing to do before it wipes its memory.
const IDLE: Duration = Duration::from_millis(500);

/// How far a hashing thread stands back, in steps of `nice(2)`: one that wants a core beside a thread that answers
/// requests gets a quarter of it. A hash takes tens of milliseconds and can spare one; an answer takes a tenth of one.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Hashes passwords on threads of its own, within a fixed memory, whatever the load.
///
/// When the queue is full, or the wait would pass the deadline, the answer is
/// [`HashingError::Overloaded`] at once. [Clients](Self::for_client) take turns: whoever has a hundred
/// passwords waiting delays another's one by a single hash, and it is the client with the most waiting that
/// loses its newest when places run out. Who goes away while waiting is not hashed for. A stored hash that
/// needs more memory than a thread owns borrows it, one such hash at a time. A thread with nothing else to do
/// helps with another's hash, and stops when a password comes. On Linux the threads let others go first. Memory
/// is wiped once its thread is idle.
/// Dropping the pool stops the threads, after the hash each is busy with.
#[derive(Debug)]
pub struct HashingPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

pub(super) type Work<T> = Box<dyn FnOnce(&mut Workspace) -> T + Send>;

/// Takes the workspace, or the reason why there is none, and gives the answer that is then to be sent.
type Run = Box<dyn FnOnce(Result<&mut Workspace, HashingError>) -> Answer + Send>;

/// Tells the caller. Sent last, so that whoever has an answer finds it counted.
type Answer = Box<dyn FnOnce() + Send>;

struct Job {
    run: Run,
    is_abandoned: Box<dyn Fn() -> bool + Send>,
    need: Need,
    queued_at: Instant,
}

/// What a hash needs to be computed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    pub(super) memory_kib: u32,
    /// Whether two threads do it sooner than one.
    pub(super) is_divisible: bool,
}

#[derive(Default)]
struct Queue {
    jobs: FairQueue<Job>,
    running: usize,
    /// Hashes under way that nobody helps with yet.
    assistable: Vec<Arc<Assistance>>,
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
            let life = move || {
                if index == 0 {
                    shared.estimate();
                }
                shared.work(workspace);
            };
            // Should one fail to start, dropping the pool stops the others.
            pool.threads.push(thread.spawn(life)?);
        }
        Ok(pool)
    }

    /// What a new hash costs.
    pub fn parameters(&self) -> HashParameters {
        self.shared.settings.parameters
    }

    /// What is mixed into hashes besides the password.
    pub(super) fn peppers(&self) -> &Peppers {
        &self.shared.settings.peppers
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
        self.shared.counters.read(self.shared.settings.workers.get(), waiting, running)
    }

    /// Refuses what [`run`](Self::run) would refuse now.
    pub(super) fn look_for_place(&self, client: Option<IpAddr>) -> Result<(), HashingError> {
        self.shared.look_for_place(client)
    }

    /// Has `work` done by one of the threads, in the turn of that client.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        client: Option<IpAddr>,
        need: Need,
        work: Work<T>,
    ) -> Result<T, HashingError> {
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
        let is_abandoned = Box::new(is_abandoned);
        self.shared.admit(client, Job { run: Box::new(run), is_abandoned, need, queued_at: now() })?;
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
        for job in left.drain() {
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
        job.need.memory_kib > self.settings.parameters.memory_kib()
    }

    /// Replaces the guess at the time of one hash by one that was measured, unless passwords were quicker.
    fn estimate(&self) {
        let guess = self.settings.parameters.guessed_micros();
        let Some(mebibyte) = time_of_a_mebibyte() else { return };
        let measured = self.settings.parameters.micros_at(mebibyte);
        let _ = self.average.compare_exchange(guess, measured, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The life of one thread. It holds no lock while it hashes or answers.
    fn work(&self, mut workspace: Workspace) {
        stand_back();
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
            if let Some(assistance) = queue.assistable.pop() {
                drop(queue);
                assistance.assist(|| self.is_wanted());
                queue = self.queue();
                continue;
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

    /// Whether a thread that helps with a hash has something better to do.
    fn is_wanted(&self) -> bool {
        let queue = self.queue();
        queue.jobs.len() > 0 || queue.is_stopping
    }

    /// The first job that may begin, of the client whose turn it is.
    fn take(&self, queue: &mut Queue) -> Option<Job> {
        let is_oversized_running = queue.is_oversized_running;
        let job = queue.jobs.take(&|job: &Job| !(is_oversized_running && self.is_oversized(job)))?;
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
            return Some((job.run)(Err(self.refuse(waited, &self.counters.late))));
        }
        if !self.is_oversized(&job) {
            return self.compute(job, workspace, waited);
        }
        match Workspace::reserve(job.need.memory_kib) {
            Ok(mut borrowed) => self.compute(job, &mut borrowed, waited),
            Err(error) => {
                tracing::error!(event = "hashing_failed", %error);
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                Some((job.run)(Err(HashingError::Stopped)))
            }
        }
    }

    /// Hashes. A panic drops the caller's channel, which is an answer too, and the workspace has no
    /// invariant to break.
    fn compute(&self, job: Job, workspace: &mut Workspace, waited: Duration) -> Option<Answer> {
        let is_oversized = self.is_oversized(&job);
        let assistance = job.need.is_divisible.then(|| self.ask_for_assistance());
        workspace.assist_by(assistance.clone());
        let start = now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (job.run)(Ok(workspace))));
        let worked = start.elapsed();
        let is_assisted = assistance.is_some_and(|assistance| self.dismiss(&assistance));
        let Ok(answer) = outcome else {
            tracing::error!(event = "hashing_failed", error = "panic");
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.counters.waits.add(waited);
        self.counters.times.add(worked);
        self.counters.assisted.fetch_add(u64::from(is_assisted), Ordering::Relaxed);
        // Under load there is no help, and it is under load that the average counts.
        if !is_oversized && !is_assisted {
            let average = self.average.load(Ordering::Relaxed);
            self.average.store((average.saturating_mul(7).saturating_add(micros(worked))) / 8, Ordering::Relaxed);
        }
        Some(answer)
    }

    /// Offers a hash to whichever thread has nothing else to do, now or before the hash is finished.
    fn ask_for_assistance(&self) -> Arc<Assistance> {
        let assistance = Arc::new(Assistance::new());
        let mut queue = self.queue();
        queue.assistable.push(Arc::clone(&assistance));
        let has_idle_threads = queue.jobs.len() == 0 && queue.running < self.settings.workers.get();
        drop(queue);
        if has_idle_threads {
            self.arrived.notify_one();
        }
        assistance
    }

    /// Lets the helper go; whether there was one.
    fn dismiss(&self, assistance: &Arc<Assistance>) -> bool {
        assistance.end();
        self.queue().assistable.retain(|other| !Arc::ptr_eq(other, assistance));
        assistance.assisted_slices() > 0
    }
}

/// Wakes whoever waits: foreign code, whose panic must not take the thread along.
fn send(answer: Answer) {
    let _ = catch_unwind(AssertUnwindSafe(answer));
}

/// Lets other threads go first, where a thread can say so: on Linux, of itself alone.
fn stand_back() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}

#[expect(clippy::disallowed_methods, reason = "measures waits; decides about no token")]
fn now() -> Instant {
    Instant::now()
}
