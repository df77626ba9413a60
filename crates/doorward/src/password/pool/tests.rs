use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use pollster::block_on;

use super::*;
use crate::password::argon2id::EngineError;

const SMALL: u32 = 64;
const LARGE: u32 = 128;

fn pool(workers: usize, queue_limit: usize) -> HashingPool {
    let parameters = HashParameters::new(SMALL, 1, 1).unwrap();
    let workers = NonZeroUsize::new(workers).unwrap();
    let deadline = Duration::from_secs(3600);
    HashingPool::start(PoolSettings { parameters, workers, queue_limit, deadline }).unwrap()
}

type Pending<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, HashingError>> + 'a>>;

/// Takes a place in the queue for `work`.
fn enqueue<'a, T: Send + 'static>(
    pool: &'a HashingPool,
    memory_kib: u32,
    work: impl FnOnce(&mut Workspace) -> T + Send + 'static,
) -> Pending<'a, T> {
    let mut future: Pending<'a, T> = Box::pin(pool.run(memory_kib, Box::new(work)));
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Box::pin(std::future::ready(output)),
        Poll::Pending => future,
    }
}

/// Work that says when it begins and ends when it is let: when the gate is dropped.
fn gated() -> (impl FnOnce(&mut Workspace) + Send + 'static, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (gate, opened) = mpsc::channel::<()>();
    let (begin, began) = mpsc::channel();
    let work = move |_: &mut Workspace| {
        begin.send(()).unwrap();
        assert!(opened.recv().is_err());
    };
    (work, began, gate)
}

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_second_large_hash_waits_and_keeps_no_thread_from_the_small_ones() {
    let pool = pool(2, 10);
    let (work, began, gate) = gated();
    let large = enqueue(&pool, LARGE, work);
    began.recv().unwrap();
    let another_began = Arc::new(AtomicBool::new(false));
    let begins = Arc::clone(&another_began);
    let another = enqueue(&pool, LARGE, move |_| begins.store(true, Ordering::SeqCst));
    let (done, finished) = mpsc::channel();
    let small = enqueue(&pool, SMALL, move |_| done.send(()).unwrap());
    let overtook = finished.recv_timeout(SOON);
    let both_borrow = another_began.load(Ordering::SeqCst);
    drop(gate);
    assert!(overtook.is_ok());
    assert!(!both_borrow, "one large hash at a time");
    for future in [large, another, small] {
        block_on(future).unwrap();
    }
}

#[test]
fn those_who_went_away_leave_their_places() {
    let pool = pool(1, 2);
    let (work, began, gate) = gated();
    let first = enqueue(&pool, SMALL, work);
    began.recv().unwrap();
    drop([enqueue(&pool, SMALL, |_| ()), enqueue(&pool, SMALL, |_| ())]);
    let second = enqueue(&pool, SMALL, |_| ());
    assert_eq!(pool.statistics().abandoned, 2);
    drop(gate);
    block_on(first).unwrap();
    block_on(second).unwrap();
}

#[test]
fn a_queue_without_places_still_lets_free_threads_work() {
    let pool = pool(1, 0);
    let (work, began, gate) = gated();
    let first = enqueue(&pool, SMALL, work);
    began.recv().unwrap();
    assert!(matches!(block_on(pool.run(SMALL, Box::new(|_| ()))), Err(HashingError::Overloaded { .. })));
    drop(gate);
    block_on(first).unwrap();
}

#[test]
fn a_waker_that_panics_takes_no_thread_along() {
    struct Panics(mpsc::Sender<()>);
    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
            panic!("as the test wants it");
        }
    }
    let pool = pool(1, 10);
    let (work, began, gate) = gated();
    let mut future = enqueue(&pool, SMALL, work);
    began.recv().unwrap();
    let (panics, panicked) = mpsc::channel();
    let waker = Waker::from(Arc::new(Panics(panics)));
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(gate);
    panicked.recv().unwrap();
    let (done, finished) = mpsc::channel();
    let _next = enqueue(&pool, SMALL, move |_| done.send(()).unwrap());
    assert!(finished.recv_timeout(SOON).is_ok());
}

