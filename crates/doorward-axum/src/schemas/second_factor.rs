//! What the second factor asks for and answers.

use std::fmt;

use doorward::second_factor::{CODE_MAX_BYTES, RecoveryCodes, SecondFactorState, TotpEnrolment};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::rfc3339;
use crate::validation::{FieldFault, Fields, FromFields, Location};

/// The first code of an authenticator that is to be enabled.
pub struct TotpConfirmRequest {
    /// What the enrolment answered.
    pub enrolment: Zeroizing<String>,
    /// As it was typed.
    pub code: Zeroizing<String>,
}

/// The second step of a login.
pub struct SecondFactorRequest {
    /// What the first step answered.
    pub challenge: Zeroizing<String>,
    /// As it was typed.
    pub code: Zeroizing<String>,
}

impl fmt::Debug for TotpConfirmRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TotpConfirmRequest(…)")
    }
}

impl fmt::Debug for SecondFactorRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecondFactorRequest(…)")
    }
}

impl FromFields for TotpConfirmRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let enrolment = fields.string("enrolment", |text, _| Ok(Zeroizing::new(text)));
        let code = fields.string("code", read_code);
        Some(Self { enrolment: enrolment?, code: code? })
    }
}

impl FromFields for SecondFactorRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let challenge = fields.string("challenge", |text, _| Ok(Zeroizing::new(text)));
        let code = fields.string("code", read_code);
        Some(Self { challenge: challenge?, code: code? })
    }
}

fn read_code(text: String, loc: Location) -> Result<Zeroizing<String>, FieldFault> {
    let code = Zeroizing::new(text);
    if code.len() > CODE_MAX_BYTES { Err(FieldFault::string_too_long(loc, CODE_MAX_BYTES)) } else { Ok(code) }
}

/// What sets up an authenticator. Shown this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct TotpEnrolmentResponse {
    /// The secret, to be typed: base32.
    pub secret: String,
    /// The same as an `otpauth://` URI.
    pub uri: String,
    /// The same as a QR code: an SVG element to put into a page.
    pub qr_svg: String,
    /// To be sent back with the first code, within fifteen minutes.
    pub enrolment: String,
}

impl fmt::Debug for TotpEnrolmentResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TotpEnrolmentResponse(…)")
    }
}

impl TotpEnrolmentResponse {
    /// The enrolment with its QR code.
    pub(crate) fn new(enrolment: &TotpEnrolment, qr_svg: String) -> Self {
        Self {
            secret: enrolment.secret.clone(),
            uri: enrolment.uri.clone(),
            qr_svg,
            enrolment: enrolment.enrolment.clone(),
        }
    }
}

/// The recovery codes. Shown this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct RecoveryCodesResponse {
    /// Ten codes, each good once.
    pub recovery_codes: Vec<String>,
}

impl fmt::Debug for RecoveryCodesResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RecoveryCodesResponse(…)")
    }
}

impl From<RecoveryCodes> for RecoveryCodesResponse {
    fn from(codes: RecoveryCodes) -> Self {
        Self { recovery_codes: codes.reveal().to_vec() }
    }
}

/// Whether there is a second factor. Nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotpResponse {
    /// Whether a login asks for a code.
    pub enabled: bool,
    /// Since when: RFC 3339 in UTC, with `Z`.
    pub enabled_at: Option<String>,
    /// How many recovery codes are left.
    pub recovery_codes_left: usize,
}

impl From<Option<SecondFactorState>> for TotpResponse {
    fn from(state: Option<SecondFactorState>) -> Self {
        Self {
            enabled: state.is_some(),
            enabled_at: state.map(|state| rfc3339(state.enabled_at)),
            recovery_codes_left: state.map_or(0, |state| state.recovery_codes_left),
        }
    }
}
