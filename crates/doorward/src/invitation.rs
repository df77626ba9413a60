//! Invitation: the first password of an account that an administrator made.

use crate::auth::Auth;
use crate::origin::Origin;
use crate::password::NewPassword;
use crate::recovery::Reason;
use crate::redemption::{RedeemError, TicketProof};

impl Auth {
    /// Chooses the first password of an invited account, by the link of the invitation. The address is verified by
    /// it. Logs nobody in.
    ///
    /// # Errors
    ///
    /// [`RedeemError`]: the link is not good, or the request could not be carried out.
    pub async fn accept_invitation(
        &self,
        proof: &TicketProof,
        password: &NewPassword,
        origin: Origin<'_>,
    ) -> Result<(), RedeemError> {
        self.choose_password(proof, Reason::Invitation, password, origin).await
    }
}
