//! The passwords that everybody tries first.

use sha2::{Digest, Sha256};

/// The first bytes of SHA-256 of each, in lower case, in order: made by `scripts/blocklist/make`, which says of what.
///
/// Five bytes: another password is taken for one of these once in 47 million. Nobody learns a password from here, and
/// the list is no help to who has one already.
static COMMON: &[u8] = include_bytes!("../../assets/common-passwords.bin");

/// The bytes that are kept of a hash.
const KEPT: usize = 5;

/// Whether a password, whatever the case of its letters, is among those that leaked most often, or is one character
/// over and over. The whole of it is compared, as NIST SP 800-63B-4 (3.1.1.2) wants.
pub(super) fn has(password: &str) -> bool {
    let folded = zeroize::Zeroizing::new(password.to_lowercase());
    let hash = Sha256::digest(folded.as_bytes());
    let wanted = hash.first_chunk::<KEPT>();
    let (entries, _) = COMMON.as_chunks::<KEPT>();
    wanted.is_some_and(|wanted| entries.binary_search(wanted).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_in_order() {
        let (entries, rest) = COMMON.as_chunks::<KEPT>();
        assert_eq!((entries.len(), rest.len()), (23_307, 0));
        assert!(entries.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn what_everybody_tries_first_is_there() {
        // Of both sources, and what was made for the list. Fifty are tried through HTTP.
        for password in
            ["password", "1q2w3e4r", "zaq12wsx", "michelle", "liverpool", "administrator", "tttttttt", "        "]
        {
            assert!(has(password), "{password}");
            assert!(has(&password.to_uppercase()), "{password}");
        }
    }

    #[test]
    fn what_nobody_tries_first_is_not() {
        for password in ["correct horse battery staple", "kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP", "пароль от сейфа", ""]
        {
            assert!(!has(password), "{password}");
        }
        // Only as a whole.
        assert!(!has("password of the day") && !has("my 12345678 cats"));
    }
}
