//! Flat JSON objects of strings and non-negative integers: all that a header or a payload of ours is.
//!
//! Anything else is refused at its first byte, nesting included, so the depth of what a stranger sends
//! costs nothing. Texts without escapes are borrowed; nothing is allocated for them.

use std::borrow::Cow;

/// The value of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A string, its escapes resolved.
    Text(Cow<'a, str>),
    /// Digits without sign, fraction, exponent or leading zero, within `i64`.
    Integer(i64),
}

impl<'a> Value<'a> {
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) => None,
        }
    }

    pub(super) fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(integer),
            Self::Text(_) => None,
        }
    }
}

/// Hands every member of the object `json` to `member`, in order.
///
/// `None` when `json` is not UTF-8, not one JSON object (RFC 8259) of such values, or when `member`
/// refuses: a name it does not know, or one it was given before.
pub(super) fn read_object<'a>(json: &'a [u8], mut member: impl FnMut(&str, Value<'a>) -> Option<()>) -> Option<()> {
    let mut scanner = Scanner { rest: str::from_utf8(json).ok()? };
    scanner.expect('{')?;
    if scanner.expect('}').is_none() {
        loop {
            let name = scanner.string()?;
            scanner.expect(':')?;
            member(&name, scanner.value()?)?;
            if scanner.expect('}').is_some() {
                break;
            }
            scanner.expect(',')?;
        }
    }
    scanner.skip_space();
    scanner.rest.is_empty().then_some(())
}

