//! E-mail addresses: validated once, compared by key.

use std::fmt;

/// A validated address, as it was spelled and as the key that makes one account an address.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    spelled: String,
    key: String,
}

/// Why a text is no address. The reason never repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidEmail {
    reason: &'static str,
}

impl InvalidEmail {
    /// The reason, as a sentence for a person.
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

impl EmailAddress {
    /// Reads an address that a person typed.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let spelled = text.trim().to_owned();
        if !spelled.contains('@') {
            return Err(InvalidEmail { reason: "An email address must have an @-sign." });
        }
        let key = spelled.to_lowercase();
        Ok(Self { spelled, key })
    }

    /// The address that a store kept as [`as_str`](Self::as_str) and [`key`](Self::key).
    pub fn from_stored(spelled: String, key: String) -> Self {
        Self { spelled, key }
    }

    /// The address as it was registered: NFC, its domain in lower-case ASCII.
    pub fn as_str(&self) -> &str {
        &self.spelled
    }

    /// The unique key of the account.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(…)")
    }
}
