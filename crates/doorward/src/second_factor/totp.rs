//! Time-based codes (RFC 6238 over RFC 4226): HMAC-SHA-1, six digits, a new one each 30 seconds.
//!
//! These are the parameters that every authenticator knows; several ignore any others that a URI names.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::base32;
use crate::clock::Timestamp;
use crate::random::{RandomnessError, random_bytes};

/// The bytes of a secret: as long as the hash (RFC 4226, section 4).
pub(super) const SECRET_BYTES: usize = 20;
/// How many digits a code has.
pub(super) const DIGITS: usize = 6;
/// How many seconds a code stands.
pub(super) const PERIOD: i64 = 30;
/// How many steps a clock may be behind or ahead (RFC 6238, section 5.2).
const DRIFT: i64 = 1;

/// Counts the periods since the Unix epoch.
pub(crate) type Step = i64;

/// What an authenticator and the service share.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct TotpSecret([u8; SECRET_BYTES]);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TotpSecret(…)")
    }
}

impl TotpSecret {
    /// A fresh one.
    pub(crate) fn generate() -> Result<Self, RandomnessError> {
        random_bytes().map(Self)
    }

    pub(crate) const fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// As it is typed into an authenticator: base32.
    pub(crate) fn to_base32(&self) -> String {
        base32::encode_secret(&self.0)
    }

    /// The code of that step.
    pub(crate) fn code(&self, step: Step) -> [u8; DIGITS] {
        let mut value = hotp(&self.0, step) % 10_u32.pow(6);
        let mut code = [b'0'; DIGITS];
        for digit in code.iter_mut().rev() {
            *digit += u8::try_from(value % 10).unwrap_or_default();
            value /= 10;
        }
        code
    }

    /// The step whose code `code` is, within the drift around `now` and after `last`: the latest if there are several.
    /// Every step is compared, in constant time, whatever the others came to.
    pub(super) fn find_step(&self, code: [u8; DIGITS], now: Timestamp, last: Step) -> Option<Step> {
        let present = step_at(now);
        let (mut found, mut step) = (Choice::from(0), 0);
        for candidate in present - DRIFT..=present + DRIFT {
            let matches = self.code(candidate).ct_eq(&code) & Choice::from(u8::from(candidate > last));
            step = Step::conditional_select(&step, &candidate, matches);
            found |= matches;
        }
        bool::from(found).then_some(step)
    }
}

/// The step that a moment is in.
pub(crate) const fn step_at(moment: Timestamp) -> Step {
    moment.seconds().div_euclid(PERIOD)
}

/// RFC 4226, section 5.3: 31 bits of the MAC, from where its last four bits say.
fn hotp(secret: &[u8], counter: i64) -> u32 {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mac = <Hmac<Sha1> as KeyInit>::new_from_slice(secret).expect("HMAC takes any key");
    let mac = mac.chain_update(counter.to_be_bytes()).finalize().into_bytes();
    let offset = usize::from(mac[19] & 0x0f);
    let bytes = [mac[offset], mac[offset + 1], mac[offset + 2], mac[offset + 3]];
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC: &[u8; 20] = b"12345678901234567890";

    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(*RFC)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn the_values_of_rfc_4226_appendix_d() {
        let truncated = [
            1_284_755_224,
            1_094_287_082,
            137_359_152,
            1_726_969_429,
            1_640_338_314,
            868_254_676,
            1_918_287_922,
            82_162_583,
            673_399_871,
            645_520_489,
        ];
        let codes =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (counter, (value, code)) in (0..).zip(truncated.into_iter().zip(codes)) {
            assert_eq!(hotp(RFC, counter), value);
            assert_eq!(secret().code(counter), code.as_bytes());
        }
    }

    #[test]
    fn the_values_of_rfc_6238_appendix_b() {
        let vectors = [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ];
        for (seconds, eight_digits) in vectors {
            let step = step_at(at(seconds));
            assert_eq!(hotp(RFC, step) % 100_000_000, eight_digits);
            assert_eq!(secret().code(step), format!("{:06}", eight_digits % 1_000_000).as_bytes());
        }
    }

    #[test]
    fn a_code_is_good_in_its_step_the_one_before_and_the_one_after_and_nowhere_else() {
        let start = 1_800_000_000;
        let code = secret().code(step_at(at(start)));
        for (seconds, good) in [(-31, false), (-30, true), (-1, true), (0, true), (29, true), (59, true), (60, false)] {
            let found = secret().find_step(code, at(start + seconds), 0);
            assert_eq!(found, good.then_some(step_at(at(start))), "{seconds}");
        }
    }

    #[test]
    fn a_step_is_good_once_and_none_before_it_again() {
        let now = at(1_800_000_000);
        let present = step_at(now);
        for used in -2..=2 {
            for candidate in -1..=1 {
                let found = secret().find_step(secret().code(present + candidate), now, present + used);
                assert_eq!(found.is_some(), candidate > used, "used {used}, candidate {candidate}");
            }
        }
    }

    #[test]
    fn of_two_steps_with_one_code_the_later_is_used_up() {
        let secret = secret();
        // The first two neighbours of that secret that are alike.
        let (first, second) = (910_737, 910_738);
        assert_eq!(secret.code(first), secret.code(second));
        let now = at(first * PERIOD);
        assert_eq!(secret.find_step(secret.code(first), now, first - 1), Some(second));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", secret()), "TotpSecret(…)");
    }
}
