//! The store in memory: the shortest statement of what every store does.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::account::{Account, Amended, Amendment, Erasure, Record, Revision, SessionChange};
use crate::audit::{Cause, Event, EventPosition, EventQuery};
use crate::clock::Timestamp;
use crate::email::EmailAddress;
use crate::limits::MemoryLimits;
use crate::outbox::{Delivery, Message, NewMessage, OutboxStatistics, Taking};
use crate::revocation::{Ending, EndingKind, EndingPosition, Epoch};
use crate::role::Role;
use crate::session::{Decision, EndReason, Ended, NewSession, RotationAttempt, Session, SessionId, decide};
use crate::store::data_keys::{DataKeyStore, Neighbours, StoredDataKey};
use crate::store::limits::{Admittance, ChargedAttempt, LimitStore, Settlement};
use crate::store::{
    ENDINGS_AT_ONCE, OutboxStore, PurgeBounds, Rotation, SESSIONS_AT_ONCE, SESSIONS_OF_AN_ACCOUNT, SessionOpening,
    Store, StoreError, StoreResult, UserCreation, UserPage, UserQuery, VerifiedLogin,
};
use crate::token::refresh::SessionHandle;
use crate::user::{CredentialVersion, NewUser, User, UserId};

/// Users and sessions behind one lock. Forgets everything when dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    limits: MemoryLimits,
}

#[derive(Debug, Default, Clone)]
struct State {
    accounts: BTreeMap<UserId, Account>,
    sessions: BTreeMap<SessionHandle, Session>,
    endings: Vec<Ending>,
    events: Vec<Event>,
    outbox: Vec<Waiting>,
    data_keys: Vec<StoredDataKey>,
    last_user: i64,
    last_event: i64,
    last_ending: i64,
    epoch: Epoch,
    neighbours: Option<Neighbours>,
    is_closed: bool,
}

#[derive(Debug, Clone)]
struct Waiting {
    message: Message,
    due_at: Timestamp,
    abandoned_at: Option<Timestamp>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says from now on that these share the store; nobody does otherwise.
    pub fn set_neighbours(&self, neighbours: Neighbours) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).neighbours = Some(neighbours);
    }

    /// A copy of everything but the limits, as a backup has it.
    #[must_use]
    pub fn backup(&self) -> Self {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { state: Mutex::new(state), limits: MemoryLimits::default() }
    }

    /// As [`restore`](Self::restore), and the store says that it tells another history.
    pub fn restore_telling(&self, backup: &Self) {
        let epoch = self.state.lock().unwrap_or_else(PoisonError::into_inner).epoch;
        self.restore(backup);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).epoch = Epoch(epoch.0 + 1);
    }

    /// Takes everything but the limits back to what it was at that [backup](Self::backup), under whoever uses the store.
    pub fn restore(&self, backup: &Self) {
        let state = backup.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn state(&self) -> StoreResult<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed { Err(StoreError::unavailable("the store is closed")) } else { Ok(state) }
    }
}

impl State {
    fn account_with_address(&self, email: &EmailAddress) -> Option<&Account> {
        self.accounts.values().find(|account| account.user.email.key() == email.key())
    }

    fn insert_session(&mut self, new: &NewSession, user_id: UserId) {
        self.sessions.insert(new.handle, Session::open(new, user_id));
    }

    /// Leaves a place for one more session of that user.
    fn end_surplus(&mut self, user: UserId, now: Timestamp) {
        let lives = |session: &&Session| session.user_id == user && session.ended.is_none() && now < session.expires_at;
        let mut living: Vec<_> =
            self.sessions.values().filter(lives).map(|session| (Reverse(session.issued_at), session.handle)).collect();
        living.sort_unstable();
        for (_, handle) in living.into_iter().skip(SESSIONS_OF_AN_ACCOUNT - 1) {
            self.end(handle, EndReason::Revoked, now);
        }
    }

    fn record_ending(&mut self, what: EndingKind, at: Timestamp) {
        self.last_ending += 1;
        self.endings.push(Ending { position: EndingPosition(self.last_ending), at, what });
    }

    /// When the last tokens of that user were issued, by whichever clock.
    fn last_issue(&self, user: UserId) -> Option<Timestamp> {
        self.sessions.values().filter(|session| session.user_id == user).map(|session| session.issued_at).max()
    }

