//! `otpauth://` URIs: what a QR code tells an authenticator (Google Authenticator's *Key Uri Format*).

use std::fmt::Write;

use super::totp::{DIGITS, PERIOD, TotpSecret};

/// The URI of a secret: whose account, at which service.
pub(super) fn otpauth(service: &str, account: &str, secret: &TotpSecret) -> String {
    let (service, account) = (escaped(service), escaped(account));
    let secret = secret.to_base32();
    format!(
        "otpauth://totp/{service}:{account}?secret={secret}&issuer={service}&algorithm=SHA1&digits={DIGITS}&period={PERIOD}"
    )
}

/// Percent-encoded but for what RFC 3986 reserves nowhere. A space is `%20`: authenticators show a plus as it is.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a string doesn't fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_can_become_part_of_the_uri() {
        let secret = TotpSecret::from_bytes(*b"12345678901234567890");
        assert_eq!(
            otpauth("Käse & Co: AG", "ada+x&secret=A?#@example.com", &secret),
            "otpauth://totp/K%C3%A4se%20%26%20Co%3A%20AG:ada%2Bx%26secret%3DA%3F%23%40example.com\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=K%C3%A4se%20%26%20Co%3A%20AG\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
