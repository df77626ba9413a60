//! The store in memory: the shortest statement of what every store does.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::email::EmailAddress;
use crate::limits::MemoryLimits;
use crate::revocation::{Ending, EndingKind, EndingPosition};
use crate::role::Role;
use crate::session::{Decision, EndReason, Ended, NewSession, RotationAttempt, Session, SessionId, decide};
use crate::store::limits::{Admittance, ChargedAttempt, LimitStore, Settlement};
use crate::store::{
    Activation, ENDINGS_AT_ONCE, Rotation, SessionOpening, Store, StoreError, StoreResult, UserCreation, UserPage,
    UserQuery, VerifiedLogin,
};
use crate::token::refresh::SessionHandle;
use crate::user::{ActivationDecision, Credential, CredentialVersion, NewUser, User, UserId, decide_activation};

/// Users and sessions behind one lock. Forgets everything when dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    limits: MemoryLimits,
}

#[derive(Debug, Default)]
struct State {
    users: BTreeMap<UserId, Credential>,
    sessions: BTreeMap<SessionHandle, Session>,
    endings: Vec<Ending>,
    last_user: i64,
    last_ending: i64,
    is_closed: bool,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> StoreResult<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed { Err(StoreError::unavailable("the store is closed")) } else { Ok(state) }
    }
}

impl State {
    fn user_with_address(&self, email: &EmailAddress) -> Option<&Credential> {
        self.users.values().find(|credential| credential.user.email.key() == email.key())
    }

    fn insert_session(&mut self, new: &NewSession, user_id: UserId) {
        self.sessions.insert(new.handle, Session::open(new, user_id));
    }

    fn record(&mut self, what: EndingKind, at: Timestamp) {
        self.last_ending += 1;
        self.endings.push(Ending { position: EndingPosition(self.last_ending), at, what });
    }

    fn end(&mut self, handle: SessionHandle, reason: EndReason, at: Timestamp) -> Option<SessionId> {
        let session = self.sessions.get_mut(&handle).filter(|session| session.ended.is_none())?;
        session.ended = Some(Ended { at, reason });
        let id = session.id;
        // An expired session's access tokens are long dead: nothing to remember.
        if reason != EndReason::Expired {
            self.record(EndingKind::Session(id), at);
        }
        Some(id)
    }