    fn end(&mut self, handle: SessionHandle, reason: EndReason, at: Timestamp) -> Option<SessionId> {
        let session = self.sessions.get_mut(&handle).filter(|session| session.ended.is_none())?;
        session.ended = Some(Ended { at, reason });
        let (id, at) = (session.id, at.max(session.issued_at));
        // An expired session's access tokens are long dead: nothing to remember.
        if reason != EndReason::Expired {
            self.record_ending(EndingKind::Session(id), at);
        }
        Some(id)
    }

    fn rotate(&mut self, attempt: &RotationAttempt) -> Rotation {
        let Some(session) = self.sessions.get(&attempt.handle) else { return Rotation::Invalid };
        let Some(Account { user, .. }) = self.accounts.get(&session.user_id) else { return Rotation::Invalid };
        let (id, user_id, role) = (session.id, user.id, user.role);
        match decide(session, user.is_active, attempt) {
            Decision::Rotate(next) => {
                self.sessions.insert(attempt.handle, next);
                Rotation::Rotated { session: id, user_id, role }
            }
            Decision::Repeat(sealed_successor) => Rotation::Repeated { session: id, user_id, role, sealed_successor },
            Decision::End(reason) => {
                self.end(attempt.handle, reason, attempt.now);
                match reason {
                    EndReason::Reuse => {
                        self.write(Some(user_id), Some(id), attempt.on_reuse.clone());
                        Rotation::Reused { session: id, user_id }
                    }
                    _ => Rotation::Invalid,
                }
            }
            Decision::RefuseInactive => Rotation::UserInactive,
            Decision::RefuseEnded => Rotation::Invalid,
        }
    }

    /// Writes the record of what was done to `user` in `session`.
    fn write(&mut self, user: Option<UserId>, session: Option<SessionId>, record: Record) {
        for mut what in record.events {
            what.session = what.session.or(session);
            self.last_event += 1;
            self.events.push(Event { position: EventPosition(self.last_event), user_id: user, what });
        }
        for new in record.messages {
            let NewMessage { id, kind, sealed, created_at } = new;
            let message = Message { id, kind, user_id: user, sealed, created_at, attempts: 0 };
            self.outbox.push(Waiting { message, due_at: created_at, abandoned_at: None });
        }
    }

    fn change_sessions(&mut self, user: UserId, change: SessionChange, now: Timestamp) {
        let (ends, reason): (Box<dyn Fn(SessionId) -> bool>, _) = match change {
            SessionChange::Keep => return,
            SessionChange::EndAllBut(kept, reason) => (Box::new(move |id| Some(id) != kept), reason),
            SessionChange::End(ended, reason) => (Box::new(move |id| id == ended), reason),
            SessionChange::Reauthenticated(proven) => {
                let session =
                    self.sessions.values_mut().find(|session| session.id == proven && session.user_id == user);
                session.into_iter().for_each(|session| session.authenticated_at = now);
                return;
            }
        };
        let theirs = self.sessions.values().filter(|session| session.user_id == user && ends(session.id));
        for handle in theirs.map(|session| session.handle).collect::<Vec<_>>() {
            self.end(handle, reason, now);
        }
    }

    fn has_other_admin(&self, id: UserId) -> bool {
        let mut others = self.accounts.values().map(|account| &account.user).filter(|user| user.id != id);
        others.any(|user| user.is_active && user.role == Role::Admin)
    }

    /// Whether the account still is of the revision that was read.
    fn is_current(&self, account: &Account) -> bool {
        self.accounts.get(&account.user.id).is_some_and(|stored| stored.revision == account.revision)
    }

    fn amend(&mut self, amendment: Amendment) -> Amended {
        let Amendment { account, sessions, endings, needs_other_admin, record, now } = amendment;
        let id = account.user.id;
        if !self.is_current(&account) {
            return Amended::Stale;
        }
        if needs_other_admin && !self.has_other_admin(id) {
            return Amended::LastAdmin;
        }
        if self.account_with_address(&account.user.email).is_some_and(|owner| owner.user.id != id) {
            return Amended::AddressTaken;
        }
        let revision = Revision(account.revision.0 + 1);
        self.accounts.insert(id, Account { revision, ..account });
        self.write(Some(id), None, record);
        self.change_sessions(id, sessions, now);
        let at = self.last_issue(id).max(Some(now)).unwrap_or(now);
        endings.into_iter().for_each(|what| self.record_ending(what, at));
        Amended::Done
    }

