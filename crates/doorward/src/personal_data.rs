//! A person's copy of what is kept of them.

use crate::account::Account;
use crate::audit::{EventKind, NewEvent};
use crate::auth::Auth;
use crate::authenticate::{AuthenticateError, Identity};
use crate::error::Fault;
use crate::events::EventPages;
use crate::origin::Origin;
use crate::session::Session;

/// What is kept of a person. The account and the sessions hold hashes: whoever shows them leaves those out.
#[derive(Debug)]
pub struct PersonalData {
    /// Their account.
    pub account: Account,
    /// Their sessions that live.
    pub sessions: Vec<Session>,
    /// Every event of theirs, the latest first.
    pub events: EventPages,
}

impl Auth {
    /// What is kept of whoever asks. That they asked is recorded.
    ///
    /// # Errors
    ///
    /// [`AuthenticateError`]: there is no such user, it is deactivated, or the request could not be carried out.
    pub async fn personal_data(
        &self,
        identity: &Identity,
        origin: Origin<'_>,
    ) -> Result<PersonalData, AuthenticateError> {
        let user = self.current_user(identity).await?;
        self.admit_event(&user).await?;
        let id = user.id;
        let account = self.store.find_account(id).await.map_err(Fault::from)?;
        let account = account.ok_or(AuthenticateError::UserNotFound)?;
        if !account.user.is_active {
            return Err(AuthenticateError::Deactivated);
        }
        let now = self.clock.now();
        let sessions = self.store.list_sessions(id, now).await.map_err(Fault::from)?;
        let event = NewEvent::new(EventKind::DataExported, origin, now);
        self.record_event(Some(id), NewEvent { session: identity.session, ..event }).await?;
        Ok(PersonalData { account, sessions, events: EventPages::of_user(id) })
    }
}
