//! What makes a secret of sufficient length a bad one.

use zeroize::Zeroizing;

/// A pattern of up to so many bytes, over and over, is no secret.
const LONGEST_PATTERN: usize = 16;
/// Secrets of fewer different bytes than this were typed, not drawn.
const FEWEST_DISTINCT_BYTES: usize = 8;
/// A well-known secret that was cut off is still recognised by so many characters.
const RECOGNISABLE: usize = 20;

/// What generators of skeleton projects put before the secrets that they leave in the source.
const WELL_KNOWN_BEGINNINGS: [&str; 1] = ["djangoinsecure"];

/// Secrets from documentation, tutorials and project templates, in the form that [`fold`] gives.
const WELL_KNOWN: [&str; 88] = [
    "00112233445566778899aabbccddeeff",
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "0123456789abcdef",
    "0123456789abcdefghijklmnopqrstuvwxyz",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "1234567890",
    "12345678901234567890123456789012",
    "abcdefghijklmnopqrstuvwxyz",
    "accesstokensecret",
    "admin",
    "appsecret",
    "asecretkeythatisatleast32byteslong",
    "astringsecretatleast256bitslong",
    "astringsecretatleast384bitslong",
    "astringsecretatleast512bitslong",
    "authsecret",
    "avalidstringsecretthatisatleast512bitslongwhichisverylong",
    "aym1sysppbydfgzld3umj1qzkobwvmkoqqestjqlrt1qs0gzh75aktmn3yj0ips4hcguutwjazzr1z9caow",
    "changeit",
    "changeme",
    "changemeinproduction",
    "changemeplease",
    "changemetoasecurerandomstring",
    "changethis",
    "changethisinproduction",
    "changethissecret",
    "changethissecretkey",
    "changethissecretkeyinproduction",
    "changethistoasecuresecret",
    "correcthorsebatterystaple",
    "default",
    "defaultsecret",
    "defaultsecretkey",
    "dev",
    "development",
    "developmentsecret",
    "developmentsecretkey",
    "devsecret",
    "devsecretkey",
    "devsecretkeychangeinproduction",
    "example",
    "examplesecret",
    "examplesecretkey",
    "generateasecurerandomkey",
    "hmacsecret",
    "insecuresecret",
    "insecuresecretkey",
    "jwt",
    "jwtsecret",
    "jwtsecretkey",
    "keyboardcat",
    "letmein",
    "mysecret",
    "mysecretkey",
    "mysupersecret",
    "mysupersecretkey",
    "notasecret",
    "notsosecret",
    "password",
    "placeholder",
    "pleasechangeme",
    "pleasechangethis",
    "qwertyuiopasdfghjklzxcvbnm",
    "replaceme",
    "replacethis",
    "replacewithasecurerandomstring",
    "secret",
    "secretkey",
    "secretkeychangeinproduction",
    "secretkeyforjwt",
    "shhhhh",
    "supersecret",
    "supersecretjwtkey",
    "supersecretkey",
    "supersecretkeychangeinproduction",
    "test",
    "testsecret",
    "testsecretkey",
    "thisisaverylongsecretkeyforjwt",
    "thisisaverysecretkey",
    "thisismysecretkey",
    "topsecret",
    "verysecret",
    "your256bitsecret",
    "yourjwtsecret",
    "yoursecret",
    "yoursecretkey",
    "yoursupersecretkey",
];

/// What such secrets are often followed by.
const WELL_KNOWN_ENDINGS: [&str; 8] = [
    "here",
    "changeme",
    "changethis",
    "changeinproduction",
    "changemeinproduction",
    "changethisinproduction",
    "forjwt",
    "pleasechange",
];

/// Whether a secret is a published one: whatever its letter case, punctuation and surrounding space, also
/// when it is repeated, cut off, or filled up with digits or with one character.
pub(super) fn is_well_known(secret: &[u8]) -> bool {
    fold(secret).is_some_and(|folded| {
        WELL_KNOWN_BEGINNINGS.iter().any(|beginning| folded.starts_with(beginning))
            || WELL_KNOWN.iter().any(|known| is_made_of(&folded, known))
    })
}

/// Whether a secret is one byte or a short pattern over and over, a count, or of very few different bytes.
pub(super) fn is_repetitive(secret: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in secret {
        seen[usize::from(*byte)] = true;
    }
    let distinct = seen.into_iter().filter(|seen| *seen).count();
    // Where the bytes repeat, so do the steps between them; in a count only the steps do.
    let steps: Zeroizing<Vec<u8>> =
        Zeroizing::new(secret.iter().zip(secret.iter().skip(1)).map(|(from, to)| to.wrapping_sub(*from)).collect());
    let repeats = |period: usize| steps.iter().zip(steps.iter().skip(period)).all(|(one, next)| one == next);
    distinct < FEWEST_DISTINCT_BYTES || (1..=LONGEST_PATTERN).any(repeats)
}

