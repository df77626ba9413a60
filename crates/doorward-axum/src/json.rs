//! JSON as it must be: one well-formed value, no duplicate member, no deeper than is sane.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// How deeply values may be nested.
const DEPTH_LIMIT: usize = 32;

/// A JSON value.
///
/// Wiped when dropped and without `Debug`, for any string may be a password.
#[derive(Zeroize, ZeroizeOnDrop)]
#[expect(missing_debug_implementations, reason = "any string in it may be a password")]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// Any other number, as near as there is one of 64 bits.
    Number(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object's members in their order, each name once.
    Object(Vec<(String, Json)>),
}

/// The text is not one well-formed JSON value in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Json {
    /// Reads one value and nothing after it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = Nested { depth: 0 }.deserialize(&mut deserializer).map_err(|_| Malformed)?;
        deserializer.end().map_err(|_| Malformed)?;
        Ok(value)
    }
}

#[derive(Clone, Copy)]
struct Nested {
    depth: usize,
}

impl Nested {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > DEPTH_LIMIT { Err(E::custom("nested too deeply")) } else { Ok(Self { depth }) }
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "what fits no whole number is as near as it gets")]
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Number(value as f64), Json::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut names = HashSet::new();
        let mut members = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom("duplicate member"));
            }
            members.push((name, entries.next_value_seed(inner)?));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_malformed(bytes: impl AsRef<[u8]>) -> bool {
        Json::parse(bytes.as_ref()).is_err()
    }

    #[test]
    fn well_formed_values_are_read() {
        for text in ["null", " true ", "-0.5e3", "18446744073709551616", "\"\"", "[1,[2]]", "{}", "{\"a\":{\"a\":1}}"] {
            assert!(!is_malformed(text), "{text}");
        }
        let value = Json::parse(br#"{"password":"\u0000\ud83d\ude00"}"#);
        let Ok(Json::Object(members)) = &value else { panic!() };
        assert!(matches!(&members[0], (name, Json::String(text)) if name == "password" && text == "\0😀"));
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in [
            "",
            "{",
            "}",
            "{\"a\":1,}",
            "{'a':1}",
            "{\"a\":1} x",
            "nul",
            "NaN",
            "Infinity",
            "1e999",
            "01",
            "+1",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "\"\\x\"",
            "\"\u{1}\"",
            "\u{feff}{}",
            "// c\n{}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}",
            "{\"b\":{\"a\":1,\"a\":1}}",
            "[{\"a\":1,\"a\":1}]",
        ] {
            assert!(is_malformed(text), "{text}");
        }
        for bytes in [&b"\"\xff\""[..], b"{\"a\":\"\xc0\x80\"}", b"\"\xed\xa0\x80\"", b"\xfe\xff\0{\0}"] {
            assert!(is_malformed(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn nesting_has_its_limit() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(!is_malformed(nested(DEPTH_LIMIT)));
            assert!(is_malformed(nested(DEPTH_LIMIT + 1)));
            assert!(is_malformed(nested(10_000)));
            assert!(is_malformed(open.repeat(30_000)));
        }
    }
}
