//! The second step of a login: what the right password gets, and what a code gets for it.

use std::fmt;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{CodeError, TypedCode};
use crate::account::{Account, Amendment};
use crate::audit::{EventKind, NewEvent};
use crate::auth::{AmendRefusal, Auth, TokenPair};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::login::LoginError;
use crate::origin::Origin;
use crate::password::PasswordHash;
use crate::sealing::Label;
use crate::store::VerifiedLogin;
use crate::user::{CredentialVersion, UserId};

/// Sets the challenge apart from everything else that is sealed: it is good for the second step and nothing else.
const CHALLENGE_LABEL: Label = Label("doorward login challenge v1");
/// How long a challenge is good.
const CHALLENGE_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Proves for five minutes that whoever has it knew the password. It opens nothing: it is no access token, and without
/// a code it is good for nothing. Another password or second factor makes it void.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct LoginChallenge(String);

impl LoginChallenge {
    /// The text to send back with the code.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// How long it is good, from its issue.
    pub const fn expires_in(&self) -> Duration {
        CHALLENGE_LIFETIME
    }
}

impl fmt::Debug for LoginChallenge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LoginChallenge(…)")
    }
}

/// Why the second step let nobody in.
#[derive(Debug, thiserror::Error)]
pub enum SecondStepError {
    /// It is no challenge, it is too old, or the password or second factor was changed since. To be begun anew.
    #[error("invalid or expired challenge")]
    ChallengeInvalid,
    /// It is no code of the account's, or was used before.
    #[error("wrong code")]
    CodeInvalid,
    /// The account is deactivated.
    #[error("the account is deactivated")]
    Deactivated,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<CodeError> for SecondStepError {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Wrong => Self::CodeInvalid,
            CodeError::Changed => Self::ChallengeInvalid,
            CodeError::Deactivated => Self::Deactivated,
            CodeError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<LoginError> for SecondStepError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Deactivated => Self::Deactivated,
            LoginError::Fault(fault) => Self::Fault(fault),
            // Another password or second factor since the code was checked.
            _ => Self::ChallengeInvalid,
        }
    }
}

impl Auth {
    /// Opens a session for whoever has the challenge of [`login`](Self::login) and a code of the second factor: the
    /// authenticator's or a recovery code. The attempt is [counted](crate::limits) before the code is looked at, and a
    /// code is good once.
    ///
    /// # Errors
    ///
    /// [`SecondStepError`]: refused, or the request could not be carried out.
    pub async fn login_with_code(
        &self,
        challenge: &str,
        code: &str,
        origin: Origin<'_>,
    ) -> Result<TokenPair, SecondStepError> {
        self.fresh_sealer().await?;
        let (user, version) = self.open_challenge(challenge).ok_or(SecondStepError::ChallengeInvalid)?;
        let account = self.store.find_account(user).await.map_err(Fault::from)?;
        let account = account.filter(|account| account.version == version).ok_or(SecondStepError::ChallengeInvalid)?;
        self.spend_code(&account, TypedCode { text: code, session_began: None }, origin).await?;
        let login = VerifiedLogin { user_id: user, version, upgraded_hash: None };
        Ok(self.open_session(login, origin).await?)
    }

    /// What the right password comes to where a code is needed beside it. A stronger hash of it is kept by now: the
    /// second step has no password any more.
    pub(crate) async fn challenge(
        &self,
        account: &Account,
        stronger_hash: Option<PasswordHash>,
        origin: Origin<'_>,
    ) -> Result<LoginChallenge, Fault> {
        let (now, user, version) = (self.clock.now(), account.user.id, account.version);
        let event = NewEvent::new(EventKind::SecondFactorRequired, origin, now);
        match stronger_hash {
            Some(hash) => self.keep_rehashed(account, hash, event).await?,
            None => self.record_event(Some(user), event).await?,
        }
        self.seal_challenge(user, version, now)
    }

    async fn keep_rehashed(&self, read: &Account, hash: PasswordHash, event: NewEvent) -> Result<(), Fault> {
        let kept: Result<(), RehashError> = self
            .amend(read.user.id, |account| {
                // Another password since: that hash is nobody's any more.
                let hash = (account.version == read.version).then(|| hash.clone());
                let amendment =
                    Amendment::rehashing(account, hash, event.at).with_record(self.record([event.clone()])?);
                Ok((Some(amendment), ()))
            })
            .await;
        match kept {
            Err(RehashError::Fault(fault)) => Err(fault),
            // An account that is gone needs no hash; its challenge will open nothing.
            Ok(()) | Err(RehashError::Gone) => Ok(()),
        }
    }

    fn seal_challenge(
        &self,
        user: UserId,
        CredentialVersion(version): CredentialVersion,
        now: Timestamp,
    ) -> Result<LoginChallenge, Fault> {
        let numbers = [user.value(), version, now.plus(CHALLENGE_LIFETIME).micros()];
        let sealed = self.sealer().seal(CHALLENGE_LABEL, &numbers.map(i64::to_be_bytes).concat())?;
        Ok(LoginChallenge(URL_SAFE_NO_PAD.encode_to_string(sealed)))
    }

    fn open_challenge(&self, challenge: &str) -> Option<(UserId, CredentialVersion)> {
        let sealed = URL_SAFE_NO_PAD.decode_to_vec(challenge).ok()?;
        let [user, version, expires_at] = super::numbers(&self.sealer().open_fresh(CHALLENGE_LABEL, &sealed)?)?;
        let is_alive = self.clock.now().micros() < expires_at;
        UserId::new(user).filter(|_| is_alive).map(|user| (user, CredentialVersion(version)))
    }
}

/// Why a stronger hash was not kept.
enum RehashError {
    Gone,
    Fault(Fault),
}

impl From<Fault> for RehashError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<AmendRefusal> for RehashError {
    fn from(_: AmendRefusal) -> Self {
        Self::Gone
    }
}
