//! The verifier against a second opinion: a strict check written again, slowly, on `serde_json`.

use std::collections::HashMap;
use std::fmt;

use doorward::session::SessionId;
use doorward::token::access::{AccessTokenError, AccessTokenRules, Subject};
use doorward::{Role, Timestamp, UserId, create_access_token, decode_access_token};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use uuid::Uuid;

use crate::forge::*;

/// An object none of whose names stands twice.
struct Unique(HashMap<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut members = HashMap::new();
        while let Some((name, value)) = map.next_entry()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("twice"));
            }
        }
        Ok(Unique(members))
    }
}

fn reference_decode(text: &str) -> Option<Vec<u8>> {
    let sextets: Option<Vec<usize>> =
        text.bytes().map(|byte| ALPHABET.iter().position(|character| *character == byte)).collect();
    let bits: Vec<u8> =
        sextets?.iter().flat_map(|sextet| (0..6).rev().map(move |bit| u8::from(sextet >> bit & 1 == 1))).collect();
    let bytes: Vec<u8> = bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
    (encode(&bytes) == text).then_some(bytes)
}

fn reference_uuid(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<Uuid>().is_ok_and(|uuid| uuid.to_string() == text))
}

/// Whether a token is good, by the rules as they stand in the documentation.
fn reference(token: &str, rules: &AccessTokenRules, now: i64) -> Result<(), AccessTokenError> {
    let valid = || -> Option<(i64, i64)> {
        let segments: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = segments[..] else { return None };
        let Unique(fields) = serde_json::from_slice(&reference_decode(header)?).ok()?;
        let Unique(claims) = serde_json::from_slice(&reference_decode(payload)?).ok()?;
        let known =
            |names: &[&str], object: &HashMap<String, Value>| object.keys().all(|name| names.contains(&&**name));
        let header_holds = known(&["alg", "typ", "kid"], &fields)
            && fields.get("alg")? == "HS256"
            && fields.get("typ").is_none_or(|typ| typ == "JWT" || typ == "at+jwt" || typ == "application/at+jwt")
            && fields.get("kid").is_none_or(|kid| *kid == kid_of(&our_token()));
        let time = |name: &str| claims.get(name)?.as_i64().filter(|time| *time >= 0);
        let (issued_at, expires_at) = (time("iat")?, time("exp")?);
        let user_id = claims.get("sub")?.as_str()?;
        let holds = token.len() <= 4096
            && header_holds
            && reference_decode(signature)? == mac(SECRET, format!("{header}.{payload}"))
            && claims.get("nbf").is_none_or(|_| time("nbf").is_some_and(|not_before| not_before <= now + 60))
            && user_id.parse::<i64>().is_ok_and(|id| id > 0 && id.to_string() == user_id)
            && ["user", "admin"].contains(&claims.get("role")?.as_str()?)
            && reference_uuid(claims.get("jti")?)
            && claims.get("sid").is_none_or(reference_uuid)
            && claims.get("iss").map(Value::as_str) == rules.issuer.as_deref().map(Some)
            && claims.get("aud").map(Value::as_str) == rules.audience.as_deref().map(Some)
            && issued_at <= now + 60
            && issued_at < expires_at;
        holds.then_some((issued_at, expires_at))
    };
    let lifetime = i64::try_from(rules.lifetime.as_secs()).unwrap();
    match valid() {
        Some((_, expires_at)) if expires_at <= now => Err(AccessTokenError::Expired),
        Some((issued_at, expires_at)) if expires_at - issued_at <= lifetime => Ok(()),
        Some(_) | None => Err(AccessTokenError::Invalid),
    }
}

#[track_caller]
fn assert_agreement(token: &str, rules: &AccessTokenRules) {
    let ours = decode_access_token(token, &keyring(), rules, now()).map(drop);
    assert_eq!(ours, reference(token, rules, NOW), "{token}");
}

fn addressed() -> AccessTokenRules {
    let (issuer, audience) = (Some("doorward".to_owned()), Some("shöp".to_owned()));
    AccessTokenRules { issuer, audience, ..AccessTokenRules::default() }
}

fn any_rules() -> impl Strategy<Value = AccessTokenRules> {
    select(vec![AccessTokenRules::default(), addressed()])
}

/// Values of members, the good ones of some member among them.
fn any_value() -> impl Strategy<Value = String> {
    let times = [-901, -900, -899, -1, 0, 1, 60, 61, 899, 900, 901, 960].map(|offset: i64| (NOW + offset).to_string());
    let fixed = [
        "\"42\"",
        "\"042\"",
        "42",
        "\"user\"",
        "\"admin\"",
        "\"us\\u0065r\"",
        "\"Admin\"",
        "\"HS256\"",
        "\"none\"",
        "\"JWT\"",
        "\"at+jwt\"",
        "\"doorward\"",
        "\"shöp\"",
        "\"sh\\u00f6p\"",
        "[\"doorward\"]",
        "null",
        "1.0",
        "\"7b0e6c1e-0d0c-4c51-9b5b-0b0a3c9c2f11\"",
        "\"7B0E6C1E-0D0C-4C51-9B5B-0B0A3C9C2F11\"",
        "\"7b0e6c1e0d0c4c519b5b0b0a3c9c2f11\"",
    ];
    let kid = format!("\"{}\"", kid_of(&our_token()));
    let pool: Vec<String> = times.into_iter().chain(fixed.map(str::to_owned)).chain([kid]).collect();
    prop_oneof![
        8 => select(pool),
        1 => any::<String>().prop_map(|text| Value::from(text).to_string()),
        1 => any::<i64>().prop_map(|integer| integer.to_string()),
        1 => any::<f64>().prop_map(|number| number.to_string()),
    ]
}