/// The letters and digits of a text, in lower case; `None` for random bytes, which are no text.
fn fold(secret: &[u8]) -> Option<Zeroizing<String>> {
    let text =
        str::from_utf8(secret).ok()?.trim_matches(|character: char| character.is_whitespace() || character == '\0');
    let is_text = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let folded = text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| char::from(byte.to_ascii_lowercase()));
    is_text.then(|| Zeroizing::new(folded.collect()))
}

fn is_made_of(folded: &str, known: &str) -> bool {
    let long_enough = folded.len() >= known.len().min(RECOGNISABLE);
    let is_repeated = long_enough && folded.bytes().eq(known.bytes().cycle().take(folded.len()));
    is_repeated || folded.strip_prefix(known).is_some_and(is_filler)
}

fn is_filler(rest: &str) -> bool {
    let mut bytes = rest.bytes();
    let first = bytes.next();
    bytes.all(|byte| Some(byte) == first)
        || rest.bytes().all(|byte| byte.is_ascii_digit())
        || WELL_KNOWN_ENDINGS.iter().any(|ending| rest.trim_end_matches(|last: char| last.is_ascii_digit()) == *ending)
}

#[cfg(test)]
mod tests {
    use super::super::{SecretKey, WeakSecret};
    use super::*;

    fn refusal(secret: impl Into<Vec<u8>>) -> Option<WeakSecret> {
        SecretKey::new(secret).err()
    }

    #[test]
    fn short_secrets_are_refused() {
        assert_eq!(refusal(""), Some(WeakSecret::TooShort));
        assert_eq!(refusal("kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEa"), Some(WeakSecret::TooShort));
        assert_eq!(refusal("kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP"), None);
    }

    #[test]
    fn every_listed_secret_is_refused_however_it_is_dressed() {
        for known in WELL_KNOWN {
            assert_eq!(fold(known.as_bytes()).as_deref().map(String::as_str), Some(known), "not in the folded form");
            let longer = known.repeat(32_usize.div_ceil(known.len()));
            for dressed in [
                longer.clone(),
                longer.to_uppercase(),
                format!("  {longer}\n"),
                format!("{known}{}", "!".repeat(32)),
                format!("{known}{}", "0".repeat(32)),
                format!("{known}{}", " ".repeat(32)),
                format!("{known}{}", "\0".repeat(32)),
                format!("{known}12345678901234567890123456789012345"),
                longer.chars().map(|character| format!("{character}-")).collect(),
            ] {
                assert_eq!(refusal(dressed.as_bytes()), Some(WeakSecret::WellKnown), "{dressed:?}");
            }
        }
    }

    #[test]
    fn secrets_as_they_stand_in_tutorials_are_refused() {
        for secret in [
            "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
            "a-string-secret-at-least-256-bits-long",
            "your-secret-key-change-in-production",
            "your-super-secret-key-change-this-in-production",
            "your-super-secret-key-change-in-production-123",
            "super-secret-key-change-me-in-production",
            "django-insecure-#y0(o^f8w3&9x2k!m5v7q@a4z6c1b8n0",
            "change-me-change-me-change-me-change-me",
            "Your-256-Bit-Secret-Your-256-Bit-Secret",
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        ] {
            assert!(refusal(secret).is_some(), "{secret}");
        }
    }

    #[test]
    fn patterns_and_counts_are_refused() {
        let count: Vec<u8> = (0..64).collect();
        let pattern_of_16 = b"k9Q!x2Zr&7Lu_Yc1".repeat(2);
        for secret in [
            vec![0; 32],
            vec![255; 64],
            b"aB3$".repeat(8),
            pattern_of_16,
            count.clone(),
            count.iter().rev().copied().collect(),
            b"ZYXWVUTSRQPONMLKJIHGFEDCBA@?>=<;:9".to_vec(),
            b"0110100110010110100101100110100101".to_vec(),
        ] {
            assert_eq!(refusal(secret.clone()), Some(WeakSecret::Repetitive), "{secret:?}");
        }
        assert_eq!(refusal(b"k9Q!x2Zr&7Lu_Yc1B".repeat(2)), None, "a pattern of 17");
    }

    proptest::proptest! {
        #[test]
        fn random_secrets_are_taken(bytes: [u8; 32]) {
            proptest::prop_assert_eq!(refusal(bytes.to_vec()), None);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            proptest::prop_assert_eq!(refusal(hex), None);
            let text = base64_simd::STANDARD.encode_to_string(bytes);
            proptest::prop_assert_eq!(refusal(text), None);
        }
    }
}
