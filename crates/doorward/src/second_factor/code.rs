//! What a typed code comes to, and using it up.

use zeroize::Zeroizing;

use super::recovery_codes::{self, Letters};
use super::totp::{DIGITS, SECRET_BYTES, TotpSecret};
use super::{CODE_MAX_BYTES, SecondFactor, typed};
use crate::account::{Account, Amendment};
use crate::audit::{EventKind, NewEvent};
use crate::auth::{AmendRefusal, Auth};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::letter::LetterContent;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::random::RandomnessError;
use crate::sealing::{Label, Sealer};
use crate::user::UserId;

pub(crate) const SECRET_LABEL: Label = Label("doorward totp secret v1");

/// Why a code was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    /// It is no code of the account's, or was used before.
    #[error("wrong code")]
    Wrong,
    /// The password or the second factor was changed meanwhile, or the account is gone.
    #[error("the credentials were changed")]
    Changed,
    /// The account is deactivated.
    #[error("the account is deactivated")]
    Deactivated,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<AmendRefusal> for CodeError {
    fn from(_: AmendRefusal) -> Self {
        Self::Changed
    }
}

/// A code as it was typed, and where.
#[derive(Clone, Copy)]
pub(crate) struct TypedCode<'a> {
    /// What was typed.
    pub(crate) text: &'a str,
    /// When the session began in which it was typed; `None` at a login. Recovery codes that were made later prove
    /// nothing in it: who has stolen a session must not bring along what it gave them.
    pub(crate) session_began: Option<Timestamp>,
}

/// A right code: the second factor as it is when the code is used up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) factor: SecondFactor,
    /// How many recovery codes are left, if it was one.
    pub(super) recovery_codes_left: Option<usize>,
}

/// The authenticator's secret, sealed for that account.
pub(super) fn seal(sealer: &Sealer, user: UserId, secret: &TotpSecret) -> Result<Vec<u8>, RandomnessError> {
    let plain = Zeroizing::new([&user.value().to_be_bytes()[..], secret.as_bytes()].concat());
    sealer.seal(SECRET_LABEL, &plain)
}

/// The secret that was sealed for that account, and for no other.
pub(crate) fn open(sealer: &Sealer, user: UserId, sealed: &[u8]) -> Option<TotpSecret> {
    let plain = sealer.open(SECRET_LABEL, sealed)?;
    let (owner, secret) = plain.split_first_chunk::<8>()?;
    let secret: [u8; SECRET_BYTES] = secret.try_into().ok()?;
    (i64::from_be_bytes(*owner) == user.value()).then(|| TotpSecret::from_bytes(secret))
}

/// The second factor with its secret sealed under the active key; `None` when it is, or when no key opens it.
pub(crate) fn sealed_anew(
    sealer: &Sealer,
    user: UserId,
    factor: &SecondFactor,
) -> Result<Option<SecondFactor>, RandomnessError> {
    if sealer.open_fresh(SECRET_LABEL, &factor.sealed_secret).is_some() {
        return Ok(None);
    }
    let Some(secret) = open(sealer, user, &factor.sealed_secret) else { return Ok(None) };
    Ok(Some(SecondFactor { sealed_secret: seal(sealer, user, &secret)?, ..factor.clone() }))
}

/// Six digits, whatever a person puts between them.
pub(super) fn digits(code: &str) -> Option<[u8; DIGITS]> {
    let mut digits = [0; DIGITS];
    let mut typed = typed(code);
    for digit in &mut digits {
        *digit = typed.next().filter(u8::is_ascii_digit)?;
    }
    typed.next().is_none().then_some(digits)
}

/// What is left of `factor` when `code` is used up; `None` when it is no code of it.
///
/// The secret is sealed anew each time, so that it follows the data key.
pub(super) fn spend(
    sealer: &Sealer,
    user: UserId,
    factor: &SecondFactor,
    code: &str,
    now: Timestamp,
) -> Result<Option<Spent>, RandomnessError> {
    if code.len() > CODE_MAX_BYTES {
        return Ok(None);
    }
    if let Some(digits) = digits(code) {
        let Some(secret) = open(sealer, user, &factor.sealed_secret) else {
            tracing::error!(event = "totp_secret_unreadable", user_id = user.value());
            return Ok(None);
        };
        let Some(last_step) = secret.find_step(digits, now, factor.last_step) else { return Ok(None) };
        let sealed_secret = seal(sealer, user, &secret)?;
        let factor = SecondFactor { sealed_secret, last_step, ..factor.clone() };
        return Ok(Some(Spent { factor, recovery_codes_left: None }));
    }
    let place =
        Letters::read(code).and_then(|letters| recovery_codes::find(sealer, user, &factor.recovery_codes, &letters));
    Ok(place.map(|place| {
        let mut factor = factor.clone();
        factor.recovery_codes.remove(place);
        let left = factor.recovery_codes.len();
        Spent { factor, recovery_codes_left: Some(left) }
    }))
}

impl Auth {
    /// Uses up a code of `account` as it was read. The attempt is counted before the code is looked at; the code is
    /// spent, or its refusal recorded, before anybody learns of it. An account without a second factor has no code.
    pub(crate) async fn spend_code(
        &self,
        account: &Account,
        code: TypedCode<'_>,
        origin: Origin<'_>,
    ) -> Result<(), CodeError> {
        let attempt = Attempt::SecondFactor { account: account.user.email.key(), address: origin.address };
        let admission = self.admit(attempt).await?;
        let outcome = self.spend_admitted(account, code, origin).await;
        let is_no_guess = |error: &CodeError| matches!(error, CodeError::Fault(_) | CodeError::Changed);
        self.settle(admission, Outcome::of(&outcome, is_no_guess)).await;
        outcome
    }