    fn erase(&mut self, erasure: Erasure) -> Amended {
        let id = erasure.account.user.id;
        if !self.is_current(&erasure.account) {
            return Amended::Stale;
        }
        if erasure.needs_other_admin() && !self.has_other_admin(id) {
            return Amended::LastAdmin;
        }
        self.change_sessions(id, SessionChange::EndAllBut(None, EndReason::Deactivated), erasure.now);
        let at = self.last_issue(id).max(Some(erasure.now)).unwrap_or(erasure.now);
        self.sessions.retain(|_, session| session.user_id != id);
        self.accounts.remove(&id);
        self.outbox.retain(|waiting| waiting.message.user_id != Some(id));
        self.write(Some(id), None, erasure.record);
        for Event { user_id, what, .. } in &mut self.events {
            if *user_id == Some(id) {
                what.details.clear();
            }
            if *user_id == Some(id) || what.cause.actor.user_id() == Some(id) {
                what.cause = Cause { actor: what.cause.actor, ..Cause::default() };
            }
        }
        self.record_ending(EndingKind::Deactivated(id), at);
        Amended::Done
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn create_user(
        &self,
        new: NewUser,
        session: Option<NewSession>,
        record: Record,
    ) -> StoreResult<UserCreation> {
        let mut state = self.state()?;
        if state.account_with_address(&new.email).is_some() {
            return Ok(UserCreation::AddressTaken);
        }
        state.last_user += 1;
        let id = UserId::new(state.last_user).ok_or_else(|| StoreError::unavailable("no user id is left"))?;
        let user = User {
            id,
            email: new.email,
            full_name: new.full_name,
            role: new.role,
            is_active: true,
            email_verified_at: new.email_verified_at,
            created_at: new.created_at,
        };
        let account = Account {
            user: user.clone(),
            password_hash: new.password_hash,
            version: CredentialVersion(1),
            must_change_password: false,
            second_factor: None,
            tickets: new.tickets,
            revision: Revision(1),
        };
        state.accounts.insert(id, account);
        if let Some(session) = &session {
            state.insert_session(session, id);
        }
        state.write(Some(id), session.map(|session| session.id), record);
        Ok(UserCreation::Created(user))
    }

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>> {
        Ok(self.state()?.accounts.get(&id).map(|account| account.user.clone()))
    }

    async fn find_account(&self, id: UserId) -> StoreResult<Option<Account>> {
        Ok(self.state()?.accounts.get(&id).cloned())
    }

    async fn find_account_by_email(&self, email: &EmailAddress) -> StoreResult<Option<Account>> {
        Ok(self.state()?.account_with_address(email).cloned())
    }

    async fn amend_account(&self, amendment: Amendment) -> StoreResult<Amended> {
        Ok(self.state()?.amend(amendment))
    }

    async fn erase_account(&self, erasure: Erasure) -> StoreResult<Amended> {
        Ok(self.state()?.erase(erasure))
    }

    async fn open_session(
        &self,
        login: VerifiedLogin,
        session: NewSession,
        record: Record,
    ) -> StoreResult<SessionOpening> {
        let mut state = self.state()?;
        let Some(account) = state.accounts.get_mut(&login.user_id) else {
            return Ok(SessionOpening::CredentialChanged);
        };
        if account.version != login.version {
            return Ok(SessionOpening::CredentialChanged);
        }
        if !account.user.is_active {
            return Ok(SessionOpening::UserInactive);
        }
        if let Some(hash) = login.upgraded_hash {
            account.password_hash = hash;
        }
        let role = account.user.role;
        state.end_surplus(login.user_id, session.created_at);
        state.insert_session(&session, login.user_id);
        state.write(Some(login.user_id), Some(session.id), record);
        Ok(SessionOpening::Opened(role))
    }

    async fn rotate_session(&self, attempt: RotationAttempt) -> StoreResult<Rotation> {
        Ok(self.state()?.rotate(&attempt))
    }

    async fn end_session(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        record: Record,
        now: Timestamp,
    ) -> StoreResult<Option<(SessionId, UserId)>> {
        let mut state = self.state()?;
        let Some(id) = state.end(handle, reason, now) else { return Ok(None) };
        let owner = state.sessions.get(&handle).map(|session| session.user_id);
        state.write(owner, Some(id), record);
        Ok(owner.map(|owner| (id, owner)))
    }

    async fn list_sessions(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        let state = self.state()?;
        let lives = |session: &&Session| session.user_id == user && session.ended.is_none() && now < session.expires_at;
        let mut living: Vec<_> = state.sessions.values().filter(lives).cloned().collect();
        living.sort_by_key(|session| (Reverse(session.issued_at), session.id));
        living.truncate(SESSIONS_AT_ONCE);
        Ok(living)
    }

    async fn find_session(&self, user: UserId, session: SessionId) -> StoreResult<Option<Session>> {
        let state = self.state()?;
        Ok(state.sessions.values().find(|stored| stored.user_id == user && stored.id == session).cloned())
    }

    async fn list_users(&self, query: UserQuery) -> StoreResult<UserPage> {
        let state = self.state()?;
        let matching = || {
            state.accounts.values().rev().map(|account| &account.user).filter(|user| {
                query.role.is_none_or(|role| user.role == role)
                    && query.is_active.is_none_or(|is_active| user.is_active == is_active)
                    && query.email_prefix.as_ref().is_none_or(|prefix| user.email.key().starts_with(prefix))
            })
        };
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        Ok(UserPage {
            users: matching().skip(offset).take(query.limit as usize).cloned().collect(),
            total: matching().count() as u64,
        })
    }

    async fn epoch(&self) -> StoreResult<Epoch> {
        Ok(self.state()?.epoch)
    }

    async fn endings_after(&self, position: EndingPosition) -> StoreResult<(Vec<Ending>, EndingPosition)> {
        let state = self.state()?;
        let later = state.endings.iter().filter(|ending| ending.position > position);
        let endings: Vec<_> = later.take(ENDINGS_AT_ONCE).copied().collect();
        let highest = EndingPosition(state.last_ending);
        let last = endings.last().map_or(position.min(highest), |ending| ending.position);
        Ok((endings, last))
    }

    async fn endings_of(&self, user: UserId, session: Option<SessionId>) -> StoreResult<Vec<Ending>> {
        let concerns = |ending: &&Ending| match ending.what {
            EndingKind::Session(id) => session == Some(id),
            EndingKind::Deactivated(id) | EndingKind::Reactivated(id) | EndingKind::RoleChanged(id, _) => id == user,
        };
        Ok(self.state()?.endings.iter().filter(concerns).copied().collect())
    }

    async fn list_events(&self, query: EventQuery) -> StoreResult<Vec<Event>> {
        let state = self.state()?;
        let matches = |event: &&Event| {
            query.user_id.is_none_or(|id| event.user_id == Some(id))
                && query.kind.is_none_or(|kind| event.what.kind == kind)
                && query.since.is_none_or(|since| event.what.at >= since)
                && query.until.is_none_or(|until| event.what.at < until)
                && query.before.is_none_or(|before| event.position < before)
        };
        Ok(state.events.iter().rev().filter(matches).take(query.limit as usize).cloned().collect())
    }

    async fn purge(&self, bounds: PurgeBounds) -> StoreResult<u64> {
        let mut state = self.state()?;
        let rows = |state: &State| state.sessions.len() + state.endings.len() + state.events.len() + state.outbox.len();
        let before = rows(&state);
        let mut left = bounds.limit;
        state.sessions.retain(|_, session| !take(session.expires_at < bounds.sessions_before, &mut left));
        let mut left = bounds.limit;
        state.endings.retain(|ending| !take(ending.at < bounds.endings_before, &mut left));
        let mut left = bounds.limit;
        let is_old = |event: &Event| bounds.events_before.is_some_and(|before| event.what.at < before);
        state.events.retain(|event| !take(is_old(event), &mut left));
        let mut left = bounds.limit;
        let is_over = |waiting: &Waiting| waiting.abandoned_at.is_some_and(|at| at < bounds.messages_before);
        state.outbox.retain(|waiting| !take(is_over(waiting), &mut left));
        Ok((before - rows(&state)) as u64)
    }

    async fn check(&self) -> StoreResult<()> {
        self.state().map(drop)
    }

    async fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
    }
}

