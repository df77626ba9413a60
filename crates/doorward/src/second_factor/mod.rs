//! The second factor: time-based codes (RFC 6238) and single-use recovery codes, as they are stored with the account.

use serde::{Deserialize, Serialize};

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
