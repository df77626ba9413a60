//! JWS compact serialisation under HS256 (RFC 7515): base64url, three segments, the MAC.

use std::mem::MaybeUninit;

use base64_simd::{Out, URL_SAFE_NO_PAD};

use super::Algorithm;
use super::header::Header;
use crate::token::keyring::{Keyring, MAC_LENGTH, SigningKey};

/// The longest token looked at, in bytes. Ours have about 350; what is longer is refused unseen
/// (CVE-2025-61920, CVE-2025-30204).
const LONGEST_TOKEN: usize = 4096;
/// The characters of an encoded MAC.
const SIGNATURE_LENGTH: usize = 43;

/// Room for the decoded payload of the longest token.
pub(super) type PayloadBuffer = [MaybeUninit<u8>; LONGEST_TOKEN / 4 * 3];

/// An empty buffer. Left uninitialised: clearing it would cost a tenth of a verification.
pub(super) const EMPTY: PayloadBuffer = [MaybeUninit::uninit(); LONGEST_TOKEN / 4 * 3];

/// The token that carries `payload`, signed with the keyring's current key.
pub(super) fn sign(payload: &[u8], keyring: &Keyring) -> String {
    let key = keyring.current();
    let header = key.header();
    let length = header.len() + URL_SAFE_NO_PAD.encoded_length(payload.len()) + 1 + SIGNATURE_LENGTH;
    let mut token = String::with_capacity(length);
    token.push_str(header);
    URL_SAFE_NO_PAD.encode_append(payload, &mut token);
    let mac = key.sign(&token[header.len()..]);
    token.push('.');
    URL_SAFE_NO_PAD.encode_append(mac, &mut token);
    token
}

/// The payload of a token that one of our keys signed, decoded into `buffer`; `None` for every other text.
///
/// The payload is not even decoded before the MAC holds (RFC 8725, section 3.3).
pub(super) fn verify<'buffer>(
    token: &str,
    keyring: &Keyring,
    algorithms: &[Algorithm],
    buffer: &'buffer mut PayloadBuffer,
) -> Option<&'buffer [u8]> {
    if token.len() > LONGEST_TOKEN || !algorithms.contains(&Algorithm::Hs256) {
        return None;
    }
    let (signed, mac) = split_mac(token)?;
    // A fourth segment would leave a dot in the payload, and a dot is no base64url.
    let ours = keyring.keys().find_map(|key| Some((key, signed.strip_prefix(key.header())?)));
    let payload = match ours {
        Some((key, payload)) => key.verifies(payload, &mac).then_some(payload),
        None => authentic_payload(signed, &mac, keyring, buffer),
    };
    decode(payload?, buffer)
}

/// The payload of what one of our keys signed under a header that is not, byte for byte, one that we write.
fn authentic_payload<'token>(
    signed: &'token str,
    mac: &[u8; MAC_LENGTH],
    keyring: &Keyring,
    buffer: &mut PayloadBuffer,
) -> Option<&'token str> {
    let (header, payload) = signed.split_once('.')?;
    let Header { kid } = Header::parse(decode(header, buffer)?)?;
    let is_meant = |key: &&SigningKey| kid.as_deref().is_none_or(|kid| kid == key.kid());
    keyring.keys().filter(is_meant).any(|key| key.verifies_under_another_header(signed, mac)).then_some(payload)
}

/// What was signed, and the MAC from the 43 characters behind it and their dot.
fn split_mac(token: &str) -> Option<(&str, [u8; MAC_LENGTH])> {
    let (signed, signature) = token.split_at_checked(token.len().checked_sub(SIGNATURE_LENGTH)?)?;
    let mut mac = [0; MAC_LENGTH];
    URL_SAFE_NO_PAD.decode(signature.as_bytes(), Out::from_slice(&mut mac)).ok()?;
    Some((signed.strip_suffix('.')?, mac))
}

/// Decodes canonical base64url: no padding, no white space, no spare bit set.
fn decode<'buffer>(text: &str, buffer: &'buffer mut PayloadBuffer) -> Option<&'buffer [u8]> {
    let decoded = URL_SAFE_NO_PAD.decode(text.as_bytes(), Out::from_uninit_slice(buffer)).ok()?;
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    fn decodes(text: &str) -> Option<Vec<u8>> {
        decode(text, &mut { EMPTY }).map(<[u8]>::to_vec)
    }

    #[test]
    fn every_text_has_one_spelling() {
        for length in 0..80_u8 {
            let bytes: Vec<u8> = (0..length).map(|index| index.wrapping_mul(151)).collect();
            let text = URL_SAFE_NO_PAD.encode_to_string(&bytes);
            assert_eq!(decodes(&text), Some(bytes.clone()));
            let last = text.chars().next_back();
            let twins = ALPHABET.iter().filter(|character| {
                let mut twin = text.clone();
                twin.pop();
                twin.push(char::from(**character));
                Some(char::from(**character)) != last && decodes(&twin).as_deref() == Some(&*bytes)
            });
            assert_eq!(twins.count(), 0, "of {text}");
            for padded in [format!("{text}="), format!("{text}=="), format!("{text} "), format!("\n{text}")] {
                assert_eq!(decodes(&padded), None);
            }
        }
    }

    #[test]
    fn spare_bits_and_foreign_characters_are_refused() {
        for text in ["A", "AAAAA", "AB", "AAB", "A/AA", "+AAA", "AA=="] {
            assert_eq!(decodes(text), None, "{text}");
        }
        for length in [4, 44, 76] {
            for place in 0..length {
                for byte in (0..128).filter(|byte| !ALPHABET.contains(byte)) {
                    let mut text = "A".repeat(length).into_bytes();
                    text[place] = byte;
                    assert_eq!(decodes(str::from_utf8(&text).unwrap()), None, "{byte} at {place} of {length}");
                }
                let foreign = format!("{}ÿ{}", "A".repeat(place), "A".repeat(length - place));
                assert_eq!(decodes(&foreign), None);
            }
        }
    }

    #[test]
    fn the_longest_token_fits_the_buffer() {
        assert!(decodes(&"A".repeat(LONGEST_TOKEN)).is_some());
    }
}
