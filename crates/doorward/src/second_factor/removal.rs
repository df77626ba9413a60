//! A second factor that goes without its owner's code: by an operator, or because it is young and perhaps an intruder's.

use crate::account::{Account, Amendment, Record, SessionChange};
use crate::admin::AdminError;
use crate::audit::{EventKind, NewEvent};
use crate::auth::Auth;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::letter::LetterContent;
use crate::origin::Origin;
use crate::session::EndReason;
use crate::ticket::YOUNG;
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

    /// Takes a second factor younger than [`YOUNG`] from the account as it is to be, with the event and the letter. An
    /// older one stays.
    pub(crate) fn remove_young_factor(
        &self,
        after: &mut Account,
        record: &mut Record,
        (origin, now): (Origin<'_>, Timestamp),
    ) -> Result<(), Fault> {
        let enabled_at = after.second_factor.as_ref().map(|factor| Timestamp::from_micros(factor.enabled_at));
        if enabled_at.is_some_and(|enabled_at| now.since(enabled_at) < YOUNG) {
            after.second_factor = None;
            record.events.extend(self.record([NewEvent::new(EventKind::SecondFactorDisabled, origin, now)])?.events);
            record.messages.push(self.letter_to(&after.user, LetterContent::SecondFactorDisabled, now)?);
        }
        Ok(())
    }
}
