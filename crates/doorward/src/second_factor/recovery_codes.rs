//! Recovery codes: for who has lost the authenticator. Ten, each good once.
//!
//! A code has 80 random bits in 16 letters and digits of Crockford's alphabet, which has no `I`, `L`, `O` and `U`, so
//! it survives paper and handwriting. What is stored is a hash with a key that is not in the database, bound to the
//! account.

use std::fmt;

use hmac::Mac;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::base32;
use crate::random::{RandomnessError, random_bytes};
use crate::sealing::{Label, Sealer};
use crate::token::keyring::keyed;
use crate::user::UserId;

/// How many codes a person gets.
pub(super) const COUNT: usize = 10;
/// The random bytes of a code.
const CODE_BYTES: usize = 10;
/// The letters of a code, its hyphens left aside.
const LETTERS: usize = 16;
/// A hyphen stands after each so many letters.
const GROUP: usize = 4;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Sets the key that hashes codes apart from every other use of the secret.
pub(crate) const RECOVERY_CODES_LABEL: Label = Label("doorward recovery codes v1");

/// The codes as their owner gets them, once.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCodes(Vec<String>);

impl RecoveryCodes {
    /// The codes, as `7Q2M-X4TK-9ZRB-0HCW`.
    pub fn reveal(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RecoveryCodes(…)")
    }
}

/// Fresh codes for that account, and their hashes.
pub(super) fn generate(sealer: &Sealer, user: UserId) -> Result<(RecoveryCodes, Vec<[u8; 32]>), RandomnessError> {
    let key = sealer.derived(RECOVERY_CODES_LABEL);
    let (mut codes, mut hashes) = (Vec::with_capacity(COUNT), Vec::with_capacity(COUNT));
    for _ in 0..COUNT {
        let mut bytes: [u8; CODE_BYTES] = random_bytes()?;
        let mut letters = base32::encode(&bytes, ALPHABET);
        bytes.zeroize();
        hashes.push(hash(&key, user, letters.as_bytes()));
        codes.push(grouped(&letters));
        letters.zeroize();
    }
    Ok((RecoveryCodes(codes), hashes))
}

/// Where among `hashes` that of `code` is. Each is compared, in constant time, under every secret that is kept.
pub(super) fn find(sealer: &Sealer, user: UserId, hashes: &[[u8; 32]], code: &Letters) -> Option<usize> {
    let (mut found, mut place) = (Choice::from(0), 0_u64);
    for key in sealer.all_derived(RECOVERY_CODES_LABEL) {
        let presented = hash(&key, user, &code.0);
        for (index, stored) in (0..).zip(hashes) {
            let matches = stored.ct_eq(&presented);
            place = u64::conditional_select(&place, &index, matches);
            found |= matches;
        }
    }
    bool::from(found).then(|| usize::try_from(place).ok()).flatten()
}

/// What a person typed, brought into its one spelling.
#[derive(PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(super) struct Letters([u8; LETTERS]);

impl fmt::Debug for Letters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Letters(…)")
    }
}

impl Letters {
    /// Small letters are large ones, `O` is a zero, `I` and `L` are ones, and what stands between is left out; `None`
    /// when it can't be a code.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut letters = [0; LETTERS];
        let mut typed = super::typed(text);
        for letter in &mut letters {
            *letter = match typed.next()?.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => *ALPHABET.iter().find(|known| **known == other)?,
            };
        }
        typed.next().is_none().then_some(Self(letters))
    }
}

fn hash(key: &[u8; 32], user: UserId, letters: &[u8]) -> [u8; 32] {
    keyed(key).chain_update(user.value().to_be_bytes()).chain_update(letters).finalize().into_bytes().into()
}

fn grouped(letters: &str) -> String {
    let mut text = String::with_capacity(letters.len() + letters.len() / GROUP);
    for (index, letter) in letters.chars().enumerate() {
        if index > 0 && index % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::sealing::tests::sealer;

    const OLD: u8 = 1;
    const NEW: u8 = 2;

    fn ada() -> UserId {
        UserId::new(7).unwrap()
    }

    fn place(sealer: &Sealer, hashes: &[[u8; 32]], code: &str) -> Option<usize> {
        find(sealer, ada(), hashes, &Letters::read(code)?)
    }

    #[test]
    fn ten_codes_of_eighty_bits_all_different() {
        let sealer = sealer(&[OLD]);
        let (codes, hashes) = generate(&sealer, ada()).unwrap();
        assert_eq!((codes.reveal().len(), hashes.len()), (10, 10));
        assert_eq!(codes.reveal().iter().collect::<HashSet<_>>().len(), 10);
        for (index, code) in codes.reveal().iter().enumerate() {
            let groups: Vec<_> = code.split('-').collect();
            assert!(groups.len() == 4 && groups.iter().all(|group| group.len() == 4), "{code}");
            assert_eq!(place(&sealer, &hashes, code), Some(index));
        }
        assert_eq!(format!("{codes:?}"), "RecoveryCodes(…)");
    }

    #[test]
    fn a_code_is_found_however_it_is_typed() {
        assert_eq!(Letters::read("7Q2M-X4TK-9ZRB-0HC1"), Letters::read(" 7q2m x4tk 9zrb ohcl "));
        assert_eq!(Letters::read("7Q2M-X4TK-9ZRB-0HC1"), Letters::read("7Q2MX4TK9ZRB0HCI"));
        for text in ["", "7Q2M-X4TK-9ZRB-0HC", "7Q2M-X4TK-9ZRB-0HC11", "7Q2M-X4TK-9ZRB-0HCU", "7Q2M-X4TK-9ZRB-0HCé"] {
            assert_eq!(Letters::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_code_is_its_accounts_alone_and_outlives_its_data_key() {
        let before = sealer(&[OLD]);
        let (codes, hashes) = generate(&before, ada()).unwrap();
        let code = &codes.reveal()[3];
        assert_eq!(place(&sealer(&[NEW, OLD]), &hashes, code), Some(3));
        assert_eq!(place(&sealer(&[NEW]), &hashes, code), None);
        let eve = UserId::new(8).unwrap();
        assert_eq!(find(&before, eve, &hashes, &Letters::read(code).unwrap()), None);
    }
}