#[async_trait::async_trait]
impl LimitStore for MemoryStore {
    async fn take_limits(&self, attempt: &ChargedAttempt, now: Timestamp) -> StoreResult<Admittance> {
        self.state().map(drop)?;
        Ok(self.limits.take(attempt, now))
    }

    async fn settle_limits(&self, settlement: &Settlement, now: Timestamp) -> StoreResult<()> {
        self.limits.settle(settlement, now);
        Ok(())
    }

    async fn purge_limits(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(self.limits.purge(now, limit))
    }
}

#[async_trait::async_trait]
impl DataKeyStore for MemoryStore {
    async fn data_keys(&self) -> StoreResult<Vec<StoredDataKey>> {
        Ok(self.state()?.data_keys.clone())
    }

    async fn replace_data_keys(&self, read: Vec<StoredDataKey>, new: Vec<StoredDataKey>) -> StoreResult<bool> {
        let mut state = self.state()?;
        let is_as_read = state.data_keys == read;
        if is_as_read {
            state.data_keys = new;
        }
        Ok(is_as_read)
    }

    async fn second_factors_after(&self, after: Option<UserId>, limit: u32) -> StoreResult<Vec<UserId>> {
        let state = self.state()?;
        let with_a_factor = state.accounts.values().filter(|account| account.second_factor.is_some());
        let ids = with_a_factor.map(|account| account.user.id).filter(|id| after.is_none_or(|after| *id > after));
        Ok(ids.take(limit as usize).collect())
    }

