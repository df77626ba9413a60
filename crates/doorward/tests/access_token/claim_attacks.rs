//! T19–T24: claims, each signed with the right key.

use std::time::Duration;

use doorward::token::access::{AccessTokenError, AccessTokenRules};
use doorward::token::keyring::Keyring;
use doorward::{Timestamp, create_access_token, decode_access_token};

use crate::forge::*;

/// Tokens in which one claim is missing, then has each of these values.
fn spoilt<'a>(name: &'a str, values: &'a [&str]) -> impl Iterator<Item = String> + use<'a> {
    let missing = with_claims(&Claims::good().without(name));
    std::iter::once(missing).chain(values.iter().map(move |value| with_claims(&Claims::good().set(name, value))))
}

/// Values that no claim of ours can have.
const MISTYPED: &[&str] =
    &["null", "true", "false", "[]", "{}", "NaN", "Infinity", "undefined", "", "1.5", "[1]", "[\"42\"]"];

/// Values that no time can have.
const NO_TIMES: &[&str] = &[
    "\"1700000900\"",
    "\"\"",
    "-1",
    "-0",
    "1700000900.0",
    "1700000900.5",
    "17000009e2",
    "1.7000009e9",
    "01700000900",
    "+1700000900",
    "0x6553F3E4",
    "1_700_000_900",
    "9007199254740992",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "1e308",
    "1e400",
    "-1e400",
    "1700000900000",
];

#[test]
fn t19_expiry() {
    assert_all_invalid(spoilt("exp", MISTYPED).chain(spoilt("exp", NO_TIMES)));
    let exp = |exp: i64| verdict(&with_claims(&Claims::good().set("exp", exp)));
    assert_eq!(exp(0), Err(AccessTokenError::Invalid), "before it was issued");
    assert_eq!(exp(NOW), Err(AccessTokenError::Invalid), "as it was issued");
    assert!(exp(NOW + 1).is_ok());
    assert!(exp(NOW + 900).is_ok());
    assert_eq!(exp(NOW + 901), Err(AccessTokenError::Invalid), "good for longer than we give");

    let issued_before =
        |age: i64| verdict(&with_claims(&Claims::good().set("iat", NOW - age).set("exp", NOW - age + 900)));
    assert!(issued_before(899).is_ok());
    assert_eq!(issued_before(900), Err(AccessTokenError::Expired), "on its exp");
    assert_eq!(issued_before(901), Err(AccessTokenError::Expired));
    assert_eq!(issued_before(NOW), Err(AccessTokenError::Expired), "issued at the epoch");
}

