//! Enabling the second factor, disabling it, and new recovery codes.

use std::fmt;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::code::{digits, seal};
use super::totp::{SECRET_BYTES, Step, TotpSecret};
use super::{RecoveryCodes, SecondFactor, recovery_codes, uri};
use crate::account::{Account, Amendment, SessionChange};
use crate::audit::{EventKind, NewEvent};
use crate::auth::{AmendRefusal, Auth};
use crate::authenticate::Identity;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::letter::LetterContent;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::reauthenticate::{Proof, ProofError};
use crate::sealing::Label;
use crate::session::EndReason;
use crate::user::UserId;
use crate::verify_email::EmailVerification;

/// Sets an enrolment apart from everything else that is sealed.
const ENROLMENT_LABEL: Label = Label("doorward totp enrolment v1");
/// How long an enrolment may take.
const ENROLMENT_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// What a person needs to set up an authenticator. Nothing is stored yet: the enrolment is sealed and comes back with
/// the first code.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct TotpEnrolment {
    /// The secret, to be typed: base32.
    pub secret: String,
    /// The same for a QR code: an `otpauth://` URI.
    pub uri: String,
    /// To be sent back with a code, within fifteen minutes, by the same account.
    pub enrolment: String,
}

impl fmt::Debug for TotpEnrolment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TotpEnrolment(…)")
    }
}

/// Why the second factor was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// It was not proven in the request whose account it is.
    #[error(transparent)]
    Proof(ProofError),
    /// The address is to be proven first: who registers a stranger's address must not keep its owner out for good.
    #[error("the email address is not verified")]
    EmailNotVerified,
    /// There is one already: to get another, disable it first.
    #[error("a second factor is enabled already")]
    AlreadyEnabled,
    /// There is none.
    #[error("no second factor is enabled")]
    NotEnabled,
    /// It is no enrolment, not this account's, too old, or the password was changed since.
    #[error("invalid or expired enrolment")]
    EnrolmentInvalid,
    /// It is no code of the authenticator's, or was used before.
    #[error("wrong code")]
    CodeInvalid,
    /// The account is deactivated.
    #[error("the account is deactivated")]
    Deactivated,
    /// There is no such user any more.
    #[error("the user does not exist")]
    UserNotFound,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<AmendRefusal> for SecondFactorError {
    /// Neither addresses nor roles are changed here.
    fn from(_: AmendRefusal) -> Self {
        Self::UserNotFound
    }
}

impl From<ProofError> for SecondFactorError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Deactivated => Self::Deactivated,
            ProofError::UserNotFound => Self::UserNotFound,
            ProofError::Fault(fault) => Self::Fault(fault),
            ProofError::WrongPassword | ProofError::WrongCode => Self::Proof(error),
        }
    }
}

/// What its owner may know of a second factor. Nothing of its secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondFactorState {
    /// Since when a login asks for a code.
    pub enabled_at: Timestamp,
    /// How many recovery codes are left.
    pub recovery_codes_left: usize,
}

impl Auth {
    /// Whether the account has a second factor. One point read.
    ///
    /// # Errors
    ///
    /// [`SecondFactorError`]: no such user, deactivated, or the store can't serve.
    pub async fn second_factor(&self, identity: &Identity) -> Result<Option<SecondFactorState>, SecondFactorError> {
        let account = self.account_of(identity).await?;
        Ok(account.second_factor.map(|factor| SecondFactorState {
            enabled_at: Timestamp::from_micros(factor.enabled_at),
            recovery_codes_left: factor.recovery_codes.len(),
        }))
    }