    async fn count_second_factors(&self) -> StoreResult<u64> {
        Ok(self.state()?.accounts.values().filter(|account| account.second_factor.is_some()).count() as u64)
    }

    async fn neighbours(&self) -> StoreResult<Neighbours> {
        Ok(self.state()?.neighbours.unwrap_or(Neighbours::Nobody))
    }
}

/// Whether one more row goes, while `left` allows.
fn take(goes: bool, left: &mut u32) -> bool {
    let goes = goes && *left > 0;
    *left -= u32::from(goes);
    goes
}

#[async_trait::async_trait]
impl OutboxStore for MemoryStore {
    async fn record(&self, user: Option<UserId>, record: Record) -> StoreResult<()> {
        self.state()?.write(user, None, record);
        Ok(())
    }

    async fn take_messages(&self, taking: Taking) -> StoreResult<Vec<Message>> {
        let mut state = self.state()?;
        let mut due: Vec<_> = state.outbox.iter_mut().collect();
        due.retain(|waiting| {
            waiting.message.kind == taking.kind && waiting.abandoned_at.is_none() && waiting.due_at <= taking.now
        });
        due.sort_by_key(|waiting| (waiting.due_at, waiting.message.id));
        let taken = due.into_iter().take(taking.limit as usize).map(|waiting| {
            waiting.due_at = taking.leased_until;
            waiting.message.attempts += 1;
            waiting.message.clone()
        });
        Ok(taken.collect())
    }

    async fn settle_message(&self, id: Uuid, delivery: Delivery) -> StoreResult<()> {
        let mut state = self.state()?;
        if delivery == Delivery::Done {
            state.outbox.retain(|waiting| waiting.message.id != id);
        }
        if let Some(waiting) = state.outbox.iter_mut().find(|waiting| waiting.message.id == id) {
            match delivery {
                Delivery::Done => {}
                Delivery::Again(due_at) => waiting.due_at = due_at,
                Delivery::Abandoned(at) => {
                    waiting.abandoned_at = Some(at);
                    waiting.message.sealed.clear();
                }
            }
        }
        Ok(())
    }

    async fn outbox_statistics(&self) -> StoreResult<OutboxStatistics> {
        let state = self.state()?;
        let waiting = || state.outbox.iter().filter(|waiting| waiting.abandoned_at.is_none());
        Ok(OutboxStatistics {
            waiting: waiting().count() as u64,
            oldest: waiting().map(|waiting| waiting.message.created_at).min(),
            abandoned: (state.outbox.len() - waiting().count()) as u64,
        })
    }
}
