//! What proves once more that an account is somebody's, and what changes its password.

use doorward::EmailAddress;
use doorward::password::NewPassword;
use doorward::reauthenticate::Proof;

use super::{read_email, read_password};
use crate::error::ApiError;
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

/// A proof that goes with a change, where one was sent.
#[derive(Debug)]
pub struct ProofRequest {
    /// The password, and a code where there is a second factor; `None` when no password was sent.
    pub proof: Option<Proof>,
}

impl ProofRequest {
    /// The proof.
    ///
    /// # Errors
    ///
    /// 403 `AUTH_REAUTHENTICATION_REQUIRED` when none was sent.
    pub(crate) fn required(self) -> Result<Proof, ApiError> {
        self.proof.ok_or_else(ApiError::reauthentication_required)
    }
}

impl FromFields for ProofRequest {
    const NEEDS_BODY: bool = false;

    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { proof: read_optional_proof(fields)? })
    }
}

/// Who wants another address.
#[derive(Debug)]
pub struct EmailChangeRequest {
    /// Which.
    pub email: EmailAddress,
    /// The password, and a code where there is a second factor; `None` when no password was sent.
    pub proof: Option<Proof>,
}

impl FromFields for EmailChangeRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let email = fields.string("email", |text, loc| read_email(&text, loc));
        let proof = read_optional_proof(fields);
        Some(Self { email: email?, proof: proof? })
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

/// The password in `password` and the code in `code`, where there is a password.
fn read_optional_proof(fields: &mut Fields) -> Option<Option<Proof>> {
    let password = fields.optional_string("password", read_password);
    let code = fields.optional_string("code", |text, _| Ok(text));
    let code = code?;
    Some(password?.map(|password| Proof { password, code }))
}

/// The password in the member `name`, and the code in `code`.
fn read_proof(fields: &mut Fields, name: &'static str) -> Option<Proof> {
    let password = fields.string(name, read_password);
    let code = fields.optional_string("code", |text, _| Ok(text));
    Some(Proof { password: password?, code: code? })
}