/// Changes to make to good claims: each sets a member, adds one, or takes one away.
fn any_changes() -> impl Strategy<Value = Vec<(u8, String, String)>> {
    let names = ["sub", "role", "jti", "iat", "exp", "sid", "iss", "aud", "r\\u006fle", "\\u0073ub", "nbf", "x"];
    prop::collection::vec((0..4_u8, select(names.map(str::to_owned).to_vec()), any_value()), 0..4)
}

fn changed(mut claims: Claims, changes: &[(u8, String, String)]) -> Claims {
    for (kind, name, value) in changes {
        claims = match kind {
            0 => claims.and(name, value),
            1 => claims.without(name),
            _ => claims.set(name, value),
        };
    }
    claims
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_text_is_judged_alike(token in "\\PC{0,80}|[A-Za-z0-9_.=-]{0,400}", rules in any_rules()) {
        assert_agreement(&token, &rules);
    }

    #[test]
    fn any_bytes_are_judged_without_panic(bytes: Vec<u8>) {
        let token = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(verdict(&token), Err(AccessTokenError::Invalid));
        prop_assert_eq!(verdict(&sign(&bytes, Claims::good().json())), Err(AccessTokenError::Invalid));
        prop_assert_eq!(verdict(&sign(HEADER, &bytes)), Err(AccessTokenError::Invalid));
    }

    #[test]
    fn any_claims_are_judged_alike(changes in any_changes(), rules in any_rules(), address: bool) {
        let good = Claims::good();
        let good = if address { good.set("iss", "\"doorward\"").set("aud", "\"shöp\"") } else { good };
        assert_agreement(&with_claims(&changed(good, &changes)), &rules);
    }

    #[test]
    fn any_header_is_judged_alike(
        members in prop::collection::vec((select(vec!["typ", "kid", "alg", "\\u0061lg", "crit", "jku"]), any_value()), 0..3),
        has_algorithm: bool,
    ) {
        let header = if has_algorithm { Claims(Vec::new()).set("alg", "\"HS256\"") } else { Claims(Vec::new()) };
        let header = members.iter().fold(header, |header, (name, value)| header.and(name, value));
        assert_agreement(&with_header(header.json()), &AccessTokenRules::default());
    }

    #[test]
    fn a_damaged_token_is_judged_alike(places in prop::collection::vec((any::<Index>(), any::<char>()), 1..3), cut: Index) {
        let ours = our_token();
        let mut characters: Vec<char> = ours.chars().collect();
        for (place, character) in &places {
            let place = place.index(characters.len());
            characters[place] = *character;
        }
        let damaged: String = characters.iter().collect();
        assert_agreement(&damaged, &AccessTokenRules::default());
        assert_agreement(&ours[..cut.index(ours.len())], &AccessTokenRules::default());
        prop_assert!(damaged == ours || verdict(&damaged) == Err(AccessTokenError::Invalid));
    }

    #[test]
    fn a_payload_damaged_before_signing_is_judged_alike(place: Index, byte: u8, insert: bool) {
        let mut payload = Claims::good().json().into_bytes();
        let place = place.index(payload.len());
        if insert { payload.insert(place, byte) } else { payload[place] = byte }
        assert_agreement(&sign(HEADER, payload), &AccessTokenRules::default());
    }

    #[test]
    fn a_token_survives_its_journey(
        user_id in 1..=i64::MAX,
        role in select(Role::ALL.to_vec()),
        session: Option<u128>,
        seconds in 0..i64::MAX / 1_000_000,
        age in 0..900_i64,
        addresses: (Option<String>, Option<String>),
    ) {
        let rules = AccessTokenRules { issuer: addresses.0, audience: addresses.1, ..AccessTokenRules::default() };
        let session = session.map(|session| SessionId::from_uuid(Uuid::from_u128(session)));
        let subject = Subject { user_id: UserId::new(user_id).unwrap(), role, session };
        let issued_at = Timestamp::from_seconds(seconds);
        let token = create_access_token(subject, &keyring(), &rules, issued_at).unwrap();
        let later = Timestamp::from_seconds(seconds.saturating_add(age));
        let verified = decode_access_token(token.reveal(), &keyring(), &rules, later).unwrap();
        prop_assert_eq!(verified.subject(), subject);
        prop_assert_eq!(verified.issued_at(), issued_at);
    }
}

/// Else the agreement above would be that of two that refuse everything.
#[test]
fn the_reference_takes_good_tokens() {
    assert_eq!(reference(&our_token(), &AccessTokenRules::default(), NOW), Ok(()));
    assert_eq!(reference(&with_claims(&Claims::good()), &AccessTokenRules::default(), NOW), Ok(()));
    assert_eq!(reference(&our_token(), &AccessTokenRules::default(), NOW + 900), Err(AccessTokenError::Expired));
}
