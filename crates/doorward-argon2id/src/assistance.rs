//! A second thread that helps with a hash, slice by slice: it may come late and leave early.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::parameters::Error;

/// How often a waiting thread looks for a change before it sleeps: some ten microseconds.
const LOOKS: u32 = 500;

/// How long a helper without work sleeps before it asks again whether it is wanted elsewhere.
const NAP: Duration = Duration::from_millis(1);

/// The place where a hash meets a helper. For one hash.
///
/// The hash goes on without one, at any time; with one it takes about half as long, if it has two lanes or more.
/// The helper needs no memory of its own.
///
/// ```
/// use doorward_argon2id::{Assistance, Inputs, Parameters, Workspace};
///
/// let parameters = Parameters::new(1024, 1, 4)?;
/// let mut workspace = Workspace::with_memory(1024)?;
/// let inputs = Inputs { password: b"correct horse", salt: b"sixteen bytes...", ..Inputs::default() };
/// let (mut alone, mut together) = ([0; 32], [0; 32]);
/// workspace.hash(&inputs, parameters, &mut alone)?;
///
/// let assistance = Assistance::new();
/// std::thread::scope(|scope| {
///     scope.spawn(|| assistance.assist(|| false));
///     workspace.assisted(&assistance).hash(&inputs, parameters, &mut together)
/// })?;
/// assert_eq!(alone, together);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Assistance {
    state: Mutex<State>,
    changed: Condvar,
    /// Counts changes, so that a thread can look for one without the lock.
    changes: AtomicU32,
    /// Slices that a helper filled its half of.
    assisted: AtomicU32,
}

/// Half of a slice.
pub(crate) type Task = Box<dyn FnOnce() -> Result<(), Error> + Send>;

#[derive(Default)]
struct State {
    stage: Stage,
    /// The hash is finished, or never will be.
    is_over: bool,
}

#[derive(Default)]
enum Stage {
    /// No helper is there.
    #[default]
    Alone,
    /// A helper is there and has nothing to do.
    Ready,
    /// There is work which nobody has begun.
    Offered(Task),
    /// The helper is at work.
    Working,
    /// The helper has done its half; whether it stays.
    Done(Result<(), Error>, bool),
}

impl Assistance {
    /// A meeting place for one hash.
    pub fn new() -> Self {
        Self::default()
    }

    /// Helps the hash until it is [over](Self::end), or until `is_wanted_elsewhere`, which is asked after every half
    /// slice (12 in a hash of three passes). Returns at once if there is a helper already.
    pub fn assist(&self, is_wanted_elsewhere: impl Fn() -> bool) {
        let mut state = self.state();
        if state.is_over || !matches!(state.stage, Stage::Alone) {
            return;
        }
        state.stage = Stage::Ready;
        loop {
            match std::mem::replace(&mut state.stage, Stage::Working) {
                Stage::Offered(task) => {
                    drop(state);
                    let outcome = catch_unwind(AssertUnwindSafe(task)).unwrap_or(Err(Error::Defect));
                    self.assisted.fetch_add(1, Ordering::Relaxed);
                    let stays = !is_wanted_elsewhere();
                    state = self.state();
                    state.stage = Stage::Done(outcome, stays);
                    self.tell();
                    if !stays {
                        return;
                    }
                }
                Stage::Ready if state.is_over || is_wanted_elsewhere() => {
                    state.stage = Stage::Alone;
                    return;
                }
                other => state.stage = other,
            }
            // What is done is taken by the hash, even one that is over: it needs the lock for that.
            let has_nothing_to_do = |state: &State| match state.stage {
                Stage::Ready => !state.is_over,
                Stage::Done(..) => true,
                _ => false,
            };
            state = self.wait(state, has_nothing_to_do, Some(NAP));
        }
    }

    /// Sends the helper away, and every later one. A finished hash does that itself; whoever begins none must.
    pub fn end(&self) {
        self.state().is_over = true;
        self.tell();
    }

    /// Whether a helper is there.
    pub fn has_helper(&self) -> bool {
        !matches!(self.state().stage, Stage::Alone)
    }

