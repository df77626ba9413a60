//! What a person tells of themselves, and their copy of what is kept of them.

use doorward::clock::Timestamp;
use doorward::personal_data::PersonalData;
use doorward::profile::{FULL_NAME_MAX, FullName, InvalidName, ProfileChange};
use doorward::session::Session;
use doorward::ticket::Ticket;
use serde::Serialize;

use super::{UserResponse, rfc3339};
use crate::validation::{FieldFault, Fields, FromFields, Location};

/// What a person changes of what is told of them. A member that isn't there changes nothing; every member that is
/// not of the schema is ignored, `role` and `email` among them.
#[derive(Debug)]
pub struct ProfileUpdate {
    /// The change.
    pub change: ProfileChange,
}

impl FromFields for ProfileUpdate {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let full_name = match fields.has("full_name") {
            true => Some(fields.optional_string("full_name", |text, loc| read_full_name(&text, loc))?),
            false => None,
        };
        Some(Self { change: ProfileChange { full_name } })
    }
}

/// A name out of a body.
pub(crate) fn read_full_name(text: &str, loc: Location) -> Result<FullName, FieldFault> {
    FullName::parse(text).map_err(|invalid| match invalid {
        InvalidName::Empty => FieldFault::string_too_short(loc, 1),
        InvalidName::TooLong => FieldFault::too_many_characters(loc, FULL_NAME_MAX),
        InvalidName::ControlCharacter => FieldFault::value_error(loc, "Value error", "contains a control character"),
    })
}

/// A person's copy of what is kept of them, but for the events, which follow. No hash and no secret is in it.
#[derive(Debug, Serialize)]
pub(crate) struct PersonalDataResponse {
    account: AccountExport,
    sessions: Vec<SessionExport>,
}

#[derive(Debug, Serialize)]
struct AccountExport {
    #[serde(flatten)]
    user: UserResponse,
    is_active: bool,
    email_verified_at: Option<String>,
    must_change_password: bool,
    second_factor_since: Option<String>,
    recovery_codes_left: usize,
    sent_links: Vec<TicketExport>,
}

#[derive(Debug, Serialize)]
struct TicketExport {
    purpose: &'static str,
    email: String,
    expires_at: String,
}

#[derive(Debug, Serialize)]
struct SessionExport {
    id: String,
    device: Option<String>,
    address: Option<String>,
    created_at: String,
    authenticated_at: String,
    last_used_at: String,
    expires_at: String,
}

impl From<&PersonalData> for PersonalDataResponse {
    fn from(data: &PersonalData) -> Self {
        let account = &data.account;
        let factor = account.second_factor.as_ref();
        Self {
            account: AccountExport {
                user: account.user.clone().into(),
                is_active: account.user.is_active,
                email_verified_at: account.user.email_verified_at.map(rfc3339),
                must_change_password: account.must_change_password,
                second_factor_since: factor.map(|factor| rfc3339(Timestamp::from_micros(factor.enabled_at))),
                recovery_codes_left: factor.map_or(0, |factor| factor.recovery_codes.len()),
                sent_links: account.tickets.iter().map(TicketExport::from).collect(),
            },
            sessions: data.sessions.iter().map(SessionExport::from).collect(),
        }
    }
}

impl From<&Ticket> for TicketExport {
    fn from(ticket: &Ticket) -> Self {
        let expires_at = rfc3339(Timestamp::from_micros(ticket.expires_at));
        Self { purpose: ticket.purpose.as_str(), email: ticket.email.clone(), expires_at }
    }
}

impl From<&Session> for SessionExport {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            device: session.device.clone(),
            address: session.address.map(|address| address.to_string()),
            created_at: rfc3339(session.created_at),
            authenticated_at: rfc3339(session.authenticated_at),
            last_used_at: rfc3339(session.issued_at),
            expires_at: rfc3339(session.expires_at),
        }
    }
}
