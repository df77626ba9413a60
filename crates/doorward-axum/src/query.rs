//! Query and path parameters, every fault collected.

use std::borrow::Cow;
use std::str::FromStr;

use axum::extract::RawPathParams;
use doorward::audit::EventKind;
use doorward::session::SessionId;
use doorward::{Role, Timestamp, UserId};

use crate::error::ApiError;
use crate::validation::FieldFault;

/// The query of a request, and the faults found so far.
#[derive(Debug)]
pub(crate) struct Query {
    parameters: Vec<(String, String)>,
    faults: Vec<FieldFault>,
}

impl Query {
    pub(crate) fn new(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let parameters = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name).into_owned(), decode(value).into_owned()))
            .collect();
        Self { parameters, faults: Vec::new() }
    }

    /// The integer `name` between `min` and `max`, or `default` when it isn't given.
    pub(crate) fn integer(&mut self, name: &'static str, default: u64, min: u64, max: u64) -> u64 {
        let loc = vec!["query", name];
        let Some(text) = self.only(name) else { return default };
        let read = match Integer::parse(&text) {
            None => Err(FieldFault::int_parsing(loc)),
            Some(Integer::Within(value)) if value >= min && value <= max => Ok(value),
            Some(Integer::Within(value)) if value < min => Err(FieldFault::greater_than_equal(loc, min)),
            Some(Integer::Negative) => Err(FieldFault::greater_than_equal(loc, min)),
            Some(_) => Err(FieldFault::less_than_equal(loc, max)),
        };
        self.note(read).unwrap_or(default)
    }

    /// The integer `name` between `min` and `max`, when one is given. An empty one is a fault: it may be the mistake of
    /// somebody who pages.
    pub(crate) fn optional_integer(&mut self, name: &'static str, min: u64, max: u64) -> Option<u64> {
        let is_given = self.parameters.iter().any(|(parameter, _)| parameter == name);
        is_given.then(|| self.integer(name, min, min, max))
    }

    /// The number of an account `name`, when one is given.
    pub(crate) fn user(&mut self, name: &'static str) -> Option<UserId> {
        if self.is_blank(name) {
            return None;
        }
        let number = self.optional_integer(name, 1, i64::MAX as u64)?;
        i64::try_from(number).ok().and_then(UserId::new)
    }

    /// The kind of event `name`, when one is given.
    pub(crate) fn event_kind(&mut self, name: &'static str) -> Option<EventKind> {
        let text = self.only(name).filter(|text| !text.is_empty())?;
        let read = EventKind::from_name(&text).ok_or_else(|| {
            let expected = EventKind::all().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ");
            FieldFault::enumeration(vec!["query", name], &expected)
        });
        self.note(read)
    }

    /// The moment `name`, when one is given (RFC 3339, section 5.6). A `+` has to be sent as `%2B`.
    pub(crate) fn moment(&mut self, name: &'static str) -> Option<Timestamp> {
        let text = self.only(name).filter(|text| !text.is_empty())?;
        self.note(read_moment(&text).ok_or_else(|| FieldFault::datetime_parsing(vec!["query", name])))
    }

    /// The text `name`, when one is given: `max` bytes at most, none of them a control character.
    pub(crate) fn text(&mut self, name: &'static str, max: usize) -> Option<String> {
        let text = self.only(name).filter(|text| !text.is_empty())?;
        let loc = vec!["query", name];
        let read = if text.len() > max {
            Err(FieldFault::string_too_long(loc, max))
        } else if text.chars().any(char::is_control) {
            Err(FieldFault::value_error(loc, "Value error", "contains a control character"))
        } else {
            Ok(text)
        };
        self.note(read)
    }

    /// Whether `name` is given once, and empty: as a form sends a field that nobody filled in.
    fn is_blank(&self, name: &str) -> bool {
        let mut values = self.parameters.iter().filter(|(parameter, _)| parameter == name);
        matches!((values.next(), values.next()), (Some((_, value)), None) if value.is_empty())
    }

    /// The role `name`, when one is given.
    pub(crate) fn role(&mut self, name: &'static str) -> Option<Role> {
        let text = self.only(name).filter(|text| !text.is_empty())?;
        let expected = Role::ALL.map(|role| format!("'{role}'")).join(" or ");
        self.note(Role::from_str(&text).map_err(|_| FieldFault::enumeration(vec!["query", name], &expected)))
    }

    /// The boolean `name`, when one is given, in the spellings that Pydantic takes.
    pub(crate) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let text = self.only(name).filter(|text| !text.is_empty())?;
        let read = match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" | "t" | "y" => Ok(true),
            "false" | "0" | "off" | "no" | "f" | "n" => Ok(false),
            _ => Err(FieldFault::bool_parsing(vec!["query", name])),
        };
        self.note(read)
    }

    /// Refuses with every fault found.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.faults.is_empty() { Ok(()) } else { Err(ApiError::validation(self.faults)) }
    }

    /// The value of `name`; given twice it is a fault, for two readers might take different ones.
    fn only(&mut self, name: &'static str) -> Option<String> {
        let mut found = self.parameters.iter().filter(|(parameter, _)| parameter == name);
        let value = found.next()?.1.clone();
        if found.next().is_some() {
            let fault = FieldFault::value_error(vec!["query", name], "Value error", "given more than once");
            return self.note(Err(fault));
        }
        Some(value)
    }

    fn note<T>(&mut self, read: Result<T, FieldFault>) -> Option<T> {
        read.map_err(|fault| self.faults.push(fault)).ok()
    }
}

