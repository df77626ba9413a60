//! Refusing access tokens before their time, without asking the store at every request.
//!
//! An access token lives minutes, so what must be refused fits in memory: the sessions and users ended
//! and the roles changed within the last lifetime. Stores write an [`Ending`] in the very transaction
//! that ends something; a set in memory reads the new ones and answers with a hash-map probe.

mod filter;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::role::Role;
use crate::session::SessionId;
use crate::store::{ENDINGS_AT_ONCE, Store, StoreResult};
use crate::token::access::MAX_CLOCK_SKEW;
use crate::user::UserId;

use self::filter::Filter;

/// How often the store is asked for news.
const INTERVAL: Duration = Duration::from_millis(250);
/// How old the last news may be before a request waits for fresh ones.
const BOUND: Duration = Duration::from_secs(1);
/// How much longer than a token lives an ending is remembered: as far as the clock that issued the token may be ahead of
/// the one that ended it.
const MARGIN: Duration = MAX_CLOCK_SKEW;
/// How many endings are remembered: some 50 MB. Of more than that the oldest are left to the store.
const LIMIT: usize = 1_000_000;

/// How far a reader has come in the store's list of endings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct EndingPosition(pub i64);

/// Which history a store tells. Positions of one say nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epoch(pub i64);

/// Something that access tokens issued before it must not outlive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Its place in the store's list. Of two endings of one user the later has the higher place.
    pub position: EndingPosition,
    /// When it was recorded; or when the last token was issued that it is to outlive, where that was later by a clock that
    /// was ahead. It is remembered by this moment.
    pub at: Timestamp,
    /// What ended.
    pub what: EndingKind,
}

/// What ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndingKind {
    /// A session, whatever the reason.
    Session(SessionId),
    /// An account was deactivated. Its sessions have endings of their own.
    Deactivated(UserId),
    /// An account was reactivated; tokens from before stay refused.
    Reactivated(UserId),
    /// A user has another role than older tokens say.
    RoleChanged(UserId, Role),
}

/// What the set knows of a token's session and user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing speaks against it; the role to go by, when it changed since the token was issued.
    Good(Option<Role>),
    /// Its session is over, or it is older than its user's last deactivation.
    Ended,
    /// Its user is deactivated now.
    Deactivated,
    /// The token is older than what is remembered: the store knows.
    Unsure,
}

#[derive(Debug, Clone, Copy)]
struct UserEnding {
    last: EndingPosition,
    last_at: Timestamp,
    is_active: bool,
    deactivated_at: Option<Timestamp>,
    role: Option<Role>,
}

/// A [`RevocationSet`] that is kept current from the store by whichever request finds it old.
///
/// No background task: an idle process asks nothing, a busy one asks four times a second.
#[derive(Debug)]
pub(crate) struct Revocations {
    set: RwLock<RevocationSet>,
    /// Asked first, without a lock: nearly every request learns here that nothing speaks against it.
    filter: Filter,
    /// Microseconds: of tokens that were issued up to then the filter doesn't know all, and the set decides.
    filter_knows_since: AtomicI64,
    /// Microseconds of the last news; `i64::MIN` before the first.
    learned_at: AtomicI64,
    learning: AtomicBool,
    /// What [`Store::ending_hints`] said before the last news were read.
    hints: AtomicU64,
}

impl Default for Revocations {
    fn default() -> Self {
        Self::bounded(LIMIT)
    }
}

impl Revocations {
    /// One that remembers so many endings at most, and at least one.
    pub(crate) fn bounded(limit: usize) -> Self {
        Self {
            set: RwLock::new(RevocationSet { limit: limit.max(1), ..RevocationSet::default() }),
            filter: Filter::default(),
            filter_knows_since: AtomicI64::new(i64::MIN),
            learned_at: AtomicI64::new(i64::MIN),
            learning: AtomicBool::new(false),
            hints: AtomicU64::new(0),
        }
    }

    /// Makes sure the set is no older than [`BOUND`], asking the store when it is older than [`INTERVAL`],
    /// or when the store has heard of news.
    pub(crate) async fn keep_current(&self, store: &dyn Store, now: Timestamp, lifetime: Duration) -> StoreResult<()> {
        let age = Timestamp::from_micros(self.learned_at.load(Ordering::Acquire)).distance(now);
        if age < INTERVAL && store.ending_hints() == self.hints.load(Ordering::Acquire) {
            return Ok(());
        }
        if age < BOUND {
            if self.learning.swap(true, Ordering::AcqRel) {
                return Ok(());
            }
            let _turn = Turn(&self.learning);
            // Not yet too old to go by: a store that stumbles fails nobody before the bound.
            let _ = self.learn(store, now, lifetime).await;
            return Ok(());
        }
        self.learn(store, now, lifetime).await
    }

