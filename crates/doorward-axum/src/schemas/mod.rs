//! The schemas of the contract, a file a topic.

mod administration;
mod credentials;
mod events;
mod profile;
mod proof;
mod second_factor;
mod sessions;
mod tickets;
mod users;

use doorward::Timestamp;
use doorward::email::EmailAddress;
use doorward::password::{PASSWORD_MAX_BYTES, Password, PasswordTooLong};

pub use administration::{RoleChange, UserInvite};
pub use credentials::{LoginRequest, RefreshRequest, TokenResponse, UserCreate};
pub use events::{EventPageResponse, EventResponse};
pub(crate) use profile::PersonalDataResponse;
pub use profile::ProfileUpdate;
pub use proof::{EmailChangeRequest, PasswordChangeRequest, ProofRequest, ReauthenticateRequest};
pub use second_factor::{
    RecoveryCodesResponse, SecondFactorRequest, TotpConfirmRequest, TotpEnrolmentResponse, TotpResponse,
};
pub use sessions::{SessionResponse, SessionsResponse};
pub use tickets::{
    ChoosePasswordRequest, ConfirmEmailRequest, EmailRequest, KeepEmailRequest, RecoverRequest, Ticket,
    VerifyEmailRequest,
};
pub use users::{AdminUserResponse, UserPageResponse, UserResponse};

use crate::validation::{FieldFault, Location};

/// An address out of a body.
pub(crate) fn read_email(text: &str, loc: Location) -> Result<EmailAddress, FieldFault> {
    EmailAddress::parse(text)
        .map_err(|invalid| FieldFault::value_error(loc, "value is not a valid email address", invalid.reason()))
}

/// A password out of a body, whatever was typed, up to the limit.
pub(crate) fn read_password(text: String, loc: Location) -> Result<Password, FieldFault> {
    Password::new(text).map_err(|PasswordTooLong| FieldFault::string_too_long(loc, PASSWORD_MAX_BYTES))
}

/// RFC 3339 in UTC, with `Z`.
pub(crate) fn rfc3339(moment: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(moment.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
