//! Two nodes on one store, each with a clock of its own.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use doorward::password::{HashParameters, HashingPool, PoolSettings};
use doorward::testing::{MemoryStore, TestClock, block_on};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Auth, Clock, Store};

use crate::link::Link;

const SECRET: &str = "wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd";

/// A process.
pub(crate) struct Node {
    pub(crate) auth: Auth,
    pub(crate) link: Arc<Link>,
    clock: Arc<TestClock>,
    /// By how many microseconds its clock has leapt.
    leapt: i64,
    /// How long ago.
    since: Duration,
    /// By how much it was wrong when the process started.
    began_with: i64,
}

/// For how long a clock is wrong at most; and where it was wrong at a process' start, which housekeeping believes from
/// the half minute on.
const LONGEST_WRONG: Duration = Duration::from_secs(9 * 60);
const LONGEST_WRONG_AT_START: Duration = Duration::from_secs(25);

impl Node {
    pub(crate) fn on(store: &Arc<MemoryStore>) -> Self {
        let (link, clock) = (Arc::new(Link::to(Arc::clone(store))), Arc::new(TestClock::default()));
        Self { auth: auth_of(&link, &clock), link, clock, leapt: 0, since: Duration::ZERO, began_with: 0 }
    }

    /// Dies and starts again, with nothing in memory.
    pub(crate) fn restart(&mut self) {
        self.auth = self.link.whole_for(|| auth_of(&self.link, &self.clock));
        self.began_with = self.leapt;
        self.since = self.since.max(LONGEST_WRONG - LONGEST_WRONG_AT_START);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.since += time;
        if self.has_leapt() && self.since > LONGEST_WRONG {
            self.correct();
        }
        self.clock.advance(time);
    }

    pub(crate) const fn has_leapt(&self) -> bool {
        self.leapt != 0
    }

    /// Whether a clock that is wrong by so much is right to a process that started by one.
    pub(crate) const fn would_be_believed(&self, micros: i64) -> bool {
        self.began_with != 0 && self.began_with.abs_diff(micros) < 600_000_000
    }

    pub(crate) fn leap(&mut self, micros: i64) {
        self.leapt += micros;
        self.since = Duration::ZERO;
        let now = self.clock.now().micros();
        self.clock.set(doorward::Timestamp::from_micros(now + micros));
    }

    pub(crate) fn correct(&mut self) {
        self.leap(-self.leapt);
    }
}

#[expect(clippy::expect_used, reason = "constants, and a link that is not cut")]
fn auth_of(link: &Arc<Link>, clock: &Arc<TestClock>) -> Auth {
    let parameters = HashParameters::new(8, 1, 1).expect("the least that there is");
    let settings = PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(parameters) };
    let pool = HashingPool::start(settings).expect("a thread");
    let keyring = Keyring::new(SecretKey::new(SECRET).expect("long enough"), Vec::new());
    let opened = block_on(Auth::open(Arc::clone(link) as Arc<dyn Store>, pool, keyring));
    opened.expect("the link is whole at a start").with_clock(Arc::clone(clock) as Arc<dyn Clock>)
}