    /// Reads the endings recorded since the last time.
    pub(crate) async fn learn(&self, store: &dyn Store, now: Timestamp, lifetime: Duration) -> StoreResult<()> {
        // Counted before the reading: what is heard of meanwhile is read once more.
        let hints = store.ending_hints();
        // Before them, too: what is read of another history than this is read again at the next look.
        let epoch = store.epoch().await?;
        self.note_epoch(epoch, now);
        let mut is_behind = true;
        while is_behind {
            let position = self.set.read().unwrap_or_else(PoisonError::into_inner).position;
            let (endings, next) = store.endings_after(position).await?;
            if next < position {
                self.start_over(next, now);
                continue;
            }
            let position = next;
            is_behind = endings.len() >= ENDINGS_AT_ONCE;
            let horizon = now.minus(lifetime.saturating_add(MARGIN));
            self.take_in((epoch, &endings, position), horizon, now);
        }
        self.hints.store(hints, Ordering::Release);
        self.learned_at.store(now.micros(), Ordering::Release);
        Ok(())
    }

    /// The store tells another history than the one that was read of it.
    fn note_epoch(&self, epoch: Epoch, now: Timestamp) {
        if self.set.read().unwrap_or_else(PoisonError::into_inner).epoch == Some(epoch) {
            return;
        }
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        let known = set.epoch.replace(epoch);
        if known.is_some_and(|known| known != epoch) {
            tracing::error!(
                event = "history_exchanged",
                "the database is another than before: its file was exchanged, it was restored, or a standby promoted"
            );
            self.read_anew(&mut set, now);
        }
    }

    /// The store has never given as far as was read here.
    fn start_over(&self, position: EndingPosition, now: Timestamp) {
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        if set.position <= position {
            // Another request was faster.
            return;
        }
        tracing::error!(
            event = "endings_went_back",
            from = set.position.0,
            to = position.0,
            "the list of what ended is shorter than what was read of it: the database was restored, or exchanged"
        );
        self.read_anew(&mut set, now);
    }

    /// The sessions that are remembered stay refused, all is read again, and of every token from before the store is asked.
    /// What is known of users is what another history says: who is deactivated there may be active here, and its positions
    /// would hide what is recorded now.
    fn read_anew(&self, set: &mut RevocationSet, now: Timestamp) {
        set.users.clear();
        set.position = EndingPosition::default();
        set.left_out = set.left_out.max(Some(now));
        self.leave_to_the_set(set);
    }

    /// Nobody goes by the filter for tokens that the set doesn't know all about.
    fn leave_to_the_set(&self, set: &RevocationSet) {
        let since = set.left_out.map_or(i64::MIN, |last| last.plus(MARGIN).micros());
        self.filter_knows_since.store(since, Ordering::SeqCst);
    }

    /// Takes in what was read of that history, unless another is told by now: its positions would hide what is there.
    fn take_in(
        &self,
        (epoch, endings, position): (Epoch, &[Ending], EndingPosition),
        horizon: Timestamp,
        now: Timestamp,
    ) {
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        if set.epoch != Some(epoch) {
            return;
        }
        set.apply(endings, position);
        // While the lock is held, and before `learned_at` says that the news are in.
        endings.iter().for_each(|ending| self.filter.add(key_of(ending.what)));
        if set.forget(horizon, now) {
            // The filter is silent about what was left to the store: first nobody goes by it any more.
            self.leave_to_the_set(&set);
            self.filter.keep_only(set.keys());
        }
    }

    /// Whether everything that a living token may be refused for is remembered.
    pub(crate) fn is_complete(&self, now: Timestamp, lifetime: Duration) -> bool {
        let oldest_token = now.minus(lifetime);
        self.set.read().unwrap_or_else(PoisonError::into_inner).knows_all_since(oldest_token)
    }

    /// How a token of `user`, issued at `issued_at` in `session`, stands.
    pub(crate) fn standing(&self, user: UserId, session: Option<SessionId>, issued_at: Timestamp) -> Standing {
        let may_matter = self.filter.may_hold(user_key(user))
            || session.is_some_and(|session| self.filter.may_hold(session_key(session)));
        if !may_matter && issued_at.micros() > self.filter_knows_since.load(Ordering::SeqCst) {
            return Standing::Good(None);
        }
        self.set.read().unwrap_or_else(PoisonError::into_inner).standing(user, session, issued_at)
    }
}

/// What the filter knows an ending by.
fn key_of(what: EndingKind) -> u64 {
    match what {
        EndingKind::Session(session) => session_key(session),
        EndingKind::Deactivated(user) | EndingKind::Reactivated(user) | EndingKind::RoleChanged(user, _) => {
            user_key(user)
        }
    }
}

/// A session's own random bits.
fn session_key(session: SessionId) -> u64 {
    session.as_uuid().as_u64_pair().0
}

