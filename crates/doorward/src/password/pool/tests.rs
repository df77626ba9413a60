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
    HashingPool::start(PoolSettings { workers, queue_limit, deadline, ..PoolSettings::new(parameters) }).unwrap()
}

fn need(memory_kib: u32) -> Need {
    Need { memory_kib, is_divisible: false }
}

type Pending<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, HashingError>> + 'a>>;

/// Takes a place in the queue for `work`.
fn enqueue<'a, T: Send + 'static>(
    pool: &'a HashingPool,
    memory_kib: u32,
    work: impl FnOnce(&mut Workspace) -> T + Send + 'static,
) -> Pending<'a, T> {
    enqueue_for(pool, None, memory_kib, work)
}

/// The same of a client.
fn enqueue_for<'a, T: Send + 'static>(
    pool: &'a HashingPool,
    client: Option<IpAddr>,
    memory_kib: u32,
    work: impl FnOnce(&mut Workspace) -> T + Send + 'static,
) -> Pending<'a, T> {
    let mut future: Pending<'a, T> = Box::pin(pool.run(client, need(memory_kib), Box::new(work)));
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
    assert!(matches!(block_on(pool.run(None, need(SMALL), Box::new(|_| ()))), Err(HashingError::Overloaded { .. })));
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
    let mut future = Box::pin(async move { pool.run(None, need(SMALL), Box::new(work)).await });
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
    assert_eq!(block_on(pool.run(None, need(SMALL), Box::new(|_| 7))).unwrap(), 7);
    let PoolStatistics { hashed, failed, running, .. } = pool.statistics();
    assert_eq!((hashed, failed, running), (1, 1, 0));
}

#[test]
fn hashing_never_happens_on_the_callers_thread() {
    let pool = pool(1, 10);
    let name =
        block_on(pool.run(None, need(SMALL), Box::new(|_| std::thread::current().name().map(str::to_owned)))).unwrap();
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
    let mut first = Box::pin(pool.run(None, need(SMALL), Box::new(work)));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    began.recv().unwrap();
    let (answer, outcome) = mpsc::channel();
    let run: Run = Box::new(move |workspace| {
        let error = workspace.err();
        Box::new(move || answer.send(error).unwrap())
    });
    let is_abandoned = Box::new(|| false);
    shared.admit(None, Job { run, is_abandoned, need: need(SMALL), queued_at: now() }).unwrap();
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

fn client(number: u8) -> Option<IpAddr> {
    Some([192, 0, 2, number].into())
}

/// Work that puts down who it was for.
fn noting(order: &Arc<Mutex<Vec<u8>>>, number: u8) -> impl FnOnce(&mut Workspace) + Send + use<> {
    let order = Arc::clone(order);
    move |_| order.lock().unwrap().push(number)
}

#[test]
fn a_hundred_logins_of_one_client_delay_another_by_one_hash() {
    let pool = pool(1, 1000);
    let order = Arc::default();
    let (work, began, gate) = gated();
    let first = enqueue_for(&pool, client(1), SMALL, work);
    began.recv().unwrap();
    let many: Vec<_> = (0..100).map(|_| enqueue_for(&pool, client(1), SMALL, noting(&order, 1))).collect();
    let another = enqueue_for(&pool, client(2), SMALL, noting(&order, 2));
    let third = enqueue_for(&pool, client(3), SMALL, noting(&order, 3));
    drop(gate);
    for future in [first, another, third].into_iter().chain(many) {
        block_on(future).unwrap();
    }
    assert_eq!(order.lock().unwrap()[..4], [1, 2, 3, 1]);
}

#[test]
fn in_a_full_queue_the_client_with_most_loses_its_newest() {
    let pool = pool(1, 4);
    let order = Arc::default();
    let (work, began, gate) = gated();
    let first = enqueue_for(&pool, client(1), SMALL, work);
    began.recv().unwrap();
    let mut many: Vec<_> = (0..4).map(|_| enqueue_for(&pool, client(1), SMALL, noting(&order, 1))).collect();
    let one_too_many =
        enqueue_for(&pool, client(1), SMALL, noting(&order, 1)).as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(one_too_many, Poll::Ready(Err(HashingError::Overloaded { .. }))));
    assert!(matches!(pool.look_for_place(client(1)), Err(HashingError::Overloaded { .. })));
    pool.look_for_place(client(2)).unwrap();
    assert_eq!(pool.statistics().waiting, 4, "who looks takes nothing");
    let newcomer = enqueue_for(&pool, client(2), SMALL, noting(&order, 2));
    // Told at once, while the one thread is busy.
    let displaced = many.pop().unwrap().as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(displaced, Poll::Ready(Err(HashingError::Overloaded { .. }))));
    assert_eq!(pool.statistics().refused, Refusals { full: 2, late: 0, displaced: 1 });
    drop(gate);
    for future in [first, newcomer].into_iter().chain(many) {
        block_on(future).unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [1, 2, 1, 1]);
}

