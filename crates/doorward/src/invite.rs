//! Invitations: an account that an administrator makes and whose owner chooses the password.

use crate::account::Record;
use crate::audit::{EventKind, NewEvent};
use crate::auth::Auth;
use crate::email::EmailAddress;
use crate::error::Fault;
use crate::letter::LetterContent;
use crate::origin::Origin;
use crate::password::PasswordHash;
use crate::profile::FullName;
use crate::register::RegisterError;
use crate::role::Role;
use crate::store::UserCreation;
use crate::ticket::Purpose;
use crate::user::{NewUser, User};

/// Who is invited.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// The address: the invitation goes there.
    pub email: EmailAddress,
    /// The person's name, when it is known.
    pub full_name: Option<FullName>,
    /// What the person will be allowed to do.
    pub role: Role,
}

impl Auth {
    /// Makes an account that no password opens, and sends its owner a letter with which to choose one. Of a new
    /// administrator every administrator is told.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the address is taken, or the request could not be carried out.
    pub async fn invite_user(&self, invitation: Invitation, origin: Origin<'_>) -> Result<User, RegisterError> {
        let Invitation { email, full_name, role } = invitation;
        let full_name = full_name.map(String::from);
        let now = self.clock.now();
        let (ticket, secret) = self.issue_ticket(Purpose::Invitation, email.as_str(), now)?;
        let letter = self.letter(email.as_str(), full_name.clone(), LetterContent::Invitation(secret), now)?;
        let event = NewEvent::new(EventKind::UserInvited, origin, now).with("role", role.as_str());
        let mut record: Record = self.record([event.clone()])?;
        record.messages.push(letter);
        if role == Role::Admin {
            record.messages.extend(self.tell_administrators(None, (&email, role), now).await?);
        }
        let password_hash = PasswordHash::unusable();
        let new_user = NewUser {
            email,
            password_hash,
            full_name,
            role,
            email_verified_at: None,
            tickets: vec![ticket],
            created_at: now,
        };
        match self.store.create_user(new_user, None, record).await.map_err(Fault::from)? {
            UserCreation::Created(user) => {
                event.log(Some(user.id));
                Ok(user)
            }
            UserCreation::AddressTaken => Err(RegisterError::AddressTaken),
        }
    }
}
