//! Sessions as a person sees them: where they are logged in, and the end of it.

use crate::account::{Account, Amended, Amendment, SessionChange};
use crate::audit::{EventKind, NewEvent};
use crate::auth::{AmendRefusal, Auth, LOOKS};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::origin::Origin;
use crate::session::{EndReason, Session, SessionId};
use crate::store::StoreError;
use crate::user::UserId;

/// Why sessions were not ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// That user has no such session that lives. Whether another user has is nobody's business.
    #[error("session not found")]
    SessionNotFound,
    /// There is no such user.
    #[error("user not found")]
    UserNotFound,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Who ends a session.
#[derive(Clone, Copy)]
enum By {
    Owner,
    Admin,
}

impl Auth {
    /// The living sessions of a user, the one used last first, 200 at most.
    ///
    /// # Errors
    ///
    /// [`SessionsError`]: no such user, or the request could not be carried out.
    pub async fn list_sessions(&self, user: UserId) -> Result<Vec<Session>, SessionsError> {
        let sessions = self.store.list_sessions(user, self.clock.now()).await.map_err(Fault::from)?;
        if sessions.is_empty() && self.store.find_user(user).await.map_err(Fault::from)?.is_none() {
            return Err(SessionsError::UserNotFound);
        }
        Ok(sessions)
    }

    /// Ends one of a person's own sessions, its access tokens included.
    ///
    /// # Errors
    ///
    /// [`SessionsError`]: no such session that lives, or the request could not be carried out.
    pub async fn end_session(&self, user: UserId, session: SessionId, origin: Origin<'_>) -> Result<(), SessionsError> {
        self.end_one(user, session, By::Owner, origin).await
    }

    /// Ends all of a person's own sessions, their access tokens included; the one that asks, too.
    ///
    /// # Errors
    ///
    /// [`SessionsError`]: no such user, or the request could not be carried out.
    pub async fn logout_all(&self, user: UserId, origin: Origin<'_>) -> Result<(), SessionsError> {
        self.end_all(user, By::Owner, origin).await
    }

    /// Ends a session of somebody else: what an administrator does.
    ///
    /// # Errors
    ///
    /// [`SessionsError`]: no such user or session, or the request could not be carried out.
    pub async fn revoke_session(
        &self,
        user: UserId,
        session: SessionId,
        origin: Origin<'_>,
    ) -> Result<(), SessionsError> {
        self.end_one(user, session, By::Admin, origin).await
    }

    /// Ends all sessions of somebody else: what an administrator does. Idempotent.
    ///
    /// # Errors
    ///
    /// [`SessionsError`]: no such user, or the request could not be carried out.
    pub async fn revoke_sessions(&self, user: UserId, origin: Origin<'_>) -> Result<(), SessionsError> {
        self.end_all(user, By::Admin, origin).await
    }

    async fn end_all(&self, user: UserId, by: By, origin: Origin<'_>) -> Result<(), SessionsError> {
        let now = self.clock.now();
        let (kind, reason) = match by {
            By::Owner => (EventKind::LogoutAll, EndReason::LogoutAll),
            By::Admin => (EventKind::SessionsEnded, EndReason::RevokedByAdmin),
        };
        let event = NewEvent::new(kind, origin, now);
        self.amend(user, |account| {
            let change = SessionChange::EndAllBut(None, reason);
            Ok((Some(self.of_sessions(account, change, event.clone())?), ()))
        })
        .await
    }

    /// Looks at the session after the account, so that of two who end it at once one finds it ended.
    async fn end_one(&self, user: UserId, session: SessionId, by: By, origin: Origin<'_>) -> Result<(), SessionsError> {
        let now = self.clock.now();
        let reason = match by {
            By::Owner => EndReason::Revoked,
            By::Admin => EndReason::RevokedByAdmin,
        };
        let event = NewEvent::new(EventKind::SessionEnded, origin, now).about(session);
        for _ in 0..LOOKS {
            let account = self.store.find_account(user).await.map_err(Fault::from)?;
            let account = account.ok_or(SessionsError::UserNotFound)?;
            let found = self.store.find_session(user, session).await.map_err(Fault::from)?;
            if !found.is_some_and(|session| lives(&session, now)) {
                return Err(SessionsError::SessionNotFound);
            }
            let amendment = self.of_sessions(&account, SessionChange::End(session, reason), event.clone())?;
            match self.carry_out(amendment).await? {
                Amended::Stale => {}
                _ => return Ok(()),
            }
        }
        Err(Fault::from(StoreError::Contended).into())
    }

    fn of_sessions(&self, account: &Account, change: SessionChange, event: NewEvent) -> Result<Amendment, Fault> {
        let amendment = Amendment::new(account, account.clone(), event.at).with_sessions(change);
        Ok(amendment.with_record(self.record([event])?))
    }
}

fn lives(session: &Session, now: Timestamp) -> bool {
    session.ended.is_none() && now < session.expires_at
}

impl From<AmendRefusal> for SessionsError {
    /// Neither addresses nor roles are changed here.
    fn from(_: AmendRefusal) -> Self {
        Self::UserNotFound
    }
}
