//! What administrators do to accounts.

use crate::account::{Account, Amendment, SessionChange};
use crate::audit::{EventKind, NewEvent};
use crate::auth::{AmendRefusal, Auth};
use crate::clock::Timestamp;
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::letter::LetterContent;
use crate::origin::Origin;
use crate::outbox::NewMessage;
use crate::role::Role;
use crate::session::EndReason;
use crate::store::{UserPage, UserQuery};
use crate::ticket::{Purpose, replace};
use crate::user::{ActivationDecision, User, UserId, decide_activation};

/// How many administrators are told of one that comes or goes.
const TOLD_AT_MOST: u32 = 100;

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No such user.
    #[error("user not found")]
    UserNotFound,
    /// Administrators are not deactivated.
    #[error("administrators cannot be deactivated")]
    CannotDeactivateAdmin,
    /// It is the last administrator who can act.
    #[error("the last administrator can't be lost")]
    LastAdmin,
    /// Administrators erase their own account as everybody does, with their password.
    #[error("administrators erase their own account with their password")]
    OwnAccount,
    /// Something else is to blame.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Auth {
    /// Deactivates an account: every session ends at once, access tokens included. Idempotent.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: no such user, an administrator, or the request could not be carried out.
    pub async fn deactivate(&self, id: UserId, origin: Origin<'_>) -> Result<User, AdminError> {
        self.set_active(id, false, origin).await
    }

    /// Reactivates an account. Sessions and tokens from before stay dead. Idempotent.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: no such user, or the request could not be carried out.
    pub async fn reactivate(&self, id: UserId, origin: Origin<'_>) -> Result<User, AdminError> {
        self.set_active(id, true, origin).await
    }

    /// Gives a user another role, in force at once whatever their access tokens say. That person and every administrator
    /// are told by mail when it makes or unmakes an administrator.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: no such user, or the request could not be carried out.
    pub async fn set_role(&self, id: UserId, role: Role, origin: Origin<'_>) -> Result<User, AdminError> {
        let now = self.clock.now();
        let administrators = self.administrators().await?;
        self.amend(id, |account| {
            if account.user.role == role {
                return Ok((None, account.user.clone()));
            }
            let event = NewEvent::new(EventKind::RoleChanged, origin, now).with("role", role.as_str());
            let user = User { role, ..account.user.clone() };
            let (amendment, user) = self.change_user(account, user, event)?;
            let amendment = amendment.map(|mut amendment| {
                let others = administrators.iter().filter(|other| other.id != id);
                let told = self.letters_about_administrator(others.chain([&user]), (&user.email, role), now)?;
                amendment.record.messages.extend(told);
                Ok::<_, Fault>(amendment)
            });
            Ok((amendment.transpose()?, user))
        })
        .await
    }

    /// Makes the owner of an account choose another password before anything else: every session ends, the old
    /// password lets nobody in any more, and a letter with a link to choose a new one goes out.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: no such user, or the request could not be carried out.
    pub async fn force_password_change(&self, id: UserId, origin: Origin<'_>) -> Result<User, AdminError> {
        let now = self.clock.now();
        self.amend(id, |account| {
            let user = account.user.clone();
            let (ticket, secret) = self.issue_ticket(Purpose::Recover, user.email.as_str(), now)?;
            let mut after = Account { must_change_password: true, ..account.clone() };
            replace(&mut after.tickets, ticket);
            let mut record = self.record([NewEvent::new(EventKind::PasswordChangeForced, origin, now)])?;
            record.messages.push(self.letter_to(&user, LetterContent::Recover(secret), now)?);
            let sessions = SessionChange::EndAllBut(None, EndReason::RevokedByAdmin);
            let amendment = Amendment::new(account, after, now).with_sessions(sessions).with_record(record);
            Ok((Some(amendment), user))
        })
        .await
    }

    /// A page of the users that match, newest first.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the request could not be carried out.
    pub async fn list_users(&self, query: UserQuery) -> Result<UserPage, Fault> {
        Ok(self.store.list_users(query).await?)
    }

    /// The account of that number.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the request could not be carried out.
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, Fault> {
        Ok(self.store.find_user(id).await?)
    }

    /// The account of that address.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the request could not be carried out.
    pub async fn find_user_by_email(&self, email: &EmailAddress) -> Result<Option<User>, Fault> {
        Ok(self.store.find_account_by_email(email).await?.map(|account| account.user))
    }

    /// The administrators who can act and are told of others that come and go: the [`TOLD_AT_MOST`] newest.
    async fn administrators(&self) -> Result<Vec<User>, Fault> {
        let role = Some(Role::Admin);
        let query = UserQuery { role, is_active: Some(true), email_prefix: None, offset: 0, limit: TOLD_AT_MOST };
        Ok(self.store.list_users(query).await?.users)
    }

    /// A letter to every administrator but `changed`, and to `changed` if there is one: the account of that address has
    /// that role from now on.
    pub(crate) async fn tell_administrators(
        &self,
        changed: Option<&User>,
        account: (&EmailAddress, Role),
        now: Timestamp,
    ) -> Result<Vec<NewMessage>, Fault> {
        let administrators = self.administrators().await?;
        let others = administrators.iter().filter(|other| changed.is_none_or(|changed| changed.id != other.id));
        self.letters_about_administrator(others.chain(changed), account, now)
    }

    /// A letter to each of `readers`: that account has become an administrator's, or is one's no longer.
    fn letters_about_administrator<'a>(
        &self,
        readers: impl Iterator<Item = &'a User>,
        (account, role): (&EmailAddress, Role),
        now: Timestamp,
    ) -> Result<Vec<NewMessage>, Fault> {
        let is_admin = role == Role::Admin;
        let told = || LetterContent::AdministratorChanged { account: account.as_str().to_owned(), is_admin };
        readers.map(|reader| self.letter_to(reader, told(), now)).collect()
    }

    async fn set_active(&self, id: UserId, active: bool, origin: Origin<'_>) -> Result<User, AdminError> {
        let now = self.clock.now();
        self.amend(id, |account| match decide_activation(&account.user, active) {
            ActivationDecision::RefuseAdmin => Err(AdminError::CannotDeactivateAdmin),
            ActivationDecision::Keep => Ok((None, account.user.clone())),
            ActivationDecision::Change => {
                let kind = if active { EventKind::UserReactivated } else { EventKind::UserDeactivated };
                let user = User { is_active: active, ..account.user.clone() };
                self.change_user(account, user, NewEvent::new(kind, origin, now))
            }
        })
        .await
    }

    /// The account's row with another `user`, the event beside it, and what is answered.
    fn change_user(
        &self,
        account: &Account,
        user: User,
        event: NewEvent,
    ) -> Result<(Option<Amendment>, User), AdminError> {
        let after = Account { user: user.clone(), ..account.clone() };
        let now = event.at;
        Ok((Some(Amendment::new(account, after, now).with_record(self.record([event])?)), user))
    }
}

impl From<AmendRefusal> for AdminError {
    fn from(refusal: AmendRefusal) -> Self {
        match refusal {
            AmendRefusal::LastAdmin => Self::LastAdmin,
            // No address is changed here.
            AmendRefusal::NotFound | AmendRefusal::AddressTaken => Self::UserNotFound,
        }
    }
}