    async fn spend_admitted(
        &self,
        account: &Account,
        code: TypedCode<'_>,
        origin: Origin<'_>,
    ) -> Result<(), CodeError> {
        let now = self.clock.now();
        let read = account;
        let sealer = self.sealer();
        let spent = self
            .amend(read.user.id, |account| {
                if account.version != read.version {
                    return Err(CodeError::Changed);
                }
                if !account.user.is_active {
                    return Err(CodeError::Deactivated);
                }
                let factor = account.second_factor.as_ref().ok_or(CodeError::Wrong)?;
                let spent = spend(&sealer, account.user.id, factor, code.text, now).map_err(Fault::from)?;
                let is_too_young =
                    code.session_began.is_some_and(|began| factor.recovery_codes_made_at >= began.micros());
                let spent = spent.filter(|spent| spent.recovery_codes_left.is_none() || !is_too_young);
                Ok(match spent {
                    Some(spent) => (Some(self.spending(account, spent, origin, now)?), true),
                    None => (None, false),
                })
            })
            .await?;
        if spent {
            return Ok(());
        }
        let refused = NewEvent::new(EventKind::SecondFactorRefused, origin, now);
        self.record_event(Some(read.user.id), refused).await?;
        Err(CodeError::Wrong)
    }

    /// The amendment that uses a code up. The owner is told when it was a recovery code.
    fn spending(
        &self,
        account: &Account,
        spent: Spent,
        origin: Origin<'_>,
        now: Timestamp,
    ) -> Result<Amendment, Fault> {
        let after = Account { second_factor: Some(spent.factor), ..account.clone() };
        let amendment = Amendment::new(account, after, now);
        let Some(left) = spent.recovery_codes_left else { return Ok(amendment) };
        let used = NewEvent::new(EventKind::RecoveryCodeUsed, origin, now).with("left", left.to_string());
        let mut record = self.record([used])?;
        record.messages.push(self.letter_to(&account.user, LetterContent::RecoveryCodeUsed { left }, now)?);
        Ok(amendment.with_record(record))
    }
}

#[cfg(test)]
mod tests {
    use super::super::totp::step_at;
    use super::*;
    use crate::sealing::tests::sealer;

    const OLD: u8 = 1;
    const NEW: u8 = 2;
    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn user(id: i64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn factor(sealer: &Sealer, secret: &TotpSecret) -> (SecondFactor, Vec<String>) {
        let (codes, recovery_codes) = recovery_codes::generate(sealer, user(1)).unwrap();
        let sealed_secret = seal(sealer, user(1), secret).unwrap();
        (
            SecondFactor { sealed_secret, last_step: 0, recovery_codes, enabled_at: 0, recovery_codes_made_at: 0 },
            codes.reveal().to_vec(),
        )
    }

    fn present_code(secret: &TotpSecret) -> String {
        String::from_utf8(secret.code(step_at(NOW)).to_vec()).unwrap()
    }

    #[test]
    fn a_code_is_six_digits_whatever_stands_between() {
        assert_eq!(digits("123456"), Some(*b"123456"));
        assert_eq!(digits(" 123-456 "), Some(*b"123456"));
        for text in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "+12345", "123456\n"] {
            assert_eq!(digits(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_its_accounts_alone_and_follows_the_rotation() {
        let secret = TotpSecret::generate().unwrap();
        let code = present_code(&secret);
        let (factor, codes) = factor(&sealer(&[OLD]), &secret);
        let spent_with = |sealer: &Sealer, id, factor: &SecondFactor, code: &str| {
            spend(sealer, user(id), factor, code, NOW).unwrap().map(|spent| spent.factor)
        };
        // Put into another account's row by whoever can write the database.
        assert_eq!(spent_with(&sealer(&[OLD]), 2, &factor, &code), None);
        assert_eq!(spent_with(&sealer(&[OLD]), 2, &factor, &codes[0]), None);
        assert_eq!(spent_with(&sealer(&[NEW]), 1, &factor, &code), None);
        let rotated = spent_with(&sealer(&[NEW, OLD]), 1, &factor, &code).unwrap();
        let without_the_old = SecondFactor { last_step: 0, ..rotated };
        assert!(spent_with(&sealer(&[NEW]), 1, &without_the_old, &code).is_some());
    }

    #[test]
    fn each_code_is_good_once() {
        let sealer = sealer(&[OLD]);
        let secret = TotpSecret::generate().unwrap();
        let (mut factor, codes) = factor(&sealer, &secret);
        for (index, code) in codes.iter().enumerate() {
            let spent = spend(&sealer, user(1), &factor, code, NOW).unwrap().unwrap();
            assert_eq!(spent.recovery_codes_left, Some(9 - index));
            factor = spent.factor;
            assert_eq!(spend(&sealer, user(1), &factor, code, NOW).unwrap(), None);
        }
        let code = present_code(&secret);
        let spent = spend(&sealer, user(1), &factor, &code, NOW).unwrap().unwrap();
        assert_eq!((spent.factor.last_step, spent.recovery_codes_left), (step_at(NOW), None));
        assert_eq!(spend(&sealer, user(1), &spent.factor, &code, NOW).unwrap(), None);
        assert_eq!(spend(&sealer, user(1), &factor, &format!("{code:>65}"), NOW).unwrap(), None);
    }
}
