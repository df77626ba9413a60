//! Makes tokens of any kind, without any code of the verifier's.

use doorward::token::access::{AccessTokenError, AccessTokenRules, Subject, VerifiedToken};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Role, Timestamp, UserId, create_access_token, decode_access_token};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub(crate) const SECRET: &str = "kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP";
pub(crate) const RETIRED_SECRET: &str = "pXc8NwQ1vB6tZ3yR9kJm4LsD7hGf2UaE";
pub(crate) const NOW: i64 = 1_700_000_000;
pub(crate) const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
pub(crate) const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn secret_key(secret: impl Into<Vec<u8>>) -> SecretKey {
    SecretKey::new(secret).unwrap()
}

pub(crate) fn keyring() -> Keyring {
    Keyring::new(secret_key(SECRET), Vec::new())
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_seconds(NOW)
}

pub(crate) fn subject() -> Subject {
    Subject { user_id: UserId::new(42).unwrap(), role: Role::User, session: None }
}

/// A token of our own making.
pub(crate) fn our_token() -> String {
    create_access_token(subject(), &keyring(), &AccessTokenRules::default(), now()).unwrap().reveal().to_owned()
}

/// The name of the key that `token` was made with.
pub(crate) fn kid_of(token: &str) -> String {
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<serde_json::Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

/// Base64url by the book (RFC 4648, section 5), bit by bit.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    let bits: Vec<u8> = bytes.as_ref().iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let sextet = |bits: &[u8]| bits.iter().chain(&[0; 6]).take(6).fold(0, |value, bit| value << 1 | usize::from(*bit));
    bits.chunks(6).map(|bits| char::from(ALPHABET[sextet(bits)])).collect()
}

pub(crate) fn mac(secret: impl AsRef<[u8]>, text: impl AsRef<[u8]>) -> Vec<u8> {
    let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_ref()).unwrap();
    keyed.chain_update(text).finalize().into_bytes().to_vec()
}

/// Signs two segments as they stand, however dirty.
pub(crate) fn sign_segments(header: &str, payload: &str, secret: impl AsRef<[u8]>) -> String {
    format!("{header}.{payload}.{}", encode(mac(secret, format!("{header}.{payload}"))))
}

/// A token with the right MAC over any header and payload.
pub(crate) fn sign(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    sign_segments(&encode(header), &encode(payload), SECRET)
}

/// A token with the right MAC and good claims under any header.
pub(crate) fn with_header(header: impl AsRef<[u8]>) -> String {
    sign(header, Claims::good().json())
}

/// A token with the right MAC and a good header over any claims.
pub(crate) fn with_claims(claims: &Claims) -> String {
    sign(HEADER, claims.json())
}

/// The members of a payload, each value as it stands in the JSON.
#[derive(Clone)]
pub(crate) struct Claims(pub(crate) Vec<(String, String)>);

impl Claims {
    /// Claims that hold for [`NOW`] under the default rules.
    pub(crate) fn good() -> Self {
        Self(Vec::new())
            .set("sub", "\"42\"")
            .set("role", "\"user\"")
            .set("jti", "\"7b0e6c1e-0d0c-4c51-9b5b-0b0a3c9c2f11\"")
            .set("iat", NOW)
            .set("exp", NOW + 900)
    }

    /// The same with another value in its place, or with one more member.
    pub(crate) fn set(mut self, name: &str, value: impl ToString) -> Self {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some(member) => member.1 = value.to_string(),
            None => self.0.push((name.to_owned(), value.to_string())),
        }
        self
    }

    /// The same with one more member at the end, its name as it stands in the JSON.
    pub(crate) fn and(mut self, name: &str, value: impl ToString) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn json(&self) -> String {
        let members: Vec<_> = self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

/// The verdict on a token at [`NOW`] under the default rules.
pub(crate) fn verdict(token: &str) -> Result<VerifiedToken, AccessTokenError> {
    decode_access_token(token, &keyring(), &AccessTokenRules::default(), now())
}

/// Everything here is refused as invalid, while the token that differs in nothing but the attack is taken.
#[track_caller]
pub(crate) fn assert_all_invalid<T: AsRef<str>>(tokens: impl IntoIterator<Item = T>) {
    assert!(verdict(&our_token()).is_ok(), "our own token");
    assert!(verdict(&with_claims(&Claims::good())).is_ok(), "the control of every forgery");
    let mut count = 0;
    for token in tokens {
        let token = token.as_ref();
        let shown: String = token.chars().take(200).collect();
        assert_eq!(verdict(token), Err(AccessTokenError::Invalid), "{shown:?}");
        count += 1;
    }
    assert!(count > 0, "nothing was tried");
}
