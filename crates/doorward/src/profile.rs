//! What a person tells of themselves, and changes.

use crate::account::{Account, Amendment};
use crate::audit::{EventKind, NewEvent};
use crate::auth::{AmendRefusal, Auth};
use crate::authenticate::{AuthenticateError, Identity};
use crate::origin::Origin;
use crate::text::is_disruptive;
use crate::user::User;

/// The longest name, in code points.
pub const FULL_NAME_MAX: usize = 200;

/// A person's name as they write it: 1 to [`FULL_NAME_MAX`] code points, nothing that breaks a line or turns text round.
///
/// ```
/// use doorward::profile::FullName;
///
/// assert_eq!(FullName::parse(" Ada Lovelace ")?.as_str(), "Ada Lovelace");
/// assert!(FullName::parse("Ada\r\nBcc: everybody@example.com").is_err());
/// # Ok::<(), doorward::profile::InvalidName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullName(String);

/// Why a text is no name. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing is left without the white space around it.
    #[error("the name is empty")]
    Empty,
    /// It has more than [`FULL_NAME_MAX`] code points.
    #[error("the name has more than {FULL_NAME_MAX} characters")]
    TooLong,
    /// It has a character that breaks a line or turns text round.
    #[error("the name has a control character")]
    ControlCharacter,
}

impl FullName {
    /// Reads a name that a person typed; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] with the first fault found.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim();
        if name.is_empty() {
            Err(InvalidName::Empty)
        } else if name.chars().count() > FULL_NAME_MAX {
            Err(InvalidName::TooLong)
        } else if name.chars().any(is_disruptive) {
            Err(InvalidName::ControlCharacter)
        } else {
            Ok(Self(name.to_owned()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<FullName> for String {
    fn from(name: FullName) -> Self {
        name.0
    }
}

/// What of a person's account is to be another; `None` leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfileChange {
    /// Their name, or none from now on.
    pub full_name: Option<Option<FullName>>,
}

impl Auth {
    /// Changes what is told of whoever asks. Gives the account as it is then.
    ///
    /// # Errors
    ///
    /// [`AuthenticateError`]: there is no such user, it is deactivated, or the request could not be carried out.
    pub async fn change_profile(
        &self,
        identity: &Identity,
        change: ProfileChange,
        origin: Origin<'_>,
    ) -> Result<User, AuthenticateError> {
        let user = self.current_user(identity).await?;
        self.admit_event(&user).await?;
        let now = self.clock.now();
        self.amend(user.id, |account| {
            if !account.user.is_active {
                return Err(AuthenticateError::Deactivated);
            }
            let user = changed(&account.user, &change);
            if user == account.user {
                return Ok((None, user));
            }
            let event = NewEvent::new(EventKind::ProfileChanged, origin, now);
            let event = NewEvent { session: identity.session, ..event.with("changed", "full_name") };
            let after = Account { user: user.clone(), ..account.clone() };
            Ok((Some(Amendment::new(account, after, now).with_record(self.record([event])?)), user))
        })
        .await
    }
}

fn changed(user: &User, change: &ProfileChange) -> User {
    let full_name = match &change.full_name {
        Some(name) => name.clone().map(String::from),
        None => user.full_name.clone(),
    };
    User { full_name, ..user.clone() }
}

impl From<AmendRefusal> for AuthenticateError {
    /// Neither addresses nor roles are changed here.
    fn from(_: AmendRefusal) -> Self {
        Self::UserNotFound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_two_hundred_code_points_and_no_line_end() {
        assert_eq!(FullName::parse(&"é".repeat(200)).map(|name| name.as_str().len()), Ok(400));
        assert_eq!(FullName::parse(&"é".repeat(201)), Err(InvalidName::TooLong));
        for text in ["", " ", "\u{a0}\t"] {
            assert_eq!(FullName::parse(text), Err(InvalidName::Empty), "{text:?}");
        }
        for text in ["A\0", "A\u{1b}[31mB", "A\u{2028}B", "A\u{202e}B"] {
            assert_eq!(FullName::parse(text), Err(InvalidName::ControlCharacter), "{text:?}");
        }
    }
}
