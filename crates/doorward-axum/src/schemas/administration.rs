//! What administrators send. No member is ever a password: whoever owns an account chooses it.

use std::str::FromStr;

use doorward::Role;
use doorward::invite::Invitation;

use super::profile::read_full_name;
use super::read_email;
use crate::validation::{FieldFault, Fields, FromFields, Location};

/// Who is invited: `email`, and `full_name` and `role` when they are not none and `user`.
#[derive(Debug)]
pub struct UserInvite {
    /// The invitation.
    pub invitation: Invitation,
}

/// The role that an account is to have.
#[derive(Debug)]
pub struct RoleChange {
    /// Which.
    pub role: Role,
}

impl FromFields for UserInvite {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let email = fields.string("email", |text, loc| read_email(&text, loc));
        let full_name = fields.optional_string("full_name", |text, loc| read_full_name(&text, loc));
        let role = fields.optional_string("role", |text, loc| read_role(&text, loc));
        let role = role?.unwrap_or(Role::User);
        Some(Self { invitation: Invitation { email: email?, full_name: full_name?, role } })
    }
}

impl FromFields for RoleChange {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { role: fields.string("role", |text, loc| read_role(&text, loc))? })
    }
}

fn read_role(text: &str, loc: Location) -> Result<Role, FieldFault> {
    let expected = Role::ALL.map(|role| format!("'{role}'")).join(" or ");
    Role::from_str(text).map_err(|_| FieldFault::enumeration(loc, &expected))
}
