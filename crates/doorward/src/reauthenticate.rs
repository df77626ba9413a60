//! Reauthentication: proving once more, within a session, who one is.

use crate::account::{Account, Amendment, SessionChange};
use crate::audit::{EventKind, NewEvent};
use crate::auth::{AmendRefusal, Auth};
use crate::authenticate::Identity;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::password::Password;
use crate::second_factor::{CodeError, TypedCode};

/// What a person proves with that the account is theirs.
#[derive(Debug)]
pub struct Proof {
    /// The password.
    pub password: Password,
    /// A code of the second factor; needed where there is one.
    pub code: Option<String>,
}

/// Why a proof was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// It is not the account's password, or no longer.
    #[error("wrong password")]
    WrongPassword,
    /// The password is right, the code is missing or wrong.
    #[error("wrong code")]
    WrongCode,
    /// The account was deactivated.
    #[error("the account is deactivated")]
    Deactivated,
    /// There is no such user any more.
    #[error("the user does not exist")]
    UserNotFound,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why something was not done that asks for a recent proof.
#[derive(Debug, thiserror::Error)]
pub enum RecentError {
    /// The last proof in this session is too long ago; the person is to [reauthenticate](Auth::reauthenticate).
    #[error("a recent proof of identity is required")]
    Required,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why nobody was reauthenticated.
#[derive(Debug, thiserror::Error)]
pub enum ReauthenticateError {
    /// The proof was not accepted.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The access token belongs to no session that could be marked.
    #[error("the access token belongs to no session")]
    NoSession,
}

impl Auth {
    /// `Ok` when the person logged in or [reauthenticated](Self::reauthenticate) in this session at most
    /// [`recent_for`](crate::account_rules::AccountRules::recent_for) ago. One point read.
    ///
    /// # Errors
    ///
    /// [`RecentError`]: longer ago, an access token without a session, or the store can't serve.
    pub async fn require_recent(&self, identity: &Identity, now: Timestamp) -> Result<(), RecentError> {
        let session = identity.session.ok_or(RecentError::Required)?;
        let session = self.store.find_session(identity.user_id, session).await.map_err(Fault::from)?;
        let session = session.filter(|session| session.ended.is_none()).ok_or(RecentError::Required)?;
        // By distance: a clock set back makes no proof last longer.
        let is_recent = now.distance(session.authenticated_at) < self.account_rules.recent_for;
        if is_recent { Ok(()) } else { Err(RecentError::Required) }
    }

    /// Marks the session of `identity` as one in which the person has just proven who they are. The attempt is
    /// counted with those of login.
    ///
    /// # Errors
    ///
    /// [`ReauthenticateError`]: not proven, an access token without a session, or the request could not be carried
    /// out.
    pub async fn reauthenticate(
        &self,
        identity: &Identity,
        proof: &Proof,
        origin: Origin<'_>,
    ) -> Result<(), ReauthenticateError> {
        let session = identity.session.ok_or(ReauthenticateError::NoSession)?;
        let refused = NewEvent::new(EventKind::ReauthenticationRefused, origin, self.clock.now()).about(session);
        let proven = self.prove(identity, proof, refused, origin).await?;
        let now = self.clock.now();
        let event = NewEvent::new(EventKind::Reauthenticated, origin, now).about(session);
        let marked: Result<(), ProofError> = self
            .amend(identity.user_id, |account| {
                proven.still_holds(account)?;
                let amendment = Amendment::new(account, account.clone(), now)
                    .with_sessions(SessionChange::Reauthenticated(session))
                    .with_record(self.record([event.clone()])?);
                Ok((Some(amendment), ()))
            })
            .await;
        Ok(marked?)
    }

    /// [Proves](Self::prove) for a change of how the account is got into; a refusal is recorded with what it was `for`.
    pub(crate) async fn prove_for(
        &self,
        identity: &Identity,
        proof: &Proof,
        purpose: &'static str,
        origin: Origin<'_>,
    ) -> Result<Proven, ProofError> {
        let refused = NewEvent::new(EventKind::ReauthenticationRefused, origin, self.clock.now()).with("for", purpose);
        self.prove(identity, proof, NewEvent { session: identity.session, ..refused }, origin).await
    }

