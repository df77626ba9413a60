//! What is done with links and codes.

use std::fmt;

use doorward::email::EmailAddress;
use doorward::password::{NewPassword, Password};
use doorward::recovery::FactorAtRecovery;
use doorward::{TicketProof, UserId};
use zeroize::Zeroizing;

use super::{read_email, read_password};
use crate::error::ApiError;
use crate::validation::{FieldFault, Fields, FromFields};

/// A link's token, or a code and whose it is.
pub struct Ticket {
    token: Option<Zeroizing<String>>,
    email: Option<EmailAddress>,
    code: Option<Zeroizing<String>>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ticket(…)")
    }
}

impl Ticket {
    /// `token`, or else `code` with or without `email`; a fault when there is neither.
    fn read(fields: &mut Fields) -> Option<Self> {
        let secret = |text, _| Ok(Zeroizing::new(text));
        let token = fields.optional_string("token", secret)?;
        let code = fields.optional_string("code", secret)?;
        if token.is_none() && code.is_none() {
            fields.string("token", secret)?;
        }
        // With a token the other two don't matter.
        let email = match token {
            Some(_) => None,
            None => fields.optional_string("email", |text, loc| read_email(&text, loc))?,
        };
        Some(Self { token, email, code })
    }

    /// What is presented: a link, a code for an address, or a code of whoever is logged in.
    pub(crate) fn proof(&self, user: Option<UserId>) -> Result<TicketProof, ApiError> {
        match (self.token.as_ref(), self.email.as_ref(), user) {
            (Some(token), ..) => Ok(TicketProof::link(token)),
            (None, Some(email), _) => Ok(TicketProof::code(email.clone(), self.code())),
            (None, None, Some(user)) => Ok(TicketProof::code_of(user, self.code())),
            (None, None, None) => Err(ApiError::validation(vec![FieldFault::missing(vec!["body", "email"])])),
        }
    }

    fn code(&self) -> &str {
        self.code.as_ref().map_or("", |code| code.as_str())
    }
}

/// Who asks for a letter to an address: to recover an account, or to have another address.
#[derive(Debug)]
pub struct EmailRequest {
    /// The address.
    pub email: EmailAddress,
}

impl FromFields for EmailRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { email: fields.string("email", |text, loc| read_email(&text, loc))? })
    }
}

/// Who verifies an address.
#[derive(Debug)]
pub struct VerifyEmailRequest {
    /// The link or code.
    pub ticket: Ticket,
    /// What shows that who verifies is who registered; a bearer token shows it too.
    pub password: Option<Password>,
}

impl FromFields for VerifyEmailRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let ticket = Ticket::read(fields);
        let password = fields.optional_string("password", read_password);
        Some(Self { ticket: ticket?, password: password? })
    }
}

/// Who confirms another address.
#[derive(Debug)]
pub struct ConfirmEmailRequest {
    /// The link or code.
    pub ticket: Ticket,
}

impl FromFields for ConfirmEmailRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { ticket: Ticket::read(fields)? })
    }
}

/// Who keeps an address, by the link of a letter about a change.
pub struct KeepEmailRequest {
    /// The link's token.
    pub token: Zeroizing<String>,
}

impl fmt::Debug for KeepEmailRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeepEmailRequest(…)")
    }
}

impl FromFields for KeepEmailRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { token: fields.string("token", |text, _| Ok(Zeroizing::new(text)))? })
    }
}

/// Who chooses a password by a link or code.
#[derive(Debug)]
pub struct ChoosePasswordRequest {
    /// The link or code.
    pub ticket: Ticket,
    /// A password that the policy allows.
    pub password: NewPassword,
}

/// Who recovers an account: a password chosen by a link or code, and what is to become of a second factor.
#[derive(Debug)]
pub struct RecoverRequest {
    /// The link or code, and the password.
    pub choice: ChoosePasswordRequest,
    /// Whether a young second factor goes.
    pub factor: FactorAtRecovery,
}

impl FromFields for RecoverRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let choice = ChoosePasswordRequest::from_fields(fields);
        let removes = fields.flag("remove_new_second_factor")?;
        let factor = if removes { FactorAtRecovery::RemoveYoung } else { FactorAtRecovery::Keep };
        Some(Self { choice: choice?, factor })
    }
}

impl FromFields for ChoosePasswordRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let ticket = Ticket::read(fields);
        let password = fields.new_password("password", None);
        Some(Self { ticket: ticket?, password: password? })
    }
}