    /// How many slices were filled by two threads so far.
    pub fn assisted_slices(&self) -> u32 {
        self.assisted.load(Ordering::Relaxed)
    }

    /// Hands `task` to the helper, if there is one; otherwise gives it back.
    ///
    /// [`Offer::finish`], or dropping the offer, waits until it is done.
    pub(crate) fn offer(&self, task: impl FnOnce() -> Task) -> Option<Offer<'_>> {
        let mut state = self.state();
        if state.is_over || !matches!(state.stage, Stage::Ready) {
            return None;
        }
        state.stage = Stage::Offered(task());
        drop(state);
        self.tell();
        Some(Offer { assistance: self, is_finished: false })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }

    /// Waits while `goes_on`, at most for `nap` once it sleeps.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        goes_on: impl Fn(&State) -> bool,
        nap: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        if !goes_on(&state) {
            return state;
        }
        let seen = self.changes.load(Ordering::Acquire);
        drop(state);
        for _ in 0..LOOKS {
            if self.changes.load(Ordering::Acquire) != seen {
                break;
            }
            std::hint::spin_loop();
        }
        state = self.state();
        while goes_on(&state) {
            let Some(nap) = nap else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            return self.changed.wait_timeout(state, nap).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

/// Work that a helper may have begun. It borrows the hash's memory without the compiler's knowing, and so must be
/// seen to its end: by [`finish`](Self::finish) or, should the hash unwind, by dropping.
pub(crate) struct Offer<'a> {
    assistance: &'a Assistance,
    is_finished: bool,
}

impl Offer<'_> {
    /// Waits until the work is done, or does it, if the helper hasn't come to it.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.complete()
    }

    fn complete(&mut self) -> Result<(), Error> {
        self.is_finished = true;
        let mut state = self.assistance.state();
        loop {
            match std::mem::replace(&mut state.stage, Stage::Ready) {
                Stage::Offered(task) => {
                    drop(state);
                    return task();
                }
                Stage::Done(outcome, stays) => {
                    if !stays {
                        state.stage = Stage::Alone;
                    }
                    return outcome;
                }
                other => state.stage = other,
            }
            state = self.assistance.wait(state, |state| matches!(state.stage, Stage::Working), None);
        }
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = self.complete();
        }
    }
}

impl fmt::Debug for Assistance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assistance").field("assisted_slices", &self.assisted_slices()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;

    use super::*;

    fn with_helper(assistance: &Assistance, act: impl FnOnce()) {
        std::thread::scope(|scope| {
            scope.spawn(|| assistance.assist(|| false));
            while !assistance.has_helper() {
                std::thread::yield_now();
            }
            act();
            assistance.end();
        });
    }

    #[test]
    fn without_a_helper_nothing_is_taken() {
        assert!(Assistance::new().offer(|| unreachable!()).is_none());
    }

    #[test]
    fn an_offer_that_is_dropped_is_done_first() {
        let assistance = Assistance::new();
        let is_done = std::sync::Arc::new(AtomicBool::new(false));
        with_helper(&assistance, || {
            let (begin, began) = mpsc::channel();
            let done = std::sync::Arc::clone(&is_done);
            let task: Task = Box::new(move || {
                begin.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(50));
                done.store(true, Ordering::SeqCst);
                Ok(())
            });
            let offer = assistance.offer(|| task).unwrap();
            began.recv().unwrap();
            // Not even the end of the hash, declared by somebody else, lets the memory go before the helper has.
            assistance.end();
            drop(offer);
            assert!(is_done.load(Ordering::SeqCst));
        });
    }

    #[test]
    fn a_panic_of_the_helper_is_an_error_of_the_hash() {
        let assistance = Assistance::new();
        with_helper(&assistance, || {
            let (begin, began) = mpsc::channel();
            let task: Task = Box::new(move || {
                begin.send(()).unwrap();
                panic!("as the test wants it")
            });
            let offer = assistance.offer(|| task).unwrap();
            began.recv().unwrap();
            assert_eq!(offer.finish(), Err(Error::Defect));
        });
    }
}
