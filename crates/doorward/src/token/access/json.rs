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
    let mut scanner = Scanner { text: str::from_utf8(json).ok()?, at: 0 };
    scanner.demand(b'{')?;
    if !scanner.pass(b'}') {
        loop {
            let name = scanner.string()?;
            scanner.demand(b':')?;
            member(&name, scanner.value()?)?;
            if scanner.pass(b'}') {
                break;
            }
            scanner.demand(b',')?;
        }
    }
    scanner.next().is_none().then_some(())
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
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The next byte that is no white space, which is passed over.
    fn next(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// Passes over `mark` if it is next.
    fn pass(&mut self, mark: u8) -> bool {
        let is_next = self.next() == Some(mark);
        self.at += usize::from(is_next);
        is_next
    }

    fn demand(&mut self, mark: u8) -> Option<()> {
        self.pass(mark).then_some(())
    }

    fn value(&mut self) -> Option<Value<'a>> {
        match self.next()? {
            b'"' => self.string().map(Value::Text),
            b'0'..=b'9' => self.integer().map(Value::Integer),
            _ => None,
        }
    }

    fn integer(&mut self) -> Option<i64> {
        let start = self.at;
        let mut integer = 0_i64;
        while let Some(byte @ b'0'..=b'9') = self.text.as_bytes().get(self.at) {
            integer = integer.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
            self.at += 1;
        }
        let is_canonical = self.at == start + 1 || self.text.as_bytes().get(start) != Some(&b'0');
        is_canonical.then_some(integer)
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.demand(b'"')?;
        let rest = self.text.get(self.at..)?;
        let plain = plain_length(rest.as_bytes())?;
        match rest.as_bytes()[plain] {
            b'"' => {
                self.at += plain + 1;
                Some(Cow::Borrowed(&rest[..plain]))
            }
            b'\\' => self.escaped_string().map(Cow::Owned),
            _ => None,
        }
    }

    /// A string that holds an escape. Rare: what we write has none but in odd issuer names.
    fn escaped_string(&mut self) -> Option<String> {
        let rest = self.text.get(self.at..)?;
        let mut escaped = false;
        let end = rest.bytes().position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        })?;
        self.at += end + 1;
        serde_json::from_str(&format!("\"{}\"", &rest[..end])).ok()
    }
}

/// How many bytes there are before the first that is not plain text: a quote, a backslash or a control
/// character.
fn plain_length(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // In each byte of the result the high bit says whether the byte of `word` is under `limit`, which is at
    // most 0x80; above the lowest such byte a borrow may say so wrongly, and only the lowest is asked for.
    const fn under(limit: u64, word: u64) -> u64 {
        word.wrapping_sub(ONES * limit) & !word & (ONES * 0x80)
    }
    let mut passed = 0;
    while let Some(chunk) = bytes.get(passed..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*chunk);
        let quote = under(1, word ^ (ONES * 0x22));
        let backslash = under(1, word ^ (ONES * 0x5c));
        let found = quote | backslash | under(0x20, word);
        if found != 0 {
            return Some(passed + found.trailing_zeros() as usize / 8);
        }
        passed += chunk.len();
    }
    let found = bytes[passed..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    Some(passed + found)
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
