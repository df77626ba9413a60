//! Changing a password: a new one for the old one.

use crate::account::{Account, Amendment, SessionChange};
use crate::audit::{EventKind, NewEvent};
use crate::auth::{Auth, TokenPair};
use crate::authenticate::Identity;
use crate::error::Fault;
use crate::letter::LetterContent;
use crate::login::LoginError;
use crate::origin::Origin;
use crate::password::{NewPassword, NewPasswordError, PasswordHash, PasswordRefused};
use crate::reauthenticate::{Proof, ProofError, Proven};
use crate::session::EndReason;
use crate::store::VerifiedLogin;
use crate::ticket::Purpose;
use crate::user::CredentialVersion;

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// Whoever asks did not prove that the account is theirs.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The new password may not be chosen.
    #[error(transparent)]
    Refused(#[from] PasswordRefused),
}

impl From<LoginError> for ProofError {
    /// What keeps a session from being opened for who has just proven everything.
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Fault(fault) => Self::Fault(fault),
            LoginError::Deactivated => Self::Deactivated,
            // It was changed once more.
            _ => Self::WrongPassword,
        }
    }
}

impl From<NewPasswordError> for ChangePasswordError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Refused(refused) => Self::Refused(refused),
            NewPasswordError::Fault(fault) => Self::Proof(fault.into()),
        }
    }
}

impl Auth {
    /// Gives the account of `identity` a new password. In the same step every session of theirs ends, a letter tells
    /// them, and a link to recover the account that was sent before is good no more. The person who asked gets a new
    /// session: whoever had stolen tokens of the old one has none of this. Of several changes at once one is made: the
    /// others prove what no longer holds.
    ///
    /// The attempt is counted with those of login. Should the new session not be opened, the password is changed all the
    /// same, and the person logs in with it.
    ///
    /// # Errors
    ///
    /// [`ChangePasswordError`]: not proven, refused, or the request could not be carried out.
    pub async fn change_password(
        &self,
        identity: &Identity,
        proof: &Proof,
        password: &NewPassword,
        origin: Origin<'_>,
    ) -> Result<TokenPair, ChangePasswordError> {
        let mut refused = NewEvent::new(EventKind::PasswordChangeRefused, origin, self.clock.now());
        refused.session = identity.session;
        let proven = self.prove(identity, proof, refused, origin).await?;
        if password.password().is(&proof.password) {
            return Err(PasswordRefused::Unchanged.into());
        }
        let hash = self.hash_new_password(password, &proven.account.user.email, origin).await?;
        let version = self.set_password(identity, &proven, &hash, origin).await?;
        let login = VerifiedLogin { user_id: identity.user_id, version, upgraded_hash: None };
        Ok(self.open_session(login, origin).await.map_err(ProofError::from)?)
    }

    async fn set_password(
        &self,
        identity: &Identity,
        proven: &Proven,
        hash: &PasswordHash,
        origin: Origin<'_>,
    ) -> Result<CredentialVersion, ProofError> {
        let now = self.clock.now();
        let mut event = NewEvent::new(EventKind::PasswordChanged, origin, now);
        event.session = identity.session;
        self.amend(identity.user_id, |account| {
            proven.still_holds(account)?;
            let mut after = Account { password_hash: hash.clone(), must_change_password: false, ..account.clone() };
            after.tickets.retain(|ticket| ticket.purpose != Purpose::Recover);
            let mut record = self.record([event.clone()])?;
            record.messages.push(self.letter_to(&account.user, LetterContent::PasswordChanged, now)?);
            let all = SessionChange::EndAllBut(None, EndReason::CredentialChanged);
            let amendment = Amendment::new(account, after, now).with_sessions(all).with_record(record);
            let version = amendment.account.version;
            Ok((Some(amendment), version))
        })
        .await
    }
}

impl From<Fault> for ChangePasswordError {
    fn from(fault: Fault) -> Self {
        Self::Proof(fault.into())
    }
}
