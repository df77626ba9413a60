//! What proves once more that an account is somebody's, and what changes its password.

use doorward::password::NewPassword;
use doorward::reauthenticate::Proof;

use super::read_password;
use crate::validation::{Fields, FromFields};

/// Who proves once more who they are.
#[derive(Debug)]
pub struct ReauthenticateRequest {
    /// The password, and a code where there is a second factor.
    pub proof: Proof,
}

impl FromFields for ReauthenticateRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { proof: read_proof(fields, "password")? })
    }
}

/// Who wants another password.
#[derive(Debug)]
pub struct PasswordChangeRequest {
    /// The password in use, and a code where there is a second factor.
    pub proof: Proof,
    /// A password that the policy allows. Whether it suits the person is seen where their address is known.
    pub new_password: NewPassword,
}

impl FromFields for PasswordChangeRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let proof = read_proof(fields, "current_password");
        let new_password = fields.new_password("new_password", None);
        Some(Self { proof: proof?, new_password: new_password? })
    }
}

/// The password in the member `name`, and the code in `code`.
pub(super) fn read_proof(fields: &mut Fields, name: &'static str) -> Option<Proof> {
    let password = fields.string(name, read_password);
    let code = fields.optional_string("code", |text, _| Ok(text));
    Some(Proof { password: password?, code: code? })
}