/// Why a path has no parameters that can be read.
pub(crate) type PathRejected = axum::extract::rejection::RawPathParamsRejection;

/// A moment in the form of RFC 3339, and no other that a lenient reader would take.
fn read_moment(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't'])?;
    let is_date = date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let is_time = time.is_char_boundary(8) && time.as_bytes().iter().filter(|byte| **byte == b':').count() >= 2;
    let zone = time.get(8..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let is_zone = zone.eq_ignore_ascii_case("z") || (zone.len() == 6 && zone.as_bytes()[3] == b':');
    if !(is_date && is_time && is_zone) {
        return None;
    }
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_micros(moment.as_microsecond()))
}

/// The user that a path names as `user_id`. What isn't UTF-8 there is no integer either.
///
/// # Errors
///
/// 422 when it is no integer, 404 when no user can have it.
pub(crate) fn named_user(path: Option<&RawPathParams>) -> Result<UserId, ApiError> {
    let integer = Integer::parse(segment(path, "user_id"))
        .ok_or_else(|| ApiError::validation(vec![FieldFault::int_parsing(vec!["path", "user_id"])]))?;
    let id = match integer {
        Integer::Within(value) => i64::try_from(value).ok().and_then(UserId::new),
        Integer::Negative | Integer::Huge => None,
    };
    id.ok_or_else(ApiError::user_not_found)
}

/// The session that a path names as `session_id`.
///
/// # Errors
///
/// 404 for what is no session's name: the answer for one that isn't there.
pub(crate) fn named_session(path: Option<&RawPathParams>) -> Result<SessionId, ApiError> {
    segment(path, "session_id").parse().map_err(|_| ApiError::session_not_found())
}

fn segment<'a>(path: Option<&'a RawPathParams>, name: &str) -> &'a str {
    path.into_iter().flatten().find(|(parameter, _)| *parameter == name).map_or("", |(_, value)| value)
}

enum Integer {
    Negative,
    Within(u64),
    Huge,
}

impl Integer {
    fn parse(text: &str) -> Option<Self> {
        let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(match digits.parse::<u64>() {
            Ok(0) => Self::Within(0),
            _ if is_negative => Self::Negative,
            Ok(value) => Self::Within(value),
            Err(_) => Self::Huge,
        })
    }
}

/// Undoes form encoding. What isn't UTF-8 afterwards becomes U+FFFD, which no parameter takes.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()))
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => bytes.push(byte),
            None => bytes.push(if first == b'+' { b' ' } else { first }),
        }
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_rfc_3339() {
        let seconds = |text: &str| read_moment(text).map(Timestamp::seconds);
        assert_eq!(seconds("2027-01-15T08:00:00Z"), Some(1_800_000_000));
        for text in ["2027-01-15t08:00:00z", "2027-01-15T08:00:00.000000Z", "2027-01-15T10:30:00+02:30"] {
            assert_eq!(seconds(text), Some(1_800_000_000), "{text}");
        }
        for text in [
            "2027-01-15",
            "2027-01-15T08:00:00",
            "2027-01-15 08:00:00Z",
            "2027-01-15T08:00Z",
            "2027-13-15T08:00:00Z",
            "2027-01-15T08:00:00+02",
            "2027-01-15T08:00:00Z[UTC]",
            "20270115T080000Z",
            "1800000000",
            "T",
            "",
            "2027-02-30T00:00:00Z",
            "2027-01-15T08:00:00Zé",
            "99999-01-01T00:00:00Z",
            "2027-01-15T24:00:00Z",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn form_encoding_is_undone() {
        assert_eq!(decode("a%20b+c"), "a b c");
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(decode("%ff"), "\u{fffd}");
        assert_eq!(decode("%+1"), "% 1");
    }
}