    /// Begins to enable the second factor: a fresh secret for the person's authenticator. The only time it is shown.
    /// Takes the password and, where addresses are to be verified at all, a verified one. Good for the session it was
    /// asked for in, and no longer than that lives.
    ///
    /// # Errors
    ///
    /// [`SecondFactorError`]: refused, or the request could not be carried out.
    pub async fn enrol_totp(
        &self,
        identity: &Identity,
        proof: &Proof,
        origin: Origin<'_>,
    ) -> Result<TotpEnrolment, SecondFactorError> {
        let account = self.account_of(identity).await?;
        if account.second_factor.is_some() {
            return Err(SecondFactorError::AlreadyEnabled);
        }
        let asks_for_proof = self.account_rules.email_verification != EmailVerification::Off;
        if asks_for_proof && account.user.email_verified_at.is_none() {
            return Err(SecondFactorError::EmailNotVerified);
        }
        let account = self.prove_for(identity, proof, "enrolment", origin).await?.account;
        let now = self.clock.now();
        let secret = TotpSecret::generate().map_err(Fault::from)?;
        let numbers = [account.user.id.value(), account.version.0, now.plus(ENROLMENT_LIFETIME).micros()];
        let session = session_bytes(identity);
        let plain = [&numbers.map(i64::to_be_bytes).concat()[..], &session, secret.as_bytes()].concat();
        let plain = Zeroizing::new(plain);
        let sealed = self.sealer().seal(ENROLMENT_LABEL, &plain).map_err(Fault::from)?;
        Ok(TotpEnrolment {
            secret: secret.to_base32(),
            uri: uri::otpauth(&self.account_rules.service_name, account.user.email.as_str(), &secret),
            enrolment: URL_SAFE_NO_PAD.encode_to_string(sealed),
        })
    }

    /// Enables the second factor when `code` shows that the authenticator has the secret. That code is used up; every
    /// other session ends, and the owner is told by mail.
    ///
    /// # Errors
    ///
    /// [`SecondFactorError`]: refused, or the request could not be carried out.
    pub async fn confirm_totp(
        &self,
        identity: &Identity,
        enrolment: &str,
        code: &str,
        origin: Origin<'_>,
    ) -> Result<RecoveryCodes, SecondFactorError> {
        let now = self.clock.now();
        self.fresh_sealer().await?;
        let account = self.account_of(identity).await?;
        let secret =
            self.open_enrolment((identity, &account), enrolment, now).ok_or(SecondFactorError::EnrolmentInvalid)?;
        let attempt = Attempt::SecondFactor { account: account.user.email.key(), address: origin.address };
        let admission = self.admit(attempt).await?;
        let step = digits(code).and_then(|digits| secret.find_step(digits, now, Step::MIN));
        self.settle(admission, if step.is_some() { Outcome::Succeeded } else { Outcome::Failed }).await;
        let step = step.ok_or(SecondFactorError::CodeInvalid)?;
        self.enable(identity, &account, (&secret, step), origin).await
    }

    async fn enable(
        &self,
        identity: &Identity,
        read: &Account,
        (secret, last_step): (&TotpSecret, Step),
        origin: Origin<'_>,
    ) -> Result<RecoveryCodes, SecondFactorError> {
        let (now, user) = (self.clock.now(), read.user.id);
        let (codes, recovery_codes) = recovery_codes::generate(&self.sealer(), user).map_err(Fault::from)?;
        let sealed_secret = seal(&self.sealer(), user, secret).map_err(Fault::from)?;
        let (enabled_at, recovery_codes_made_at) = (now.micros(), now.micros());
        let factor = SecondFactor { sealed_secret, last_step, recovery_codes, enabled_at, recovery_codes_made_at };
        self.amend(user, |account| {
            if account.second_factor.is_some() {
                return Err(SecondFactorError::AlreadyEnabled);
            }
            if account.version != read.version {
                return Err(SecondFactorError::EnrolmentInvalid);
            }
            let kept = SessionChange::EndAllBut(identity.session, EndReason::CredentialChanged);
            let after = Some(factor.clone());
            let told = (EventKind::SecondFactorEnabled, LetterContent::SecondFactorEnabled);
            let amendment = self.change_factor((account, after), told, (identity, origin), now)?;
            Ok((Some(amendment.with_sessions(kept)), ()))
        })
        .await?;
        Ok(codes)
    }

    /// Disables the second factor: for who proves with the password and a code of it whose account it is. The owner is
    /// told by mail.
    ///
    /// # Errors
    ///
    /// [`SecondFactorError`]: refused, or the request could not be carried out.
    pub async fn disable_totp(
        &self,
        identity: &Identity,
        proof: &Proof,
        origin: Origin<'_>,
    ) -> Result<(), SecondFactorError> {
        self.require_second_factor(identity).await?;
        let proven = self.prove_for(identity, proof, "second_factor", origin).await?;
        let now = self.clock.now();
        self.amend(identity.user_id, |account| {
            proven.still_holds(account)?;
            let told = (EventKind::SecondFactorDisabled, LetterContent::SecondFactorDisabled);
            Ok((Some(self.change_factor((account, None), told, (identity, origin), now)?), ()))
        })
        .await
    }

