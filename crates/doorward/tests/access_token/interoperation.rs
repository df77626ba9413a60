//! Tokens made by PyJWT, and what we promise to write.

use std::time::Duration;

use doorward::session::SessionId;
use doorward::token::access::{AccessTokenError, AccessTokenRules, Subject};
use doorward::{Role, Timestamp, UserId, create_access_token, decode_access_token};
use uuid::{Uuid, Version};

use crate::forge::*;

/// PyJWT 2.15.1:
///
/// ```text
/// jwt.encode({"sub": "42", "role": "user", "jti": "7b0e6c1e-0d0c-4c51-9b5b-0b0a3c9c2f11",
///             "iat": 1700000000, "exp": 1700000900}, "kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP", "HS256")
/// ```
const BY_PYJWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
    eyJzdWIiOiI0MiIsInJvbGUiOiJ1c2VyIiwianRpIjoiN2IwZTZjMWUtMGQwYy00YzUxLTliNWItMGIwYTNjOWMyZjExIiwiaWF0IjoxNzAwMDAwMDAw\
    LCJleHAiOjE3MDAwMDA5MDB9.89c1fkHLcsFsca40ll9WpnhhAZynLx5FSgMGp16MKIY";

/// PyJWT 2.15.1:
///
/// ```text
/// jwt.encode({"sub": "42", "role": "admin", "jti": "7b0e6c1e-0d0c-4c51-9b5b-0b0a3c9c2f11", "iat": 1700000000,
///             "exp": 1700000900, "sid": "1f3c9a52-6d0e-4b7a-8f21-5c4d3e2b1a09",
///             "iss": "https://münchen.example/\"auth\"", "aud": "clients"},
///            "kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP", "HS256", headers={"typ": "at+jwt"})
/// ```
const BY_PYJWT_IN_FULL: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.\
    eyJzdWIiOiI0MiIsInJvbGUiOiJhZG1pbiIsImp0aSI6IjdiMGU2YzFlLTBkMGMtNGM1MS05YjViLTBiMGEzYzljMmYxMSIsImlhdCI6MTcwMDAwMDAw\
    MCwiZXhwIjoxNzAwMDAwOTAwLCJzaWQiOiIxZjNjOWE1Mi02ZDBlLTRiN2EtOGYyMS01YzRkM2UyYjFhMDkiLCJpc3MiOiJodHRwczovL21cdTAwZmNu\
    Y2hlbi5leGFtcGxlL1wiYXV0aFwiIiwiYXVkIjoiY2xpZW50cyJ9.i9romo2HP7KXLHVmCIuIIIdf0k9AQCIThiVHk1H5smk";

#[test]
fn a_token_by_pyjwt_is_read() {
    let token = verdict(BY_PYJWT).unwrap();
    assert_eq!(token.subject(), subject());
    assert_eq!(token.id(), Uuid::from_u128(0x7b0e_6c1e_0d0c_4c51_9b5b_0b0a_3c9c_2f11));
    assert_eq!(token.issued_at(), now());
    assert_eq!(token.expires_at(), Timestamp::from_seconds(NOW + 900));
}

#[test]
fn a_token_by_pyjwt_with_every_claim_is_read() {
    let rules = AccessTokenRules {
        issuer: Some("https://münchen.example/\"auth\"".to_owned()),
        audience: Some("clients".to_owned()),
        ..AccessTokenRules::default()
    };
    let token = decode_access_token(BY_PYJWT_IN_FULL, &keyring(), &rules, now()).unwrap();
    let session = SessionId::from_uuid(Uuid::from_u128(0x1f3c_9a52_6d0e_4b7a_8f21_5c4d_3e2b_1a09));
    assert_eq!(token.subject(), Subject { role: Role::Admin, session: Some(session), ..subject() });
    assert_eq!(verdict(BY_PYJWT_IN_FULL), Err(AccessTokenError::Invalid), "not without those rules");
}

#[test]
fn a_token_holds_exactly_the_claims_of_the_contract() {
    let payload = |token: &str| -> serde_json::Map<String, serde_json::Value> {
        let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    };
    let claims = payload(&our_token());
    assert_eq!(claims.keys().collect::<Vec<_>>(), ["exp", "iat", "jti", "role", "sub"]);
    assert_eq!(claims["sub"], "42");
    assert_eq!(claims["role"], "user");
    assert_eq!((&claims["iat"], &claims["exp"]), (&NOW.into(), &(NOW + 900).into()));
    let id = claims["jti"].as_str().unwrap().parse::<Uuid>().unwrap();
    assert_eq!(id.get_version(), Some(Version::Random));
    assert_ne!(claims["jti"], payload(&our_token())["jti"]);

    let odd = "\"\\ \u{1} ü \u{1f600}";
    let rules = AccessTokenRules {
        issuer: Some(odd.to_owned()),
        audience: Some("shop".to_owned()),
        lifetime: Duration::from_millis(60_999),
        ..AccessTokenRules::default()
    };
    let session = SessionId::generate().unwrap();
    let subject = Subject { session: Some(session), ..subject() };
    let token = create_access_token(subject, &keyring(), &rules, now()).unwrap();
    let claims = payload(token.reveal());
    assert_eq!(claims.len(), 8);
    assert_eq!(claims["sid"], session.to_string());
    assert_eq!((&claims["iss"], &claims["aud"]), (&odd.into(), &"shop".into()));
    assert_eq!(claims["exp"], NOW + 60, "whole seconds");
    assert_eq!(decode_access_token(token.reveal(), &keyring(), &rules, now()).unwrap().subject(), subject);
}

#[test]
fn the_header_says_how_and_with_which_key() {
    let ours = our_token();
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(ours.split('.').next().unwrap()).unwrap();
    let expected = format!(r#"{{"alg":"HS256","kid":"{}","typ":"JWT"}}"#, kid_of(&ours));
    assert_eq!(String::from_utf8(header).unwrap(), expected);
}

#[test]
fn extreme_rules_and_times_do_no_harm() {
    let rules = AccessTokenRules { lifetime: Duration::MAX, ..AccessTokenRules::default() };
    let subject = Subject { user_id: UserId::new(i64::MAX).unwrap(), ..subject() };
    for micros in [i64::MIN, -1, 0, i64::MAX] {
        let at = Timestamp::from_micros(micros);
        let token = create_access_token(subject, &keyring(), &rules, at).unwrap();
        assert_eq!(decode_access_token(token.reveal(), &keyring(), &rules, at).is_ok(), micros >= 0, "{micros}");
    }
    let issuer = Some("i".repeat(1 << 20));
    let rules = AccessTokenRules { issuer, ..AccessTokenRules::default() };
    let token = create_access_token(subject, &keyring(), &rules, now()).unwrap();
    assert!(decode_access_token(token.reveal(), &keyring(), &rules, now()).is_err(), "longer than what is read");
}
