//! What a rule says of one more attempt. Pure: no clock, no store.
//!
//! Every attempt is a debt that is forgiven with time, one each `forgiven_every`, so a key needs no list of
//! moments: the one at which it owes nothing any more tells how much it owes now (the generic cell rate
//! algorithm, ITU-T I.371).

use std::time::Duration;

use crate::clock::Timestamp;
use crate::token::access::MAX_CLOCK_SKEW;

/// How many attempts one key has, and how it gets more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Attempts that may follow each other without a wait. 1 at least.
    pub burst: u32,
    /// The time after which one attempt is forgiven. Not zero.
    pub forgiven_every: Duration,
    /// What follows when the burst is used up.
    pub beyond: Beyond,
}

/// What follows when the burst is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// One attempt each time that one is forgiven: a steady rate.
    Steady,
    /// A wait that doubles with every attempt that is not forgiven yet.
    Doubling {
        /// The wait after the last attempt of the burst.
        first: Duration,
        /// The longest wait: nobody is ever told to wait longer.
        longest: Duration,
    },
}

/// What is remembered of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    /// When everything is forgiven.
    pub forgiven_at: Timestamp,
    /// When the next attempt may come.
    pub free_at: Timestamp,
}

/// What a rule says of one more attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on; this is what to remember.
    Allowed(LimitState),
    /// It comes too early by so much. Nothing is to be remembered.
    Refused(Duration),
}

/// No moment, for a clock that ran ahead would make a wait of it for the others.
const NO_WAIT: Timestamp = Timestamp::from_micros(0);
/// More doublings than this change nothing any more: every further attempt is forgotten at once.
const MOST_DOUBLINGS: u32 = 16;
/// What is later by more than this than the rule can make it was noted by a clock that ran ahead, and counts for nothing:
/// no jump of a clock keeps anybody out.
pub const CLOCK_MARGIN: Duration = MAX_CLOCK_SKEW;

impl Rule {
    /// A steady rate behind a burst.
    pub const fn steady(burst: u32, forgiven_every: Duration) -> Self {
        Self { burst, forgiven_every, beyond: Beyond::Steady }
    }

    /// A wait from `first` to `longest` behind a burst, doubling. One attempt is forgiven each `longest`.
    pub const fn doubling(burst: u32, first: Duration, longest: Duration) -> Self {
        Self { burst, forgiven_every: longest, beyond: Beyond::Doubling { first, longest } }
    }

    /// The same for a holder with `times` the room: as many more at once, and forgiven as much sooner.
    #[must_use]
    pub fn with_room(self, times: u32) -> Self {
        let times = times.max(1);
        Self { burst: self.burst.saturating_mul(times), forgiven_every: self.forgiven_every / times, ..self }
    }

    /// How much of a debt is overlooked.
    fn overlooked(&self) -> Duration {
        (self.forgiven_every / 20).min(MAX_CLOCK_SKEW)
    }

    /// The longest wait that anybody is told.
    pub const fn longest_wait(&self) -> Duration {
        match self.beyond {
            Beyond::Steady => self.forgiven_every,
            Beyond::Doubling { longest, .. } => longest,
        }
    }

    /// The time after which everything is forgiven whatever was done.
    pub const fn longest_memory(&self) -> Duration {
        let attempts = match self.beyond {
            Beyond::Steady => self.burst,
            Beyond::Doubling { .. } => self.burst.saturating_add(MOST_DOUBLINGS),
        };
        self.forgiven_every.saturating_mul(attempts)
    }
}

impl LimitState {
    /// A key of which nothing is known.
    pub const CLEAN: Self = Self { forgiven_at: Timestamp::from_micros(0), free_at: NO_WAIT };

    /// Whether a clock that ran ahead has noted it: no attempts of any number come to that.
    fn is_from_ahead(self, now: Timestamp, rule: &Rule) -> bool {
        let latest = now.plus(CLOCK_MARGIN);
        self.free_at > latest.plus(rule.longest_wait()) || self.forgiven_at > latest.plus(rule.longest_memory())
    }

    /// Whether nothing is left to remember.
    pub fn is_clean(self, now: Timestamp) -> bool {
        self.forgiven_at <= now && self.free_at <= now
    }
}

/// Decides about one more attempt of a key in `state`.
pub fn decide(state: LimitState, now: Timestamp, rule: &Rule) -> Verdict {
    let longest = rule.longest_wait();
    let state = if state.is_from_ahead(now, rule) { LimitState::CLEAN } else { state };
    if state.free_at > now {
        return Verdict::Refused(state.free_at.distance(now).min(longest));
    }
    let forgiven_at = state.forgiven_at.max(now).plus(rule.forgiven_every).min(now.plus(rule.longest_memory()));
    let free_at = match rule.beyond {
        Beyond::Steady => forgiven_at.minus(rule.forgiven_every.saturating_mul(rule.burst)).plus(rule.forgiven_every),
        Beyond::Doubling { first, longest } => {
            let owed = owed(forgiven_at, now, rule);
            if owed < rule.burst { NO_WAIT } else { now.plus(wait(owed - rule.burst, first, longest)) }
        }
    };
    Verdict::Allowed(LimitState { forgiven_at, free_at })
}

/// Takes one attempt back, as if it had not been made. A wait that others have earned meanwhile stays.
pub fn give_back(state: LimitState, now: Timestamp, rule: &Rule) -> LimitState {
    let forgiven_at = state.forgiven_at.minus(rule.forgiven_every);
    let free_at = match rule.beyond {
        Beyond::Steady => state.free_at.minus(rule.forgiven_every),
        Beyond::Doubling { .. } if owed(forgiven_at, now, rule) < rule.burst => NO_WAIT,
        Beyond::Doubling { .. } => state.free_at,
    };
    LimitState { forgiven_at, free_at }
}