    /// Makes ten new recovery codes; the old ones are void. Recovery codes are an authenticator, and this binds a new
    /// one: it takes the password and a code, and the owner is told by mail.
    ///
    /// # Errors
    ///
    /// [`SecondFactorError`]: refused, or the request could not be carried out.
    pub async fn renew_recovery_codes(
        &self,
        identity: &Identity,
        proof: &Proof,
        origin: Origin<'_>,
    ) -> Result<RecoveryCodes, SecondFactorError> {
        self.require_second_factor(identity).await?;
        let proven = self.prove_for(identity, proof, "recovery_codes", origin).await?;
        let now = self.clock.now();
        let (codes, hashes) = recovery_codes::generate(&self.sealer(), identity.user_id).map_err(Fault::from)?;
        self.amend(identity.user_id, |account| {
            proven.still_holds(account)?;
            let factor = account.second_factor.clone().ok_or(SecondFactorError::NotEnabled)?;
            let (recovery_codes, recovery_codes_made_at) = (hashes.clone(), now.micros());
            let after = Some(SecondFactor { recovery_codes, recovery_codes_made_at, ..factor });
            let told = (EventKind::RecoveryCodesRenewed, LetterContent::RecoveryCodesRenewed);
            let amendment = self.change_factor((account, after), told, (identity, origin), now)?;
            Ok::<_, SecondFactorError>((Some(amendment), ()))
        })
        .await?;
        Ok(codes)
    }

    /// Refuses before anything is hashed where there is no second factor.
    async fn require_second_factor(&self, identity: &Identity) -> Result<(), SecondFactorError> {
        let account = self.account_of(identity).await?;
        if account.second_factor.is_some() { Ok(()) } else { Err(SecondFactorError::NotEnabled) }
    }

    /// The account with another second factor or none, the event beside it, and the letter that tells its owner.
    fn change_factor(
        &self,
        (account, after): (&Account, Option<SecondFactor>),
        (kind, letter): (EventKind, LetterContent),
        (identity, origin): (&Identity, Origin<'_>),
        now: Timestamp,
    ) -> Result<Amendment, SecondFactorError> {
        if !account.user.is_active {
            return Err(SecondFactorError::Deactivated);
        }
        let after = Account { second_factor: after, ..account.clone() };
        let event = NewEvent { session: identity.session, ..NewEvent::new(kind, origin, now) };
        let mut record = self.record([event])?;
        record.messages.push(self.letter_to(&account.user, letter, now)?);
        Ok(Amendment::new(account, after, now).with_record(record))
    }

    async fn account_of(&self, identity: &Identity) -> Result<Account, SecondFactorError> {
        let account = self.store.find_account(identity.user_id).await.map_err(Fault::from)?;
        let account = account.ok_or(SecondFactorError::UserNotFound)?;
        if !self.is_token_of(identity, &account.user).await? {
            return Err(SecondFactorError::UserNotFound);
        }
        if account.user.is_active { Ok(account) } else { Err(SecondFactorError::Deactivated) }
    }

    fn open_enrolment(
        &self,
        (identity, account): (&Identity, &Account),
        enrolment: &str,
        now: Timestamp,
    ) -> Option<TotpSecret> {
        let sealed = URL_SAFE_NO_PAD.decode_to_vec(enrolment).ok()?;
        let plain = self.sealer().open_fresh(ENROLMENT_LABEL, &sealed)?;
        let (head, secret) = plain.split_last_chunk::<SECRET_BYTES>()?;
        let (head, session) = head.split_last_chunk::<16>()?;
        let [user, version, expires_at] = super::numbers(head)?;
        let is_theirs = UserId::new(user) == Some(account.user.id) && version == account.version.0;
        let is_this_sessions = *session == session_bytes(identity);
        let is_good = is_theirs && is_this_sessions && now.micros() < expires_at;
        is_good.then(|| TotpSecret::from_bytes(*secret))
    }
}

/// The session of a person as an enrolment names it; zeros where there is none.
fn session_bytes(identity: &Identity) -> [u8; 16] {
    identity.session.map_or([0; 16], |session| session.as_uuid().into_bytes())
}
