//! What an operator does for who has lost the authenticator and the recovery codes.

use crate::account::{Account, Amendment, SessionChange};
use crate::admin::AdminError;
use crate::audit::{EventKind, NewEvent};
use crate::auth::Auth;
use crate::letter::LetterContent;
use crate::origin::Origin;
use crate::session::EndReason;
use crate::user::UserId;

impl Auth {
    /// Removes the second factor of an account, if there is one: the password alone logs in then. Every session ends, and
    /// the owner is told by mail. For an operator who knows by other means whose account it is.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: no such user, or the request could not be carried out.
    pub async fn remove_second_factor(&self, id: UserId, origin: Origin<'_>) -> Result<(), AdminError> {
        let now = self.clock.now();
        self.amend(id, |account| {
            if account.second_factor.is_none() {
                return Ok::<_, AdminError>((None, ()));
            }
            let event = NewEvent::new(EventKind::SecondFactorDisabled, origin, now);
            let mut record = self.record([event])?;
            record.messages.push(self.letter_to(&account.user, LetterContent::SecondFactorDisabled, now)?);
            let amendment = Amendment::new(account, Account { second_factor: None, ..account.clone() }, now)
                .with_sessions(SessionChange::EndAllBut(None, EndReason::CredentialChanged))
                .with_record(record);
            Ok((Some(amendment), ()))
        })
        .await
    }
}