/// How many attempts are not wholly forgiven. A little is overlooked: attempts at once reach the store in another order
/// than that of their moments, and nodes' clocks differ; neither must count as one attempt more.
fn owed(forgiven_at: Timestamp, now: Timestamp, rule: &Rule) -> u32 {
    let debt = forgiven_at.minus(rule.overlooked()).micros().saturating_sub(now.micros()).max(0).unsigned_abs();
    let each = u64::try_from(rule.forgiven_every.as_micros()).unwrap_or(u64::MAX).max(1);
    u32::try_from(debt.div_ceil(each)).unwrap_or(u32::MAX)
}

fn wait(doublings: u32, first: Duration, longest: Duration) -> Duration {
    first.saturating_mul(1 << doublings.min(MOST_DOUBLINGS)).min(longest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const STEADY: Rule = Rule { burst: 3, forgiven_every: Duration::from_secs(10), beyond: Beyond::Steady };
    const GROWING: Rule = Rule {
        burst: 2,
        forgiven_every: Duration::from_secs(100),
        beyond: Beyond::Doubling { first: Duration::from_secs(5), longest: Duration::from_secs(30) },
    };

    /// The waits that somebody meets who tries again as soon as may be.
    fn waits(rule: &Rule, attempts: usize) -> Vec<u64> {
        let (mut state, mut now) = (LimitState::CLEAN, START);
        let mut waits = Vec::new();
        while waits.len() < attempts {
            let Verdict::Allowed(next) = decide(state, now, rule) else { unreachable!() };
            let wait = if next.free_at > now { next.free_at.distance(now) } else { Duration::ZERO };
            waits.push(wait.as_secs());
            (state, now) = (next, now.plus(wait));
        }
        waits
    }

    #[test]
    fn a_steady_rule_gives_a_burst_and_then_a_rate() {
        assert_eq!(waits(&STEADY, 6), [0, 0, 10, 10, 10, 10]);
    }

    #[test]
    fn a_doubling_rule_lets_the_wait_grow_to_its_bound() {
        assert_eq!(waits(&GROWING, 7), [0, 5, 10, 20, 30, 30, 30]);
    }

    /// As requests do that reach the store out of turn, and nodes whose clocks differ.
    #[test]
    fn attempts_out_of_turn_are_no_more_than_in_turn() {
        let rule = Rule::doubling(5, Duration::from_secs(10), Duration::from_secs(1800));
        let mut state = LimitState::CLEAN;
        for early in [0, 40, 3, 59_000, 20] {
            let moment = START.minus(Duration::from_millis(early));
            let Verdict::Allowed(next) = decide(state, moment, &rule) else { panic!("{early}") };
            state = next;
        }
        assert!(matches!(decide(state, START, &rule), Verdict::Refused(_)));
    }

    #[test]
    fn who_comes_early_is_told_how_early_and_owes_no_more_for_it() {
        let mut state = LimitState::CLEAN;
        for _ in 0..3 {
            let Verdict::Allowed(next) = decide(state, START, &STEADY) else { unreachable!() };
            state = next;
        }
        for _ in 0..3 {
            assert_eq!(decide(state, START, &STEADY), Verdict::Refused(Duration::from_secs(10)));
        }
        let later = START.plus(Duration::from_secs(10));
        assert!(matches!(decide(state, later, &STEADY), Verdict::Allowed(_)));
    }

    #[test]
    fn all_is_forgiven_with_time() {
        let Verdict::Allowed(state) = decide(LimitState::CLEAN, START, &GROWING) else { unreachable!() };
        assert!(!state.is_clean(START.plus(Duration::from_secs(99))));
        assert!(state.is_clean(START.plus(Duration::from_secs(100))));
    }

    #[test]
    fn a_clock_that_ran_ahead_keeps_nobody_out_for_ever() {
        for rule in [STEADY, GROWING] {
            let mut state = LimitState::CLEAN;
            for _ in 0..3 {
                if let Verdict::Allowed(next) = decide(state, START, &rule) {
                    state = next;
                }
            }
            let shortly_before = START.minus(Duration::from_secs(60));
            assert_eq!(decide(state, shortly_before, &rule), Verdict::Refused(rule.longest_wait()));
            let long_before = START.minus(Duration::from_secs(365 * 24 * 60 * 60));
            let Verdict::Allowed(state) = decide(state, long_before, &rule) else { unreachable!() };
            assert!(state.is_clean(long_before.plus(rule.longest_memory())));
        }
    }

    proptest! {
        #[test]
        fn what_is_given_back_was_never_taken(tries in 0_u32..8, doubling: bool) {
            let rule = if doubling { GROWING } else { STEADY };
            let mut state = LimitState::CLEAN;
            for _ in 0..tries {
                if let Verdict::Allowed(next) = decide(state, START, &rule) { state = next; }
            }
            if let Verdict::Allowed(taken) = decide(state, START, &rule) {
                let back = give_back(taken, START, &rule);
                prop_assert!(matches!(decide(back, START, &rule), Verdict::Allowed(again) if again == taken));
            }
        }

        #[test]
        fn no_more_than_the_burst_and_the_rate_get_through(gaps in prop::collection::vec(0_u64..30, 1..200)) {
            let (mut state, mut now, mut through) = (LimitState::CLEAN, START, 0);
            for gap in gaps {
                now = now.plus(Duration::from_secs(gap));
                if let Verdict::Allowed(next) = decide(state, now, &STEADY) { (state, through) = (next, through + 1); }
            }
            prop_assert!(through <= 3 + now.distance(START).as_secs() / 10, "{through} in {:?}", now.distance(START));
        }
    }
}