    fn rotate(&mut self, attempt: &RotationAttempt) -> Rotation {
        let Some(session) = self.sessions.get(&attempt.handle) else { return Rotation::Invalid };
        let Some(Credential { user, .. }) = self.users.get(&session.user_id) else { return Rotation::Invalid };
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
                    EndReason::Reuse => Rotation::Reused { session: id, user_id },
                    _ => Rotation::Invalid,
                }
            }
            Decision::RefuseInactive => Rotation::UserInactive,
            Decision::RefuseEnded => Rotation::Invalid,
        }
    }

    fn set_active(&mut self, id: UserId, active: bool, now: Timestamp) -> Activation {
        let Some(credential) = self.users.get_mut(&id) else { return Activation::NotFound };
        match decide_activation(&credential.user, active) {
            ActivationDecision::RefuseAdmin => return Activation::RefusedAdmin,
            ActivationDecision::Keep => return Activation::Done(credential.user.clone()),
            ActivationDecision::Change => credential.user.is_active = active,
        }
        let user = credential.user.clone();
        if active {
            self.record(EndingKind::Reactivated(id), now);
        } else {
            let theirs = self.sessions.values().filter(|session| session.user_id == id);
            for handle in theirs.map(|session| session.handle).collect::<Vec<_>>() {
                self.end(handle, EndReason::Deactivated, now);
            }
            self.record(EndingKind::Deactivated(id), now);
        }
        Activation::Done(user)
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn create_user(&self, new: NewUser, session: Option<NewSession>) -> StoreResult<UserCreation> {
        let mut state = self.state()?;
        if state.user_with_address(&new.email).is_some() {
            return Ok(UserCreation::AddressTaken);
        }
        state.last_user += 1;
        let id = UserId::new(state.last_user).ok_or_else(|| StoreError::unavailable("no user id is left"))?;
        let user =
            User { id, email: new.email, full_name: None, role: new.role, is_active: true, created_at: new.created_at };
        let credential =
            Credential { user: user.clone(), password_hash: new.password_hash, version: CredentialVersion(1) };
        state.users.insert(id, credential);
        if let Some(session) = session {
            state.insert_session(&session, id);
        }
        Ok(UserCreation::Created(user))
    }

    async fn find_credential(&self, email: &EmailAddress) -> StoreResult<Option<Credential>> {
        Ok(self.state()?.user_with_address(email).cloned())
    }

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>> {
        Ok(self.state()?.users.get(&id).map(|credential| credential.user.clone()))
    }

    async fn open_session(&self, login: VerifiedLogin, session: NewSession) -> StoreResult<SessionOpening> {
        let mut state = self.state()?;
        let Some(credential) = state.users.get_mut(&login.user_id) else {
            return Ok(SessionOpening::CredentialChanged);
        };
        if credential.version != login.version {
            return Ok(SessionOpening::CredentialChanged);
        }
        if !credential.user.is_active {
            return Ok(SessionOpening::UserInactive);
        }
        if let Some(hash) = login.upgraded_hash {
            credential.password_hash = hash;
        }
        let role = credential.user.role;
        state.insert_session(&session, login.user_id);
        Ok(SessionOpening::Opened(role))
    }

    async fn rotate_session(&self, attempt: RotationAttempt) -> StoreResult<Rotation> {
        Ok(self.state()?.rotate(&attempt))
    }

    async fn end_session(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> StoreResult<Option<SessionId>> {
        Ok(self.state()?.end(handle, reason, now))
    }

    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> StoreResult<Activation> {
        Ok(self.state()?.set_active(id, active, now))
    }

    async fn set_role(&self, id: UserId, role: Role, now: Timestamp) -> StoreResult<Option<User>> {
        let mut state = self.state()?;
        let Some(credential) = state.users.get_mut(&id) else { return Ok(None) };
        let changed = credential.user.role != role;
        credential.user.role = role;
        let user = credential.user.clone();
        if changed {
            state.record(EndingKind::RoleChanged(id, role), now);
        }
        Ok(Some(user))
    }

    async fn list_users(&self, query: UserQuery) -> StoreResult<UserPage> {
        let state = self.state()?;
        let matching = || {
            state.users.values().rev().map(|credential| &credential.user).filter(|user| {
                query.role.is_none_or(|role| user.role == role)
                    && query.is_active.is_none_or(|is_active| user.is_active == is_active)
            })
        };
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        Ok(UserPage {
            users: matching().skip(offset).take(query.limit as usize).cloned().collect(),
            total: matching().count() as u64,
        })
    }

    async fn endings_after(&self, position: EndingPosition) -> StoreResult<(Vec<Ending>, EndingPosition)> {
        let state = self.state()?;
        let later = state.endings.iter().filter(|ending| ending.position > position);
        let endings: Vec<_> = later.take(ENDINGS_AT_ONCE).copied().collect();
        let last = endings.last().map_or(position, |ending| ending.position);
        Ok((endings, last))
    }

    async fn endings_of(&self, user: UserId, session: Option<SessionId>) -> StoreResult<Vec<Ending>> {
        let concerns = |ending: &&Ending| match ending.what {
            EndingKind::Session(id) => session == Some(id),
            EndingKind::Deactivated(id) | EndingKind::Reactivated(id) | EndingKind::RoleChanged(id, _) => id == user,
        };
        Ok(self.state()?.endings.iter().filter(concerns).copied().collect())
    }

    async fn purge(&self, sessions_before: Timestamp, endings_before: Timestamp, limit: u32) -> StoreResult<u64> {
        let mut state = self.state()?;
        let rows = state.sessions.len() + state.endings.len();
        let mut left = limit;
        state.sessions.retain(|_, session| !take(session.expires_at < sessions_before, &mut left));
        let mut left = limit;
        state.endings.retain(|ending| !take(ending.at < endings_before, &mut left));
        Ok((rows - state.sessions.len() - state.endings.len()) as u64)
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

/// Whether one more row goes, while `left` allows.
fn take(goes: bool, left: &mut u32) -> bool {
    let goes = goes && *left > 0;
    *left -= u32::from(goes);
    goes
}