#[test]
fn t19_expired_is_said_only_when_all_else_held() {
    let expired = Claims::good().set("iat", NOW - 900).set("exp", NOW);
    assert_eq!(verdict(&with_claims(&expired)), Err(AccessTokenError::Expired));
    let (header, payload) = (encode(HEADER), encode(expired.json()));
    assert_all_invalid([
        sign_segments(&header, &payload, RETIRED_SECRET),
        sign_segments(&encode(r#"{"alg":"none"}"#), &payload, SECRET),
        with_claims(&expired.clone().set("role", "\"root\"")),
        with_claims(&expired.clone().set("iat", NOW - 1000).set("exp", NOW + 1)),
        with_claims(&expired.clone().set("aud", "\"somebody\"")),
        with_claims(&expired.clone().set("sid", "1")),
        with_claims(&expired.clone().and("other", "1").and("other", "1")),
        with_claims(&expired.clone().without("jti")),
        with_claims(&expired.and("exp", NOW)),
    ]);
}

#[test]
fn t19_the_clock_counts_whole_seconds() {
    let token = our_token();
    let rules = AccessTokenRules::default();
    let at = |micros: i64| decode_access_token(&token, &keyring(), &rules, Timestamp::from_micros(micros));
    assert_eq!(at((NOW - 60) * 1_000_000 - 1), Err(AccessTokenError::Invalid), "more than a minute before its issue");
    assert!(at((NOW - 60) * 1_000_000).is_ok(), "by a clock that is a minute behind");
    assert!(at((NOW + 900) * 1_000_000 - 1).is_ok());
    assert_eq!(at((NOW + 900) * 1_000_000), Err(AccessTokenError::Expired));
    for extreme in [i64::MIN, -1, 0] {
        assert_eq!(at(extreme), Err(AccessTokenError::Invalid));
    }
    assert_eq!(at(i64::MAX), Err(AccessTokenError::Expired));
}

#[test]
fn t19_leeway_moves_both_ends_and_no_further() {
    let rules = AccessTokenRules { leeway: Duration::from_secs(90), ..AccessTokenRules::default() };
    let token = our_token();
    let at = |seconds: i64| decode_access_token(&token, &keyring(), &rules, Timestamp::from_seconds(seconds));
    assert_eq!(at(NOW - 91), Err(AccessTokenError::Invalid));
    assert!(at(NOW - 90).is_ok());
    assert!(at(NOW + 989).is_ok());
    assert_eq!(at(NOW + 990), Err(AccessTokenError::Expired));
    let boundless = AccessTokenRules { leeway: Duration::MAX, lifetime: Duration::MAX, ..AccessTokenRules::default() };
    let verdict = |claims: &Claims| decode_access_token(&with_claims(claims), &keyring(), &boundless, now());
    assert!(verdict(&Claims::good().set("exp", i64::MAX)).is_ok());
    assert!(verdict(&Claims::good().set("iat", 0)).is_ok());
    assert_eq!(verdict(&Claims::good().set("iat", i64::MAX).set("exp", i64::MAX)), Err(AccessTokenError::Invalid));
}

#[test]
fn t20_issue_and_not_before() {
    assert_all_invalid(spoilt("iat", MISTYPED).chain(spoilt("iat", NO_TIMES)));
    let (later, after_expiry) = ((NOW + 61).to_string(), (NOW + 901).to_string());
    assert_all_invalid(spoilt("iat", &[&later, &after_expiry]));
    // We never write `nbf`, and heed it.
    let not_before = [&*later, "\"0\"", "\"soon\"", "null", "{}", "[]", "-1", "1.0", "18446744073709551616", "1e400"];
    assert_all_invalid(not_before.map(|value| with_claims(&Claims::good().set("nbf", value))));
    // Nodes' clocks differ.
    for seconds in [0, NOW - 1, NOW, NOW + 1, NOW + 60] {
        assert!(verdict(&with_claims(&Claims::good().set("nbf", seconds))).is_ok(), "{seconds}");
    }
    assert!(verdict(&with_claims(&Claims::good().set("iat", NOW + 60).set("exp", NOW + 960))).is_ok());
}

/// A front end refreshes on *expired* and logs people out on *invalid*.
#[test]
fn a_token_of_a_longer_lifetime_expires_before_it_is_too_long() {
    let issued = |age: i64, lifetime: i64| {
        verdict(&with_claims(&Claims::good().set("iat", NOW - age).set("exp", NOW - age + lifetime)))
    };
    assert_eq!(issued(3600, 3600), Err(AccessTokenError::Expired));
    assert_eq!(issued(7200, 3600), Err(AccessTokenError::Expired));
    assert_eq!(issued(3599, 3600), Err(AccessTokenError::Invalid));
}

/// RFC 7519, section 4: "all claims that are not understood by implementations MUST be ignored".
#[test]
fn a_claim_that_is_not_ours_is_ignored_whatever_it_is() {
    let deep = format!("{}{}", "[".repeat(32), "]".repeat(32));
    let values = ["null", "true", "1.5e3", "-1", "\"x\"", "[]", "{}", r#"{"a":[{"b":null}],"c":"d"}"#, &deep];
    for name in ["admin", "is_admin", "roles", "scope", "Role", "SUB", "nonce", "", "__proto__", "https://a.example/b"]
    {
        for value in values {
            let token = verdict(&with_claims(&Claims::good().set(name, value))).unwrap();
            assert_eq!(token.subject().role, doorward::Role::User, "{name}: {value}");
        }
    }
    let too_deep = format!("[{deep}]");
    for value in ["", "NaN", "{\"a\":1,\"a\":1}", "[1,]", "1e400", "'x'", &too_deep] {
        assert_eq!(verdict(&with_claims(&Claims::good().set("x", value))), Err(AccessTokenError::Invalid), "{value}");
    }
    let twice = Claims::good().and("x", "1").and("\\u0078", "2");
    assert_eq!(verdict(&with_claims(&twice)), Err(AccessTokenError::Invalid));
}

#[test]
fn t21_subject_name_and_role() {
    let long = format!("\"{}\"", "4".repeat(64 * 1024));
    let subjects = [
        "42",
        "-42",
        "0",
        "\"\"",
        "\" \"",
        "\"42 \"",
        "\" 42\"",
        "\"42\\n\"",
        "\"42\\u0000\"",
        "\"0\"",
        "\"-1\"",
        "\"+42\"",
        "\"042\"",
        "\"42.0\"",
        "\"4e1\"",
        "\"0x2a\"",
        "\"٤٢\"",
        "\"42' OR '1'='1\"",
        "\"admin\"",
        "\"9223372036854775808\"",
        &long,
    ];
    assert_all_invalid(spoilt("sub", MISTYPED).chain(spoilt("sub", &subjects)));
    let names = [
        "7",
        "\"\"",
        "\" \"",
        "\"1\"",
        "\"\\u0000\"",
        "\"7b0e6c1e0d0c4c519b5b0b0a3c9c2f11\"",
        "\"{7b0e6c1e-0d0c-4c51-9b5b-0b0a3c9c2f11}\"",
        "\"urn:uuid:7b0e6c1e-0d0c-4c51-9b5b-0b0a3c9c2f11\"",
        "\"7B0E6C1E-0D0C-4C51-9B5B-0B0A3C9C2F11\"",
        "\"7b0e6c1e-0d0c-4c51-9b5b-0b0a3c9c2f1\"",
        "\"7b0e6c1e-0d0c-4c51-9b5b-0b0a3c9c2f111\"",
        "\"7b0e6c1e-0d0c-4c51-9b5b-0b0a3c9c2f1g\"",
        "\"7b0e6c1e-0d0c-4c51-9b5b-0b0a3c9c2f1\\n\"",
        "\"7b0e6c1e-0d0c4c51--9b5b-0b0a3c9c2f11\"",
        "\"';DROP TABLE users;--00000000000000000\"",
        &long,
    ];
    assert_all_invalid(spoilt("jti", MISTYPED).chain(spoilt("jti", &names)));
    assert_all_invalid(spoilt("sid", MISTYPED).skip(1).chain(spoilt("sid", &names).skip(1)));
    let roles = [
        "0",
        "1",
        "\"\"",
        "\" \"",
        "\"ADMIN\"",
        "\"Admin\"",
        "\"User\"",
        "\"admin \"",
        "\" admin\"",
        "\"аdmin\"",
        "\"admin\\u0000\"",
        "\"user,admin\"",
        "\"user admin\"",
        "\"root\"",
        "\"superuser\"",
        "\"*\"",
        "[\"admin\"]",
        "{\"admin\":1}",
        "\"user\\nadmin\"",
        &long,
    ];
    assert_all_invalid(spoilt("role", MISTYPED).chain(spoilt("role", &roles)));
}

/// The store's part (a deleted or disabled user, an ended session, a role that changed) is tested where there
/// is a store; here: a token says only what was signed.
#[test]
fn t22_the_token_says_what_was_signed() {
    let admin =
        verdict(&with_claims(&Claims::good().set("role", "\"admin\"").set("sub", "\"9223372036854775807\""))).unwrap();
    assert_eq!(admin.subject().role, doorward::Role::Admin);
    assert_eq!(admin.subject().user_id.value(), i64::MAX);
    assert_eq!(admin.subject().session, None);
}

#[test]
fn t23_issuer_and_audience() {
    let issuer = "https://auth.example/";
    let rules = AccessTokenRules {
        issuer: Some(issuer.to_owned()),
        audience: Some("shop".to_owned()),
        ..AccessTokenRules::default()
    };
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let good = Claims::good().set("iss", text(issuer)).set("aud", text("shop"));
    let verdict = |claims: &Claims| decode_access_token(&with_claims(claims), &keyring(), &rules, now());
    assert!(verdict(&good).is_ok());
    assert!(
        verdict(&good.clone().set("iss", r#""https:\/\/auth.example\/""#)).is_ok(),
        "JSON's own spelling of the same"
    );

    let mut refused = vec![good.clone().without("iss"), good.clone().without("aud"), Claims::good()];
    for issuer in [
        "",
        "https://auth.example",
        "https://auth.example//",
        "auth.example",
        "https://AUTH.example/",
        "a",
        " https://auth.example/",
        "https://auth.example/\0",
        "http://auth.example/",
        "https://auth.example/evil",
        "https://evil.example/https://auth.example/",
    ] {
        refused.push(good.clone().set("iss", text(issuer)));
    }
    for audience in ["", "sho", "shops", "SHOP", "Shop", "shop/", "shop ", "s", "shop,other", "*"] {
        refused.push(good.clone().set("aud", text(audience)));
    }
    for value in [
        "null",
        "0",
        "true",
        "{}",
        "[]",
        r#"["shop"]"#,
        r#"["shop","other"]"#,
        r#"["other","shop"]"#,
        r#"[1,"shop"]"#,
        r#"{"shop":1}"#,
    ] {
        refused.push(good.clone().set("aud", value));
        refused.push(good.clone().set("iss", value));
    }
    refused.push(good.clone().and("aud", text("shop")));
    refused.push(good.clone().and("iss", text(issuer)));
    for claims in refused {
        assert_eq!(verdict(&claims), Err(AccessTokenError::Invalid), "{}", claims.json());
    }

    // Under rules that have neither, a token for somebody in particular is not for us.
    let unaddressed =
        [good.clone().without("iss"), good.clone().without("aud"), good, Claims::good().set("aud", "\"\"")];
    assert_all_invalid(unaddressed.iter().map(with_claims));
}

/// Logout and password changes are the store's; here: the keys, a restart, and a clock that is set back.
#[test]
fn t24_replay_after_rotation_restart_and_clock_changes() {
    let rules = AccessTokenRules::default();
    let old = Keyring::new(secret_key(RETIRED_SECRET), Vec::new());
    let token = create_access_token(subject(), &old, &rules, now()).unwrap();
    let without_kid = sign_segments(&encode(HEADER), &encode(Claims::good().json()), RETIRED_SECRET);

    let restarted = Keyring::new(secret_key(RETIRED_SECRET), Vec::new());
    let rotated = Keyring::new(
        secret_key(SECRET),
        vec![secret_key("Vb7nM3kQ9wE5rT1yU8iO2pA6sD4fG0hJ"), secret_key(RETIRED_SECRET)],
    );
    let retired = keyring();
    for token in [token.reveal(), &without_kid] {
        assert!(decode_access_token(token, &restarted, &rules, now()).is_ok());
        assert!(decode_access_token(token, &rotated, &rules, now()).is_ok());
        assert_eq!(decode_access_token(token, &retired, &rules, now()), Err(AccessTokenError::Invalid));
        let set_back = Timestamp::from_seconds(NOW - 61);
        assert_eq!(decode_access_token(token, &restarted, &rules, set_back), Err(AccessTokenError::Invalid));
        let next_year = Timestamp::from_seconds(NOW + 31_536_000);
        assert_eq!(decode_access_token(token, &restarted, &rules, next_year), Err(AccessTokenError::Expired));
    }
    let fresh = create_access_token(subject(), &rotated, &rules, now()).unwrap();
    assert_eq!(kid_of(fresh.reveal()), kid_of(&our_token()), "previous keys verify only");
    assert!(decode_access_token(fresh.reveal(), &old, &rules, now()).is_err());
}
