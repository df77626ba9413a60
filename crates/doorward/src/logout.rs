//! Logout: the end of one session.

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
        let _ = origin;
        let Ok(token) = RefreshToken::parse(refresh_token) else { return Ok(()) };
        let ended = self.store.end_session(token.handle(), EndReason::Logout, self.clock.now()).await?;
        if let Some(session) = ended {
            tracing::info!(event = "logout", session_id = %session);
            self.learn_endings().await;
        }
        Ok(())
    }
}
