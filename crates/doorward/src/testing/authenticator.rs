//! An authenticator in a test's hands.

use std::fmt;

use crate::clock::Timestamp;
use crate::second_factor::totp::{TotpSecret, step_at};

/// The letters of a secret, by their value.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a person has on their phone: shows the code of a moment.
#[derive(Clone)]
pub struct Authenticator(TotpSecret);

impl fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authenticator(…)")
    }
}

impl Authenticator {
    /// An authenticator into which that secret was typed: base32, as an enrolment gives it; `None` when it is none.
    pub fn new(secret: &str) -> Option<Self> {
        let (mut bytes, mut pending, mut bits) = (Vec::new(), 0_u32, 0_u8);
        for letter in secret.bytes() {
            let value = ALPHABET.iter().position(|known| *known == letter)?;
            pending = (pending << 5 | u32::try_from(value).ok()?) & 0xfff;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push((pending >> bits).to_le_bytes()[0]);
            }
        }
        bytes.try_into().ok().map(|secret| Self(TotpSecret::from_bytes(secret)))
    }

    /// The code that it shows at that moment. Each is good once: for the next one let 30 seconds pass.
    pub fn code(&self, moment: Timestamp) -> String {
        self.0.code(step_at(moment)).iter().map(|digit| char::from(*digit)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_an_enrolment_writes() {
        let secret = TotpSecret::generate().unwrap();
        let authenticator = Authenticator::new(&secret.to_base32()).unwrap();
        assert!(authenticator.0 == secret);
        assert!(Authenticator::new("GEZDGNBV").is_none());
        assert!(Authenticator::new("gezdgnbvgy3tqojqgezdgnbvgy3tqojq").is_none());
        let rfc = Authenticator::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        assert_eq!(rfc.code(Timestamp::from_seconds(59)), "287082");
    }
}
