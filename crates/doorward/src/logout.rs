//! Logout: the end of one session.

use crate::audit::{EventKind, NewEvent};
use crate::auth::Auth;
use crate::error::Fault;
use crate::origin::Origin;
use crate::session::EndReason;
use crate::token::refresh::RefreshToken;

impl Auth {
    /// Ends the session of a refresh token, its access tokens included. A token that is unknown,
    /// malformed or of an ended session changes nothing and is no error.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the request could not be carried out.
    pub async fn logout(&self, refresh_token: &str, origin: Origin<'_>) -> Result<(), Fault> {
        let Ok(token) = RefreshToken::parse(refresh_token) else { return Ok(()) };
        let now = self.clock.now();
        let event = NewEvent::new(EventKind::Logout, origin, now);
        let record = self.record([event.clone()])?;
        if let Some((session, user_id)) = self.store.end_session(token.handle(), EndReason::Logout, record, now).await?
        {
            event.about(session).log(Some(user_id));
            self.learn_endings().await;
        }
        Ok(())
    }
}
