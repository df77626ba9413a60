//! Refreshing: a spent refresh token for its successor and a new access token.

use crate::audit::{EventKind, NewEvent};
use crate::auth::{Auth, TokenPair};
use crate::error::Fault;
use crate::limits::{Attempt, Outcome};
use crate::origin::Origin;
use crate::session::RotationAttempt;
use crate::store::Rotation;
use crate::token::refresh::RefreshToken;

/// Why no new pair was issued.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// No current token of a living session.
    #[error("invalid or expired refresh token")]
    Invalid,
    /// A spent token came back. The session has been ended, durably, before this was said.
    #[error("the refresh token was used before; its session has been ended")]
    Reused,
    /// The account is deactivated.
    #[error("the account is deactivated")]
    UserInactive,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Auth {
    /// Spends a refresh token and issues its successor in the same session.
    ///
    /// # Errors
    ///
    /// [`RefreshError`]: refused, or the request could not be carried out.
    pub async fn refresh(&self, refresh_token: &str, origin: Origin<'_>) -> Result<TokenPair, RefreshError> {
        // What was never a token asks nothing of the store and counts for nothing.
        let presented = RefreshToken::parse(refresh_token).map_err(|_| RefreshError::Invalid)?;
        let attempt = Attempt::Refresh { address: origin.address };
        let admission = self.admit(attempt).await?;
        let outcome = self.rotate(&presented, origin).await;
        self.settle(admission, Outcome::of(&outcome, |error| matches!(error, RefreshError::Fault(_)))).await;
        outcome
    }

    async fn rotate(&self, presented: &RefreshToken, origin: Origin<'_>) -> Result<TokenPair, RefreshError> {
        let successor = presented.successor().map_err(Fault::from)?;
        let now = self.clock.now();
        let reuse = NewEvent::new(EventKind::RefreshTokenReuse, origin, now);
        let keeps_successor = !self.refresh_rules.reuse_grace.is_zero();
        let attempt = RotationAttempt {
            handle: presented.handle(),
            presented: presented.hash(),
            successor: successor.hash(),
            sealed_successor: keeps_successor.then(|| presented.seal(&successor)),
            now,
            address: origin.address,
            on_reuse: self.record([reuse.clone()])?,
            rules: self.refresh_rules,
        };
        match self.store.rotate_session(attempt).await.map_err(Fault::from)? {
            Rotation::Rotated { session, user_id, role } => {
                Ok(self.token_pair(successor, (user_id, role, session), now)?)
            }
            Rotation::Repeated { session, user_id, role, sealed_successor } => {
                tracing::info!(event = "refresh_repeated", user_id = %user_id, session_id = %session);
                let successor = presented.unseal(&sealed_successor);
                Ok(self.token_pair(successor, (user_id, role, session), now)?)
            }
            Rotation::Reused { session, user_id } => {
                reuse.about(session).log(Some(user_id));
                self.learn_endings().await;
                Err(RefreshError::Reused)
            }
            Rotation::UserInactive => Err(RefreshError::UserInactive),
            Rotation::Invalid => Err(RefreshError::Invalid),
        }
    }
}
