//! Authentication of a request: an access token for an identity.

use uuid::Uuid;

use crate::audit::{EventKind, NewEvent};
use crate::auth::Auth;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::origin::Origin;
use crate::revocation::{Standing, standing_by};
use crate::role::Role;
use crate::session::SessionId;
use crate::store::StoreError;
use crate::token::access::{AccessTokenError, MAX_CLOCK_SKEW, decode_access_token};
use crate::user::{User, UserId};

/// Who sent a request, as far as the access token and the endings since its issue tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user_id: UserId,
    /// What the user may do now, also when the role changed after the token was issued.
    pub role: Role,
    /// The session the token was issued in.
    pub session: Option<SessionId>,
    /// The token's own id.
    pub token_id: Uuid,
    /// When the token was issued.
    pub issued_at: Timestamp,
    /// From when on the token is no longer good.
    pub expires_at: Timestamp,
}

/// Why a request is not let through.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The access token's time is over.
    #[error("the access token has expired")]
    Expired,
    /// It is no access token of ours, or its session is over.
    #[error("the access token is invalid")]
    Invalid,
    /// The user is deactivated.
    #[error("the account is deactivated")]
    Deactivated,
    /// There is no such user.
    #[error("the user does not exist")]
    UserNotFound,
    /// The user is no administrator.
    #[error("admin access required")]
    NotAdmin,
    /// The user is an administrator without a second factor, where the rules ask for one.
    #[error("administrators need a second factor")]
    AdminWithoutSecondFactor,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<AccessTokenError> for AuthenticateError {
    fn from(error: AccessTokenError) -> Self {
        match error {
            AccessTokenError::Expired => Self::Expired,
            AccessTokenError::Invalid => Self::Invalid,
        }
    }
}

impl Auth {
    /// Tells who sent a request. The store is not asked, but for news of endings now and then, and for a
    /// token older than the endings that are remembered.
    ///
    /// # Errors
    ///
    /// [`AuthenticateError`]: the token is refused, or the node can't be sure that it knows every ending.
    pub async fn authenticate(&self, access_token: &str) -> Result<Identity, AuthenticateError> {
        let now = self.clock.now();
        let token = decode_access_token(access_token, &self.keyring, &self.access_rules, now)?;
        self.revocations
            .keep_current(&*self.store, now, self.access_rules.accepted_for())
            .await
            .map_err(Fault::from)?;
        let subject = token.subject();
        let mut standing = self.revocations.standing(subject.user_id, subject.session, token.issued_at());
        if standing == Standing::Unsure {
            let endings = self.store.endings_of(subject.user_id, subject.session).await.map_err(Fault::from)?;
            standing = standing_by(&endings, subject.user_id, subject.session, token.issued_at());
        }
        match standing {
            Standing::Good(changed_role) => Ok(Identity {
                user_id: subject.user_id,
                role: changed_role.unwrap_or(subject.role),
                session: subject.session,
                token_id: token.id(),
                issued_at: token.issued_at(),
                expires_at: token.expires_at(),
            }),
            Standing::Ended | Standing::Unsure => Err(AuthenticateError::Invalid),
            Standing::Deactivated => Err(self.gone_or_deactivated(subject.user_id).await),
        }
    }

    /// The account behind an identity: one point read.
    ///
    /// # Errors
    ///
    /// [`AuthenticateError`]: there is no such user, it is deactivated, the token is of an older account with the same
    /// number, or the store can't serve.
    pub async fn current_user(&self, identity: &Identity) -> Result<User, AuthenticateError> {
        let user = self.store.find_user(identity.user_id).await.map_err(Fault::from)?;
        let user = user.ok_or(AuthenticateError::UserNotFound)?;
        if !self.is_token_of(identity, &user).await? {
            return Err(AuthenticateError::Invalid);
        }
        if user.is_active { Ok(user) } else { Err(AuthenticateError::Deactivated) }
    }

    /// Whether the token is of this account and not of an older one with the same number: after a restore from a copy
    /// numbers are given again. A token from before the account was made, by whichever clock, must name a session of it, and
    /// so must one of the same second, which is all that a token tells.
    pub(crate) async fn is_token_of(&self, identity: &Identity, user: &User) -> Result<bool, Fault> {
        if identity.issued_at.seconds() > user.created_at.seconds() {
            return Ok(true);
        }
        match identity.session {
            Some(session) => Ok(self.store.find_session(user.id, session).await?.is_some()),
            None => Ok(identity.issued_at.plus(MAX_CLOCK_SKEW).seconds() >= user.created_at.seconds()),
        }
    }

    /// An erased account ends as a deactivated one does; asked for, which is rare, the store tells them apart.
    async fn gone_or_deactivated(&self, user: UserId) -> AuthenticateError {
        match self.store.find_user(user).await {
            Ok(None) => AuthenticateError::UserNotFound,
            Ok(Some(_)) | Err(_) => AuthenticateError::Deactivated,
        }
    }

    /// The account behind an identity if it is an administrator's **now**, whatever the token says. That anybody else
    /// asked is logged, and recorded once a minute, before it is refused.
    ///
    /// # Errors
    ///
    /// [`AuthenticateError`], [`NotAdmin`](AuthenticateError::NotAdmin) among them.
    pub async fn current_admin(&self, identity: &Identity, origin: Origin<'_>) -> Result<User, AuthenticateError> {
        let user = self.current_user(identity).await?;
        if user.role == Role::Admin {
            return if self.has_what_admins_need(user.id).await? {
                Ok(user)
            } else {
                Err(AuthenticateError::AdminWithoutSecondFactor)
            };
        }
        let now = self.clock.now();
        let event = NewEvent::new(EventKind::AdminAccessRefused, origin.by(user.id), now);
        let event = NewEvent { session: identity.session, ..event };
        if self.access_refusals.is_news(user.id, now) {
            self.record_event(Some(user.id), event).await?;
        } else {
            event.log(Some(user.id));
        }
        Err(AuthenticateError::NotAdmin)
    }

    /// Whether an administrator has a second factor, where the rules ask for one.
    async fn has_what_admins_need(&self, admin: UserId) -> Result<bool, Fault> {
        if !self.account_rules.admins_require_second_factor {
            return Ok(true);
        }
        let account = self.store.find_account(admin).await?;
        Ok(account.is_some_and(|account| account.second_factor.is_some()))
    }

    /// Takes in what was just ended, before anybody is told. Should it fail, the next request tries again.
    pub(crate) async fn learn_endings(&self) {
        let learned: Result<(), StoreError> =
            self.revocations.learn(&*self.store, self.clock.now(), self.access_rules.accepted_for()).await;
        if let Err(error) = learned {
            tracing::error!(event = "endings_unread", %error);
        }
    }
}