#[test]
fn the_deadline_is_held_against_a_clients_own_wait() {
    let parameters = HashParameters::new(SMALL, 1, 1).unwrap();
    let settings =
        PoolSettings { workers: NonZeroUsize::MIN, queue_limit: 1000, deadline: SOON, ..PoolSettings::new(parameters) };
    let pool = HashingPool::start(settings).unwrap();
    let (work, began, gate) = gated();
    let first = enqueue_for(&pool, client(1), SMALL, work);
    began.recv().unwrap();
    // Five seconds a hash: four fit into the deadline, the one under way not counted.
    pool.shared.average.store(5_000_000, Ordering::Relaxed);
    let many: Vec<_> = (0..9).map(|_| enqueue_for(&pool, client(1), SMALL, |_| ())).collect();
    assert_eq!(pool.statistics().refused, Refusals { full: 0, late: 5, displaced: 0 });
    let another = enqueue_for(&pool, client(2), SMALL, |_| ());
    assert_eq!(pool.statistics().waiting, 5, "whoever has nothing waiting needn't wait for all of another's");
    drop(gate);
    for future in many {
        let _ = block_on(future);
    }
    block_on(first).unwrap();
    block_on(another).unwrap();
}

#[test]
fn an_idle_thread_helps_and_the_memory_stays_that_of_one() {
    let parameters = HashParameters::new(16 * 1024, 3, 4).unwrap();
    let pool =
        HashingPool::start(PoolSettings { workers: NonZeroUsize::new(2).unwrap(), ..PoolSettings::new(parameters) })
            .unwrap();
    let password = crate::password::Password::new("password".to_owned()).unwrap();
    // Whether the other thread comes in time is the scheduler's choice; of many hashes it comes to one.
    let mut hashes = 0;
    while pool.statistics().assisted == 0 && hashes < 500 {
        let hash = block_on(crate::hash_password(&pool, &password)).unwrap();
        assert!(block_on(crate::verify_password(&pool, &password, Some(&hash))).unwrap().matches);
        hashes += 2;
    }
    let statistics = pool.statistics();
    let can_be_helped = doorward_argon2id::Kernel::detect() != doorward_argon2id::Kernel::Portable;
    assert_eq!(statistics.assisted > 0, can_be_helped, "{statistics:?}");
    assert_eq!((statistics.hashed, statistics.failed, statistics.running), (hashes, 0, 0));
    assert!(pool.shared.queue().assistable.is_empty());
}

#[test]
fn a_helper_leaves_for_a_password_that_comes() {
    let pool = pool(2, 10);
    let (begin, began) = mpsc::channel();
    let (gate, opened) = mpsc::channel::<()>();
    let work = move |_: &mut Workspace| {
        begin.send(()).unwrap();
        assert!(opened.recv().is_err());
    };
    let divisible = Need { memory_kib: SMALL, is_divisible: true };
    let mut first = Box::pin(pool.run(None, divisible, Box::new(work)));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    began.recv().unwrap();
    // The other thread has taken the offer, and waits for slices that never come.
    while !pool.shared.queue().assistable.is_empty() {
        std::thread::yield_now();
    }
    let (done, finished) = mpsc::channel();
    let second = enqueue(&pool, SMALL, move |_| done.send(()).unwrap());
    assert!(finished.recv_timeout(SOON).is_ok(), "the helper stayed");
    drop(gate);
    block_on(first).unwrap();
    block_on(second).unwrap();
    assert_eq!(pool.statistics().assisted, 0);
}

#[test]
fn the_time_of_a_hash_is_measured_before_the_first() {
    let parameters = HashParameters::default();
    let pool =
        HashingPool::start(PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(parameters) }).unwrap();
    // The thread measures before it takes work.
    block_on(pool.run(None, need(SMALL), Box::new(|_| ()))).unwrap();
    let average = pool.shared.average.load(Ordering::Relaxed);
    assert_ne!(average, parameters.guessed_micros());
    assert!((1_000..10_000_000).contains(&average), "{average}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_threads_stand_back_for_others() {
    let own = rustix::process::getpriority_process(None).unwrap();
    let pool = pool(1, 1);
    let theirs = block_on(enqueue(&pool, SMALL, |_| rustix::process::getpriority_process(None).unwrap())).unwrap();
    assert_eq!(theirs, (own + NICENESS).min(19));
    assert_eq!(rustix::process::getpriority_process(None).unwrap(), own, "the threads alone");
}
