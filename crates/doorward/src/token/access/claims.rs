//! The payload: written plainly, read and judged strictly.

use std::borrow::Cow;
use std::collections::HashSet;

use uuid::Uuid;

use super::json::{fill, read_object};
use super::{AccessTokenError, AccessTokenRules, MAX_CLOCK_SKEW, Subject, VerifiedToken, written};
use crate::clock::Timestamp;
use crate::role::Role;
use crate::session::SessionId;
use crate::user::UserId;

/// The length of a UUID in its hyphenated form (RFC 9562, section 4).
pub(super) const UUID_LENGTH: usize = 36;

/// The payload of a token for `subject` under the name `id`, good from `now` on.
pub(super) fn write(subject: Subject, id: Uuid, rules: &AccessTokenRules, now: Timestamp) -> String {
    let issued_at = now.seconds();
    let lifetime = i64::try_from(rules.lifetime.as_secs()).unwrap_or(i64::MAX);
    let mut digits = itoa::Buffer::new();
    let mut payload = String::with_capacity(256);
    payload.push_str("{\"sub\":\"");
    payload.push_str(digits.format(subject.user_id.value()));
    payload.push_str("\",\"role\":\"");
    payload.push_str(subject.role.as_str());
    payload.push_str("\",\"jti\":\"");
    push_uuid(&mut payload, &id);
    payload.push_str("\",\"iat\":");
    payload.push_str(digits.format(issued_at));
    payload.push_str(",\"exp\":");
    payload.push_str(digits.format(issued_at.saturating_add(lifetime)));
    if let Some(session) = subject.session {
        payload.push_str(",\"sid\":\"");
        push_uuid(&mut payload, session.as_uuid());
        payload.push('"');
    }
    if let Some(issuer) = &rules.issuer {
        payload.push_str(",\"iss\":");
        push_text(&mut payload, issuer);
    }
    if let Some(audience) = &rules.audience {
        payload.push_str(",\"aud\":");
        push_text(&mut payload, audience);
    }
    payload.push('}');
    payload
}

fn push_uuid(payload: &mut String, uuid: &Uuid) {
    payload.push_str(uuid.hyphenated().encode_lower(&mut [0; UUID_LENGTH]));
}

fn push_text(payload: &mut String, text: &str) {
    if text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        payload.push_str(&serde_json::Value::from(text).to_string());
    } else {
        payload.push('"');
        payload.push_str(text);
        payload.push('"');
    }
}

/// Reads the payload of a token whose signature held, and judges it.
pub(super) fn verify(
    payload: &[u8],
    rules: &AccessTokenRules,
    now: Timestamp,
) -> Result<VerifiedToken, AccessTokenError> {
    let claims = Claims::parse(payload).ok_or(AccessTokenError::Invalid)?;
    let token = claims.judge(rules, now).ok_or(AccessTokenError::Invalid)?;
    // "On or after" its `exp` a token is refused (RFC 7519, section 4.1.4): so it is, to the second.
    if token.expires_at <= Timestamp::from_seconds(now.minus(rules.leeway).seconds()) {
        return Err(AccessTokenError::Expired);
    }
    // After the expiry: a token that was good for longer under older rules has expired, and is no forgery.
    let seconds = token.expires_at.seconds().abs_diff(token.issued_at.seconds());
    if seconds <= rules.lifetime.as_secs() { Ok(token) } else { Err(AccessTokenError::Invalid) }
}

/// The claims of a payload, each of its own type and none twice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims<'a> {
    pub(super) subject: Option<UserId>,
    pub(super) role: Option<Role>,
    pub(super) id: Option<Uuid>,
    pub(super) issued_at: Option<i64>,
    pub(super) expires_at: Option<i64>,
    pub(super) not_before: Option<i64>,
    pub(super) session: Option<Uuid>,
    pub(super) issuer: Option<Cow<'a, str>>,
    pub(super) audience: Option<Cow<'a, str>>,
}

impl<'a> Claims<'a> {
    fn parse(payload: &'a [u8]) -> Option<Self> {
        written::read(payload).or_else(|| Self::parse_any(payload))
    }

    /// A claim of ours of the wrong type is refused, for that must never count as absence (CVE-2026-25537), and so is
    /// any that is given twice. One that is not ours is ignored (RFC 7519, section 4).
    pub(super) fn parse_any(payload: &'a [u8]) -> Option<Self> {
        let mut claims = Self::default();
        let mut ignored = HashSet::new();
        read_object(payload, |name, value| match name {
            "sub" => fill(&mut claims.subject, value.text()?.parse().ok()),
            "role" => fill(&mut claims.role, value.text()?.parse().ok()),
            "jti" => fill(&mut claims.id, parse_uuid(value.text()?.as_bytes())),
            "iat" => fill(&mut claims.issued_at, value.integer()),
            "exp" => fill(&mut claims.expires_at, value.integer()),
            "sid" => fill(&mut claims.session, parse_uuid(value.text()?.as_bytes())),
            "iss" => fill(&mut claims.issuer, value.text()),
            "aud" => fill(&mut claims.audience, value.text()),
            "nbf" => fill(&mut claims.not_before, value.integer()),
            _ => ignored.insert(name.to_owned()).then_some(()),
        })?;
        Some(claims)
    }

    /// All but whether the token's time is over, or longer than we give.
    fn judge(self, rules: &AccessTokenRules, now: Timestamp) -> Option<VerifiedToken> {
        let (issued_at, expires_at) = (self.issued_at?, self.expires_at?);
        let latest = now.plus(rules.leeway.max(MAX_CLOCK_SKEW)).seconds();
        let begun = issued_at <= latest && self.not_before.is_none_or(|not_before| not_before <= latest);
        let is_ordered = issued_at < expires_at;
        // Compared whole, and absent only when it is to be absent (CVE-2024-53861: an issuer by substring).
        let from_us = self.issuer.as_deref() == rules.issuer.as_deref();
        let for_us = self.audience.as_deref() == rules.audience.as_deref();
        if !(begun && is_ordered && from_us && for_us) {
            return None;
        }
        Some(VerifiedToken {
            subject: Subject {
                user_id: self.subject?,
                role: self.role?,
                session: self.session.map(SessionId::from_uuid),
            },
            id: self.id?,
            issued_at: Timestamp::from_seconds(issued_at),
            expires_at: Timestamp::from_seconds(expires_at),
        })
    }
}

/// A UUID in its one spelling: hyphenated, lower case (RFC 9562, section 4).
pub(super) fn parse_uuid(text: &[u8]) -> Option<Uuid> {
    // Every byte is looked at, whatever those before it were: so it is done many at a time.
    let has_upper_case = text.iter().fold(false, |found, byte| found | byte.is_ascii_uppercase());
    if text.len() == UUID_LENGTH && !has_upper_case { Uuid::try_parse_ascii(text).ok() } else { None }
}
