//! The second factor: time-based codes (RFC 6238) and single-use recovery codes.
//!
//! | file | what |
//! | --- | --- |
//! | `totp.rs` | codes of an authenticator, and which step one is of |
//! | `recovery_codes.rs` | codes on paper |
//! | `code.rs` | what a typed code comes to; pure. Using one up, counted and committed |
//! | `enrolment.rs` | enabling, disabling, new recovery codes |
//! | `removal.rs` | what an operator does for who has lost everything |
//! | `challenge.rs` | the second step of a login |
//!
//! An authenticator's secret is sealed, and shown once: while it is enrolled. A code is used up in the amendment that
//! tells it was right, so of two uses at once one is refused. What counts the attempts is in
//! [`limits`](crate::limits).

mod base32;
mod challenge;
mod code;
mod enrolment;
mod recovery_codes;
mod removal;
pub(crate) mod totp;
mod uri;

use serde::{Deserialize, Serialize};

pub use challenge::{LoginChallenge, SecondStepError};
pub(crate) use code::{CodeError, SECRET_LABEL, TypedCode, open, sealed_anew};
pub use enrolment::{SecondFactorError, SecondFactorState, TotpEnrolment};
pub(crate) use recovery_codes::RECOVERY_CODES_LABEL;
pub use recovery_codes::RecoveryCodes;

/// The most bytes of a code that are looked at.
pub const CODE_MAX_BYTES: usize = 64;

/// What a login asks for beside the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// The secret that an authenticator shares, sealed.
    pub sealed_secret: Vec<u8>,
    /// The last time step whose code was used: none of it or before it is good again.
    pub last_step: i64,
    /// Keyed hashes of the recovery codes that are not used up.
    pub recovery_codes: Vec<[u8; 32]>,
    /// When it was enabled, in microseconds since the Unix epoch.
    pub enabled_at: i64,
    /// When the recovery codes were made, likewise; 0 for those of before this was written down.
    #[serde(default)]
    pub recovery_codes_made_at: i64,
}

impl SecondFactor {
    /// As the store keeps it: JSON.
    pub fn to_stored(&self) -> String {
        // Numbers and arrays: nothing of it can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What a store kept; `None` when it can't be read.
    pub fn from_stored(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The bytes of a typed code without the spaces and hyphens that people put between.
fn typed(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(|byte| !matches!(byte, b' ' | b'-'))
}

/// So many big-endian numbers and nothing else.
fn numbers<const N: usize>(bytes: &[u8]) -> Option<[i64; N]> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let numbers: &[[u8; 8]; N] = chunks.try_into().ok()?;
    rest.is_empty().then(|| numbers.map(i64::from_be_bytes))
}
