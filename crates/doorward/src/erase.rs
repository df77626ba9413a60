//! Erasure: an account and its sessions go; its events stay, without the person.

use crate::account::{Account, Amended, Erasure};
use crate::admin::AdminError;
use crate::audit::{EventKind, NewEvent};
use crate::auth::{AmendRefusal, Auth, LOOKS};
use crate::authenticate::Identity;
use crate::error::Fault;
use crate::origin::Origin;
use crate::reauthenticate::{Proof, ProofError};
use crate::role::Role;
use crate::store::StoreError;
use crate::user::UserId;

/// Why a person's account was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// They did not prove that it is theirs.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// It is the last administrator who can act.
    #[error("the last administrator can't be lost")]
    LastAdmin,
}

impl Auth {
    /// Erases the account of whoever asks and knows its password, and has its second factor where there is one. The
    /// attempt is counted with those of login. Every session ends at once, access tokens included.
    ///
    /// # Errors
    ///
    /// [`EraseError`]: not proven, the last administrator, or the request could not be carried out.
    pub async fn erase_own_account(
        &self,
        identity: &Identity,
        proof: &Proof,
        origin: Origin<'_>,
    ) -> Result<(), EraseError> {
        let proven = self.prove_for(identity, proof, "erasure", origin).await?;
        self.erase(identity.user_id, |account| Ok(proven.still_holds(account)?), origin).await
    }

    /// Erases an account on behalf of an administrator or operator. Administrators erase their own with
    /// [`erase_own_account`](Self::erase_own_account): that asks for the password.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: no such user, the last administrator, their own account, or the request could not be carried
    /// out.
    pub async fn erase_user(&self, id: UserId, origin: Origin<'_>) -> Result<(), AdminError> {
        if origin.actor.user_id() == Some(id) {
            return Err(AdminError::OwnAccount);
        }
        self.erase(id, |_| Ok(()), origin).await
    }

    /// Erases an account that `may` lets go, and tells every administrator if it is one's, looking again when it was changed meanwhile.
    async fn erase<E>(&self, id: UserId, may: impl Fn(&Account) -> Result<(), E>, origin: Origin<'_>) -> Result<(), E>
    where
        E: From<Fault> + From<AmendRefusal>,
    {
        let event = NewEvent::new(EventKind::UserErased, origin, self.clock.now());
        for _ in 0..LOOKS {
            let account = self.store.find_account(id).await.map_err(Fault::from)?.ok_or(AmendRefusal::NotFound)?;
            may(&account)?;
            let mut record = self.record([event.clone()])?;
            if account.user.role == Role::Admin {
                let user = &account.user;
                record.messages = self.tell_administrators(Some(user), (&user.email, Role::User), event.at).await?;
            }
            let erasure = Erasure { account, record, now: event.at };
            match self.store.erase_account(erasure).await.map_err(Fault::from)? {
                Amended::Done => {
                    event.log(Some(id));
                    self.learn_endings().await;
                    return Ok(());
                }
                Amended::LastAdmin => return Err(AmendRefusal::LastAdmin.into()),
                Amended::Stale | Amended::AddressTaken => {}
            }
        }
        Err(Fault::from(StoreError::Contended).into())
    }
}

impl From<Fault> for EraseError {
    fn from(fault: Fault) -> Self {
        Self::Proof(fault.into())
    }
}

impl From<AmendRefusal> for EraseError {
    fn from(refusal: AmendRefusal) -> Self {
        match refusal {
            AmendRefusal::LastAdmin => Self::LastAdmin,
            AmendRefusal::NotFound | AmendRefusal::AddressTaken => Self::Proof(ProofError::UserNotFound),
        }
    }
}
