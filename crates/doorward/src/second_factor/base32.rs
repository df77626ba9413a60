//! Base32 (RFC 4648, section 6) without padding: how authenticators take a secret. Only written, never read.

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// `bytes` in letters and digits. The bits that are missing at the end are zero.
pub(super) fn encode(bytes: &[u8], alphabet: &[u8; 32]) -> String {
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut pending, mut bits) = (0_u16, 0_u8);
    for byte in bytes {
        pending = (pending << 8) | u16::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(pending >> bits, alphabet));
        }
    }
    if bits > 0 {
        text.push(letter(pending << (5 - bits), alphabet));
    }
    text
}

/// The letters that authenticators know.
pub(super) fn encode_secret(bytes: &[u8]) -> String {
    encode(bytes, ALPHABET)
}

fn letter(value: u16, alphabet: &[u8; 32]) -> char {
    char::from(alphabet[usize::from(value & 31)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_vectors_of_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ];
        for (plain, encoded) in vectors {
            assert_eq!(encode_secret(plain.as_bytes()), encoded);
        }
    }
}