/// Users are numbered: spread by Fibonacci hashing.
const fn user_key(user: UserId) -> u64 {
    user.value().cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Gives the turn at asking back, also when the request that had it is dropped half-way.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// How a token stands by what the store knows of its user and session, oldest first.
pub(crate) fn standing_by(
    endings: &[Ending],
    user: UserId,
    session: Option<SessionId>,
    issued_at: Timestamp,
) -> Standing {
    let mut set = RevocationSet::default();
    set.apply(endings, EndingPosition::default());
    set.standing(user, session, issued_at)
}

/// The endings that can still matter, in memory.
#[derive(Debug)]
struct RevocationSet {
    sessions: HashMap<SessionId, Timestamp>,
    users: HashMap<UserId, UserEnding>,
    position: EndingPosition,
    /// Of which history; `None` before the first look.
    epoch: Option<Epoch>,
    forgot_at: Option<Timestamp>,
    limit: usize,
    /// The moment of the last ending that is not remembered any more: too old, or left to the store for want of room. By
    /// a moment, and never taken back: a clock that leapt ahead and was corrected brings nothing back that it forgot.
    left_out: Option<Timestamp>,
}

impl Default for RevocationSet {
    fn default() -> Self {
        Self {
            sessions: HashMap::new(),
            users: HashMap::new(),
            position: EndingPosition::default(),
            epoch: None,
            forgot_at: None,
            limit: LIMIT,
            left_out: None,
        }
    }
}

impl RevocationSet {
    /// Takes in endings, oldest first. Taking one in twice does no harm.
    fn apply(&mut self, endings: &[Ending], position: EndingPosition) {
        for ending in endings {
            self.record(*ending);
        }
        self.position = self.position.max(position);
    }

    /// Forgets what is from before `horizon`, and what there is no room for; says whether anything may have gone.
    ///
    /// Looking takes as long as the set is large, so it is done once a [`MARGIN`], however often there is news.
    fn forget(&mut self, horizon: Timestamp, now: Timestamp) -> bool {
        let is_time = self.forgot_at.is_none_or(|at| at.distance(now) >= MARGIN);
        if is_time {
            self.forgot_at = Some(now);
            let forgotten = self.sessions.values().copied().chain(self.users.values().map(|ending| ending.last_at));
            self.left_out = self.left_out.max(forgotten.filter(|at| *at < horizon).max());
            self.sessions.retain(|_, at| *at >= horizon);
            self.users.retain(|_, ending| ending.last_at >= horizon);
        }
        let is_full = self.sessions.len() + self.users.len() > self.limit;
        if is_full {
            self.leave_out_oldest();
        }
        is_time || is_full
    }

    /// Makes room: a quarter goes, so that this is not done at each ending.
    fn leave_out_oldest(&mut self) {
        let mut moments: Vec<_> = self.sessions.values().copied().collect();
        moments.extend(self.users.values().map(|ending| ending.last_at));
        let surplus = moments.len().saturating_sub(self.limit - self.limit / 4).max(1);
        let (_, last, _) = moments.select_nth_unstable(surplus - 1);
        let last = *last;
        self.sessions.retain(|_, at| *at > last);
        self.users.retain(|_, ending| ending.last_at > last);
        self.left_out = self.left_out.max(Some(last));
    }

    /// Whether nothing was left out that a token issued at `moment` or later may be refused for.
    fn knows_all_since(&self, moment: Timestamp) -> bool {
        self.left_out.is_none_or(|last| moment > last.plus(MARGIN))
    }

    /// What the filter must hold.
    fn keys(&self) -> impl Iterator<Item = u64> {
        self.sessions.keys().copied().map(session_key).chain(self.users.keys().copied().map(user_key))
    }

    /// How a token of `user`, issued at `issued_at` in `session`, stands.
    fn standing(&self, user: UserId, session: Option<SessionId>, issued_at: Timestamp) -> Standing {
        let user_ending = self.users.get(&user);
        if user_ending.is_some_and(|ending| !ending.is_active) {
            return Standing::Deactivated;
        }
        let ended = match session {
            Some(session) => self.sessions.contains_key(&session),
            // Without a session there is only the token's whole second to go by, of a clock that may have been ahead: in
            // doubt it is refused.
            None => user_ending
                .and_then(|ending| ending.deactivated_at)
                .is_some_and(|at| issued_at.seconds() <= at.plus(MAX_CLOCK_SKEW).seconds()),
        };
        if ended {
            Standing::Ended
        } else if self.knows_all_since(issued_at) {
            Standing::Good(user_ending.and_then(|ending| ending.role))
        } else {
            Standing::Unsure
        }
    }

    fn record(&mut self, ending: Ending) {
        let user = match ending.what {
            EndingKind::Session(session) => {
                self.sessions.insert(session, ending.at);
                return;
            }
            EndingKind::Deactivated(user) | EndingKind::Reactivated(user) | EndingKind::RoleChanged(user, _) => user,
        };
        let entry = self.users.entry(user).or_insert(UserEnding {
            last: EndingPosition::default(),
            last_at: ending.at,
            is_active: true,
            deactivated_at: None,
            role: None,
        });
        // Two readers may bring overlapping news in either order: the older must not undo the newer.
        if ending.position <= entry.last {
            return;
        }
        entry.last = ending.position;
        entry.last_at = entry.last_at.max(ending.at);
        match ending.what {
            EndingKind::Deactivated(_) => {
                entry.is_active = false;
                entry.deactivated_at = Some(ending.at);
            }
            EndingKind::Reactivated(_) => entry.is_active = true,
            EndingKind::RoleChanged(_, role) => entry.role = Some(role),
            EndingKind::Session(_) => {}
        }
    }
}