    /// Checks that whoever asks knows the account's password, and has its second factor where there is one. Counted
    /// with the attempts to log in, before anything is hashed; a refusal is recorded as `refused` before it is said.
    ///
    /// What is done with the proof asks [`Proven::still_holds`] of the account it is done to.
    pub(crate) async fn prove(
        &self,
        identity: &Identity,
        proof: &Proof,
        refused: NewEvent,
        origin: Origin<'_>,
    ) -> Result<Proven, ProofError> {
        let user = identity.user_id;
        let account = self.store.find_account(user).await.map_err(Fault::from)?;
        let account = account.ok_or(ProofError::UserNotFound)?;
        if !self.is_token_of(identity, &account.user).await? {
            return Err(ProofError::UserNotFound);
        }
        let attempt = Attempt::Password { account: account.user.email.key(), address: origin.address };
        let admission = self.admit(attempt).await?;
        let outcome = self.check_password(&account, &proof.password, origin).await;
        let settled = match &outcome {
            Ok(()) if account.second_factor.is_some() => Outcome::Pending,
            other => Outcome::of(other, |error| matches!(error, ProofError::Fault(_))),
        };
        self.settle(admission, settled).await;
        let outcome = match outcome {
            Ok(()) => self.check_code((identity, &account), proof, origin).await,
            refusal => refusal,
        };
        match outcome {
            Err(ProofError::Fault(fault)) => return Err(fault.into()),
            Err(refusal) => {
                self.record_event(Some(user), refused).await?;
                return Err(refusal);
            }
            Ok(()) => {}
        }
        Ok(Proven { account })
    }

    async fn check_password(
        &self,
        account: &Account,
        password: &Password,
        origin: Origin<'_>,
    ) -> Result<(), ProofError> {
        let pool = self.pool_for(origin);
        let hash = Some(&account.password_hash);
        let verification = pool.verify_password(password, hash).await.map_err(Fault::from)?;
        if !verification.matches {
            return Err(ProofError::WrongPassword);
        }
        if account.user.is_active { Ok(()) } else { Err(ProofError::Deactivated) }
    }

    /// A code that was right is used up by now, whatever becomes of what it was for.
    async fn check_code(
        &self,
        (identity, account): (&Identity, &Account),
        proof: &Proof,
        origin: Origin<'_>,
    ) -> Result<(), ProofError> {
        if account.second_factor.is_none() {
            return Ok(());
        }
        let code = proof.code.as_ref().ok_or(ProofError::WrongCode)?;
        let code = TypedCode { text: code, session_began: Some(self.beginning_of(identity).await?) };
        self.spend_code(account, code, origin).await.map_err(|error| match error {
            CodeError::Wrong => ProofError::WrongCode,
            CodeError::Changed => ProofError::WrongPassword,
            CodeError::Deactivated => ProofError::Deactivated,
            CodeError::Fault(fault) => ProofError::Fault(fault),
        })
    }
}

impl Auth {
    /// When the session of `identity` began. A token of no session is of one that began before everything: no recovery
    /// code is older.
    async fn beginning_of(&self, identity: &Identity) -> Result<Timestamp, Fault> {
        let Some(session) = identity.session else { return Ok(Timestamp::from_micros(i64::MIN)) };
        let session = self.store.find_session(identity.user_id, session).await?;
        Ok(session.map_or(Timestamp::from_micros(i64::MIN), |session| session.created_at))
    }
}

/// That the password, and the second factor where there is one, of an account as it was read were known.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) account: Account,
}

impl Proven {
    /// Whether it proves anything of the account as it is now.
    pub(crate) fn still_holds(&self, now: &Account) -> Result<(), ProofError> {
        if now.version != self.account.version {
            return Err(ProofError::WrongPassword);
        }
        if now.user.is_active { Ok(()) } else { Err(ProofError::Deactivated) }
    }
}

impl From<AmendRefusal> for ProofError {
    /// Neither addresses nor roles are changed where proofs are asked for alone.
    fn from(_: AmendRefusal) -> Self {
        Self::UserNotFound
    }
}