/// Fills `slot`, once: a second member of the same name is refused.
pub(super) fn fill<T>(slot: &mut Option<T>, value: Option<T>) -> Option<()> {
    if slot.is_some() {
        return None;
    }
    *slot = Some(value?);
    Some(())
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', ..] = self.rest.as_bytes() {
            self.rest = &self.rest[1..];
        }
    }

    /// Passes over `mark`, or leaves all as it is.
    fn expect(&mut self, mark: char) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(mark)?;
        Some(())
    }

    fn value(&mut self) -> Option<Value<'a>> {
        self.skip_space();
        if self.rest.starts_with('"') { self.string().map(Value::Text) } else { self.integer().map(Value::Integer) }
    }

    fn integer(&mut self) -> Option<i64> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(length)?;
        if length > 1 && digits.starts_with('0') {
            return None;
        }
        self.rest = rest;
        digits.parse().ok()
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.expect('"')?;
        let plain = self.rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        match self.rest.as_bytes()[plain] {
            b'"' => {
                let (text, rest) = (&self.rest[..plain], &self.rest[plain + 1..]);
                self.rest = rest;
                Some(Cow::Borrowed(text))
            }
            b'\\' => self.escaped_string().map(Cow::Owned),
            _ => None,
        }
    }

    /// The rest of a string that holds an escape. Rare: what we write has none but in odd issuer names.
    fn escaped_string(&mut self) -> Option<String> {
        let mut escaped = false;
        let end = self.rest.bytes().position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        })?;
        let text = serde_json::from_str(&format!("\"{}\"", &self.rest[..end])).ok()?;
        self.rest = &self.rest[end + 1..];
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use proptest::prelude::*;
    use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

    use super::*;

    /// The members of an object in order, doubles kept, as `serde_json` reads them.
    #[derive(Debug, PartialEq, Eq)]
    struct Members(Vec<(String, Value<'static>)>);

    impl<'de> Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(MembersVisitor)
        }
    }

    struct MembersVisitor;

    impl<'de> Visitor<'de> for MembersVisitor {
        type Value = Members;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                let value = match value {
                    serde_json::Value::String(text) => Value::Text(Cow::Owned(text)),
                    serde_json::Value::Number(number) => {
                        let integer = number.as_i64().filter(|integer| *integer >= 0);
                        Value::Integer(integer.ok_or_else(|| A::Error::custom("number"))?)
                    }
                    _ => return Err(A::Error::custom("kind")),
                };
                members.push((name, value));
            }
            Ok(Members(members))
        }
    }

    fn ours(json: &[u8]) -> Option<Members> {
        let mut members = Vec::new();
        read_object(json, |name, value| {
            let value = match value {
                Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
                Value::Integer(integer) => Value::Integer(integer),
            };
            members.push((name.to_owned(), value));
            Some(())
        })?;
        Some(Members(members))
    }

    fn theirs(json: &[u8]) -> Option<Members> {
        serde_json::from_slice(json).ok()
    }

    #[test]
    fn reads_what_serde_json_reads_and_nothing_else() {
        for json in [
            r#"{}"#,
            r#" { } "#,
            r#"{"a":"b"}"#,
            "\r\n{\t\"a\" : 0 ,\n\"a\":9223372036854775807 }\n",
            r#"{"\u0061":"\ud83d\ude00\n\"\\"}"#,
            r#"{"é":"ü"}"#,
            r#"{"":""}"#,
        ] {
            assert!(ours(json.as_bytes()).is_some(), "{json}");
            assert_eq!(ours(json.as_bytes()), theirs(json.as_bytes()), "{json}");
        }
        for json in [
            "",
            " ",
            "{",
            "}",
            "{}}",
            "{} {}",
            "{},",
            "[]",
            "null",
            "\"x\"",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":01}",
            "{\"a\":-1}",
            "{\"a\":-0}",
            "{\"a\":1.0}",
            "{\"a\":1e0}",
            "{\"a\":+1}",
            "{\"a\":9223372036854775808}",
            "{\"a\":18446744073709551616}",
            "{\"a\":1e400}",
            "{\"a\":NaN}",
            "{\"a\":true}",
            "{\"a\":null}",
            "{\"a\":[]}",
            "{\"a\":{}}",
            "{'a':1}",
            "{a:1}",
            "{\"a\":'b'}",
            "{\"a\":\"b}",
            "{\"a\":\"\\\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\udc00\\ud800\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12\"}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\0\"}",
            "{\"a\":\"\\n\n\"}",
            "\u{feff}{}",
            "{}\u{feff}",
            "{\u{a0}}",
            "/**/{}",
            "{}//",
            "{}\0",
            "{\"a\"=1}",
        ] {
            assert_eq!(ours(json.as_bytes()), None, "{json:?}");
            assert_eq!(theirs(json.as_bytes()), None, "{json:?}");
        }
        for json in [&b"{\"a\":\"\xff\"}"[..], b"{\"a\":\"\xc0\xaf\"}", b"{\"a\":\"\xed\xa0\x80\"}", b"\xff\xfe{\0}\0"]
        {
            assert_eq!(ours(json), None);
        }
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = format!("{{\"a\":{}", "[".repeat(1_000_000));
        assert_eq!(ours(deep.as_bytes()), None);
        assert_eq!(ours("{\"a\":".repeat(1_000_000).as_bytes()), None);
    }

    /// Pieces that make up JSON, whole and broken.
    fn fragments() -> impl Strategy<Value = String> {
        let fragment = prop_oneof![
            4 => Just("{".to_owned()), 4 => Just("}".to_owned()), 6 => Just("\"".to_owned()), 4 => Just(":".to_owned()),
            4 => Just(",".to_owned()), 1 => Just("[".to_owned()), 1 => Just("]".to_owned()), 2 => Just("\\".to_owned()),
            2 => Just(" ".to_owned()), 4 => Just("\"a\"".to_owned()), 4 => Just("\"b\":1".to_owned()),
            1 => Just("\\u0061".to_owned()), 1 => Just("\\ud83d\\ude00".to_owned()), 1 => Just("null".to_owned()),
            2 => "[0-9.eE+-]{1,20}", 2 => "\\PC{0,3}", 1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(fragment, 0..12).prop_map(|parts| parts.concat())
    }

    /// Well-formed objects, then damaged in at most one place.
    fn nearly_objects() -> impl Strategy<Value = Vec<u8>> {
        let value = prop_oneof![
            any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
            any::<i64>().prop_map(|integer| integer.to_string()),
            any::<u64>().prop_map(|integer| integer.to_string()),
            any::<f64>().prop_map(|number| number.to_string()),
            Just("true".to_owned()),
            Just("[{}]".to_owned()),
            "\"[a-z\\\\u0-9\"]{0,8}\"",
        ];
        let member = ("\"[a-c]{0,2}\"", value).prop_map(|(name, value)| format!("{name}:{value}"));
        let object = prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",")));
        (object, any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(|(object, place, damage)| {
            let mut bytes = object.into_bytes();
            if let Some(byte) = damage {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn agrees_with_serde_json_on_fragments(json in fragments()) {
            prop_assert_eq!(ours(json.as_bytes()), theirs(json.as_bytes()));
        }

        #[test]
        fn agrees_with_serde_json_on_nearly_objects(json in nearly_objects()) {
            prop_assert_eq!(ours(&json), theirs(&json));
        }

        #[test]
        fn never_panics(json: Vec<u8>) {
            prop_assert_eq!(ours(&json), theirs(&json));
        }
    }
}
