//! JSON objects, of whose members only strings and non-negative integers are of interest: all that a header or a
//! payload of ours has.
//!
//! Everything else is read over, but must be JSON: nested no deeper than [`DEEPEST`], no name twice in an object, no
//! number beyond a double. Texts without escapes are borrowed; nothing is allocated for them.

use std::borrow::Cow;
use std::collections::HashSet;

/// How deep arrays and objects may be nested in a member.
const DEEPEST: usize = 32;

/// The value of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A string, its escapes resolved.
    Text(Cow<'a, str>),
    /// Digits without sign, fraction, exponent or leading zero, within `i64`.
    Integer(i64),
    /// Any other JSON.
    Other,
}

impl<'a> Value<'a> {
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Other => None,
        }
    }

    pub(super) fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(integer),
            Self::Text(_) | Self::Other => None,
        }
    }
}

/// Hands every member of the object `json` to `member`, in order.
///
/// `None` when `json` is not UTF-8, not one JSON object (RFC 8259), or when `member` refuses: a name it does not know,
/// or one it was given before.
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
            b'0'..=b'9' | b'-' => self.number(),
            _ => self.pass_over(DEEPEST).map(|()| Value::Other),
        }
    }

    /// A number, by its grammar (RFC 8259, section 6).
    fn number(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        let is_negative = self.pass_byte(|byte| byte == b'-');
        if !self.pass_byte(|byte| byte == b'0') {
            self.digits()?;
        }
        let whole = self.at;
        if self.pass_byte(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.pass_byte(|byte| matches!(byte, b'e' | b'E')) {
            self.pass_byte(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        let text = self.text.get(start..self.at)?;
        let integer = if self.at == whole && !is_negative { text.parse().ok() } else { None };
        match integer {
            Some(integer) => Some(Value::Integer(integer)),
            None => text.parse::<f64>().ok()?.is_finite().then_some(Value::Other),
        }
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.pass_byte(|byte| byte.is_ascii_digit()) {}
        (self.at > start).then_some(())
    }

    fn pass_byte(&mut self, is_it: impl FnOnce(u8) -> bool) -> bool {
        let is_next = self.text.as_bytes().get(self.at).is_some_and(|byte| is_it(*byte));
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads over any value that is nested no deeper than `depth`.
    fn pass_over(&mut self, depth: usize) -> Option<()> {
        match self.next()? {
            b'"' => self.string().map(drop),
            b'0'..=b'9' | b'-' => self.number().map(drop),
            b'[' => self.pass_over_array(depth.checked_sub(1)?),
            b'{' => self.pass_over_object(depth.checked_sub(1)?),
            _ => {
                let rest = self.text.get(self.at..)?;
                let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word))?;
                self.at += word.len();
                Some(())
            }
        }
    }

    fn pass_over_array(&mut self, depth: usize) -> Option<()> {
        self.demand(b'[')?;
        if self.pass(b']') {
            return Some(());
        }
        loop {
            self.pass_over(depth)?;
            if self.pass(b']') {
                return Some(());
            }
            self.demand(b',')?;
        }
    }

    fn pass_over_object(&mut self, depth: usize) -> Option<()> {
        self.demand(b'{')?;
        if self.pass(b'}') {
            return Some(());
        }
        let mut names = HashSet::new();
        loop {
            if !names.insert(self.string()?) {
                return None;
            }
            self.demand(b':')?;
            self.pass_over(depth)?;
            if self.pass(b'}') {
                return Some(());
            }
            self.demand(b',')?;
        }
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
    use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

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
            while let Some((name, value)) = map.next_entry::<String, Strict>()? {
                members.push((name, value.0));
            }
            Ok(Members(members))
        }
    }

    /// Any value, with every object's names told apart.
    struct Strict(Value<'static>);

    impl<'de> Deserialize<'de> for Strict {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(StrictVisitor).map(Self)
        }
    }

    struct StrictVisitor;

    impl<'de> Visitor<'de> for StrictVisitor {
        type Value = Value<'static>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("JSON")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Value::Text(Cow::Owned(text.to_owned())))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
            Ok(i64::try_from(number).map_or(Value::Other, Value::Integer))
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Value::Other)
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Value::Other)
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Value::Other)
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Value::Other)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<Strict>()?.is_some() {}
            Ok(Value::Other)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut names = HashSet::new();
            while let Some((name, _)) = map.next_entry::<String, Strict>()? {
                if !names.insert(name) {
                    return Err(A::Error::custom("twice"));
                }
            }
            Ok(Value::Other)
        }
    }

    fn ours(json: &[u8]) -> Option<Members> {
        let mut members = Vec::new();
        read_object(json, |name, value| {
            let value = match value {
                Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
                Value::Integer(integer) => Value::Integer(integer),
                Value::Other => Value::Other,
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
            r#"{"a":-1,"b":-0,"c":1.0,"d":1e0,"e":9223372036854775808,"f":18446744073709551616}"#,
            r#"{"a":true,"b":null,"c":[],"d":{},"e":[ {"x":[1, "y", false ]} , 2.5e-3 ]}"#,
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
            "{\"a\":-}",
            "{\"a\":-01}",
            "{\"a\":1.}",
            "{\"a\":.1}",
            "{\"a\":1e}",
            "{\"a\":1e+}",
            "{\"a\":+1}",
            "{\"a\":1e400}",
            "{\"a\":NaN}",
            "{\"a\":tru}",
            "{\"a\":True}",
            "{\"a\":nulll}",
            "{\"a\":[}",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "{\"a\":{\"b\"}}",
            "{\"a\":{\"b\":1,}}",
            "{\"a\":{\"b\":1,\"b\":1}}",
            "{\"a\":[{\"b\":1,\"\\u0062\":1}]}",
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
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(ours(nested(DEEPEST).as_bytes()).is_some());
        assert_eq!(ours(nested(DEEPEST + 1).as_bytes()), None);
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
