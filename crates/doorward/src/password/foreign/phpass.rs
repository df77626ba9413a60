//! phpass, as WordPress and phpBB wrote it: `$P$` or `$H$`, a letter for the cost, eight of salt, 22 of tag. MD5 over and
//! over; weak by today's measure, and gone after the next login.

use md5::{Digest, Md5};

use crate::password::stored::UnreadableHash;

pub(super) const NAME: &str = "phpass";

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// As logarithms of base 2. The program itself takes 7 to 30; half a second of a core is 21.
const COSTS: std::ops::RangeInclusive<usize> = 7..=21;
const MOST_EVER: usize = 30;
const SALT: usize = 8;
const TAG: usize = 22;

#[cfg_attr(test, derive(Debug))]
pub(in crate::password) struct Phpass {
    cost: usize,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

pub(super) fn is_meant(text: &str) -> bool {
    text.starts_with("$P$") || text.starts_with("$H$")
}

impl Phpass {
    pub(super) fn parse(text: &str) -> Result<Self, UnreadableHash> {
        let malformed = UnreadableHash::Malformed(NAME);
        let rest = text.as_bytes().get(3..).filter(|rest| rest.len() == 1 + SALT + TAG).ok_or(malformed)?;
        let (salt, tag) = rest[1..].split_at(SALT);
        let places: Option<Vec<_>> = rest.iter().map(|letter| place(*letter)).collect();
        let cost = *places.ok_or(malformed)?.first().ok_or(malformed)?;
        if cost > *COSTS.end() && cost <= MOST_EVER {
            return Err(UnreadableHash::TooExpensive { algorithm: NAME, limit: "2^21 rounds" });
        }
        let is_whole = COSTS.contains(&cost);
        is_whole.then(|| Self { cost, salt: salt.to_vec(), tag: tag.to_vec() }).ok_or(malformed)
    }

    pub(super) fn tag(&self) -> &[u8] {
        &self.tag
    }

    pub(super) fn compute(&self, password: &[u8]) -> Vec<u8> {
        let mut digest = Md5::new().chain_update(&self.salt).chain_update(password).finalize();
        for _ in 0..1_u32 << self.cost {
            digest = Md5::new().chain_update(digest).chain_update(password).finalize();
        }
        encoded(&digest)
    }
}

fn place(letter: u8) -> Option<usize> {
    ALPHABET.iter().position(|known| *known == letter)
}

/// Six bits a letter, the lowest first, three bytes at a time.
fn encoded(bytes: &[u8]) -> Vec<u8> {
    let mut letters = Vec::with_capacity(TAG);
    for chunk in bytes.chunks(3) {
        let mut bits = chunk.iter().rev().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for _ in 0..=chunk.len() {
            letters.push(ALPHABET[(bits & 63) as usize]);
            bits >>= 6;
        }
    }
    letters
}
