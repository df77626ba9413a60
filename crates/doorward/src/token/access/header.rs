//! The protected header (RFC 7515, section 4): looked at to choose the key, and for nothing else.

use std::borrow::Cow;

use super::json::{fill, read_object};

/// What `typ` may say: nothing at all, a plain JWT, or an access token of RFC 9068 in either spelling.
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

/// A header that asks for nothing but HS256.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    /// Which key signed, if it says so.
    pub(super) kid: Option<Cow<'a, str>>,
}

impl<'a> Header<'a> {
    /// Reads a header strictly: `alg`, `typ` and `kid` are all it may have, each once.
    ///
    /// Whatever would bring a key along (`jwk`, `jku`, `x5c`, `x5u`: CVE-2026-27962), change what was
    /// signed (`b64`, `zip`, `cty`) or must be understood (`crit`: CVE-2026-32597) is thereby refused.
    pub(super) fn parse(json: &'a [u8]) -> Option<Self> {
        let (mut algorithm, mut media_type, mut kid) = (None, None, None);
        read_object(json, |name, value| match name {
            "alg" => fill(&mut algorithm, value.text()),
            "typ" => fill(&mut media_type, value.text()),
            "kid" => fill(&mut kid, value.text()),
            _ => None,
        })?;
        let known_type = media_type.is_none_or(|media_type| TYPES.contains(&&*media_type));
        (algorithm? == "HS256" && known_type).then_some(Self { kid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_may_say_how_it_was_signed_and_by_which_key() {
        for (json, kid) in [
            (r#"{"alg":"HS256"}"#, None),
            ("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", None),
            (r#"{"kid":"a","typ":"at+jwt","alg":"HS256"}"#, Some("a")),
            (r#"{"alg":"HS256","typ":"application/at+jwt"}"#, None),
            (r#"{"\u0061lg":"HS25\u0036","kid":"\u0061"}"#, Some("a")),
        ] {
            assert_eq!(Header::parse(json.as_bytes()), Some(Header { kid: kid.map(Cow::from) }), "{json}");
        }
    }

    #[test]
    fn a_header_says_nothing_else() {
        for json in [
            r#"{}"#,
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
            r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#,
            r#"{"alg":"HS256","kid":"a","kid":"a"}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","cty":"JWT"}"#,
            r#"{"alg":"HS256","typ":"jwt"}"#,
        ] {
            assert_eq!(Header::parse(json.as_bytes()), None, "{json}");
        }
    }
}