#[test]
fn the_pool_may_be_dropped_by_one_of_its_own_threads() {
    let pool = Arc::new(pool(1, 10));
    let (work, began, gate) = gated();
    let mut future = Box::pin(async move { pool.run(SMALL, Box::new(work)).await });
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    began.recv().unwrap();
    let (dropped, outcome) = mpsc::channel();
    // The task itself owns the last reference, and the waker ends the task.
    struct EndsTask<F>(Mutex<Option<F>>, mpsc::Sender<std::thread::Result<()>>);
    impl<F: Send + 'static> std::task::Wake for EndsTask<F> {
        fn wake(self: Arc<Self>) {
            let task = self.0.lock().unwrap().take();
            self.1.send(catch_unwind(AssertUnwindSafe(|| drop(task)))).unwrap();
        }
    }
    let ends = Arc::new(EndsTask(Mutex::new(None), dropped));
    let waker = Waker::from(Arc::clone(&ends));
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    *ends.0.lock().unwrap() = Some(future);
    drop(gate);
    assert!(outcome.recv_timeout(SOON).unwrap().is_ok());
}

#[test]
fn a_panic_fails_one_password_and_no_other() {
    let pool = pool(1, 10);
    let poisoned = enqueue(&pool, SMALL, |_| panic!("as the test wants it"));
    assert!(matches!(block_on(poisoned), Err::<(), _>(HashingError::Stopped)));
    assert_eq!(block_on(pool.run(SMALL, Box::new(|_| 7))).unwrap(), 7);
    let PoolStatistics { hashed, failed, running, .. } = pool.statistics();
    assert_eq!((hashed, failed, running), (1, 1, 0));
}

#[test]
fn hashing_never_happens_on_the_callers_thread() {
    let pool = pool(1, 10);
    let name = block_on(pool.run(SMALL, Box::new(|_| std::thread::current().name().map(str::to_owned)))).unwrap();
    assert_eq!(name.as_deref(), Some("hashing-0"));
}

#[test]
fn fifty_hashes_use_the_memory_of_two_threads_and_the_large_ones_borrow() {
    let pool = pool(2, 100);
    let parameters = |memory_kib| HashParameters::new(memory_kib, 1, 1).unwrap();
    let hash = |memory_kib: u32| {
        let work = move |workspace: &mut Workspace| {
            workspace.hash(b"password", &[7; 16], parameters(memory_kib)).map(|_| workspace.address())
        };
        enqueue(&pool, memory_kib, work)
    };
    let addresses = |futures: Vec<Pending<'_, Result<(usize, usize), EngineError>>>| {
        futures.into_iter().map(|future| block_on(future).unwrap().unwrap()).collect::<HashSet<_>>()
    };
    let own = addresses((0..50).map(|_| hash(SMALL)).collect());
    assert!(own.len() <= 2, "{own:?}");
    let large = addresses(vec![hash(LARGE)]);
    assert!(large.iter().all(|(_, blocks)| *blocks == LARGE as usize));
    // A thread's own memory is where it was.
    let own_later = addresses((0..50).map(|_| hash(SMALL)).collect());
    assert!(own_later.union(&own).count() <= 2, "{own:?} {own_later:?}");
    assert_eq!(pool.memory_ceiling_bytes(), (2 * 64 + 1024 * 1024) * 1024);
}

#[test]
fn stopping_fails_those_who_wait_and_finishes_who_has_begun() {
    let pool = pool(1, 10);
    let shared = Arc::clone(&pool.shared);
    let (work, began, gate) = gated();
    let mut first = Box::pin(pool.run(SMALL, Box::new(work)));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    began.recv().unwrap();
    let (answer, outcome) = mpsc::channel();
    let run: Run = Box::new(move |workspace| {
        let error = workspace.err();
        Box::new(move || answer.send(error).unwrap())
    });
    shared.admit(Job { run, is_abandoned: Box::new(|| false), memory_kib: SMALL, queued_at: now() }).unwrap();
    drop(first);
    let stopping = std::thread::spawn(move || drop(pool));
    // Told before the gate opens: stopping waits for the thread only after.
    assert!(matches!(outcome.recv_timeout(SOON).unwrap(), Some(HashingError::Stopped)));
    drop(gate);
    stopping.join().unwrap();
    assert_eq!(shared.queue().running, 0);
}

#[test]
fn a_pool_can_be_shared_and_its_futures_sent() {
    fn is_shared<T: Send + Sync>(_: &T) {}
    fn is_sent<T: Send>(_: &T) {}
    let pool = pool(1, 1);
    let password = crate::password::Password::new("password".to_owned()).unwrap();
    is_shared(&pool);
    is_sent(&crate::hash_password(&pool, &password));
    is_sent(&crate::verify_password(&pool, &password, None));
}
