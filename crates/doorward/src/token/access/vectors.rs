//! Wycheproof's vectors for JWS and the RFCs' own examples, run on the verifier below the claims: most of
//! these payloads are no JSON at all.

use serde::Deserialize;
use serde_json::Value;

use super::Algorithm;
use super::jws::{EMPTY, verify};
use crate::Timestamp;
use crate::token::access::{AccessTokenError, AccessTokenRules, decode_access_token};
use crate::token::keyring::{Keyring, SecretKey, SigningKey, WeakSecret};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    /// A JWK, or a set of them.
    private: Value,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    tc_id: u32,
    /// A string, or an object where the vector is in JSON serialization.
    #[serde(alias = "jwe")]
    jws: Value,
    result: String,
}

/// How the tests of a file fared: counted, so that none is left out in silence.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Verified or refused as the vector says.
    as_labelled: usize,
    /// Of keys that we would not take, all but a few for other algorithms: refused, whatever the vector says.
    foreign_refused: usize,
    /// Known to be mislabelled, by number.
    defects: Vec<u32>,
}

/// The keyring of a group, or `None` when not all its keys are for HS256, canonically spelled and long enough.
fn keyring(group: &Group) -> Option<Keyring> {
    let single = [group.private.clone()];
    let jwks = group.private["keys"].as_array().map_or(&single[..], Vec::as_slice);
    let mut keys = Vec::new();
    for jwk in jwks {
        if jwk["kty"] != "oct" || jwk["alg"] != "HS256" {
            return None;
        }
        let secret = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(jwk["k"].as_str()?).ok()?;
        if SecretKey::new(secret.clone()).err() == Some(WeakSecret::TooShort) {
            return None;
        }
        keys.push(SigningKey::named(jwk["kid"].as_str()?.to_owned(), &secret));
    }
    let mut keys = keys.into_iter();
    Some(Keyring::of_keys(keys.next()?, keys))
}

fn accepts(token: &str, keyring: &Keyring) -> bool {
    verify(token, keyring, &[Algorithm::Hs256], &mut { EMPTY }).is_some()
}

/// Runs a file. `defects` are the tests whose label is wrong or does not apply, each with the verdict it gets.
fn run(json: &str, defects: &[(u32, bool)]) -> Tally {
    let vectors: Vectors = serde_json::from_str(json).unwrap();
    let unrelated = Keyring::of_keys(SigningKey::named("unrelated".to_owned(), &[7; 32]), std::iter::empty());
    let mut tally = Tally::default();
    for group in &vectors.test_groups {
        let keyring = keyring(group);
        for test in &group.tests {
            let token = test.jws.as_str().map_or_else(|| test.jws.to_string(), str::to_owned);
            let accepted = accepts(&token, keyring.as_ref().unwrap_or(&unrelated));
            if let Some((_, verdict)) = defects.iter().find(|(tc_id, _)| *tc_id == test.tc_id) {
                assert_eq!(accepted, *verdict, "defect, tcId {}", test.tc_id);
                tally.defects.push(test.tc_id);
            } else if keyring.is_some() {
                assert_eq!(accepted, test.result == "valid", "tcId {}", test.tc_id);
                tally.as_labelled += 1;
            } else {
                assert!(!accepted, "tcId {}", test.tc_id);
                tally.foreign_refused += 1;
            }
        }
    }
    assert_eq!(tally.as_labelled + tally.foreign_refused + tally.defects.len(), vectors.number_of_tests);
    tally
}

#[test]
fn wycheproof_json_web_signature() {
    let defects = [
        // The very token of 357, which is valid: C2SP/wycheproof issue 236.
        (367, true),
        (370, true),
        // Labelled valid with a `?` inside the base64url of the header and of the payload (RFC 7515, section 2).
        (372, false),
        (373, false),
    ];
    let tally = run(include_str!("../../../tests/vectors/json_web_signature_test.json"), &defects);
    assert_eq!(tally, Tally { as_labelled: 36, foreign_refused: 361, defects: vec![367, 370, 372, 373] });
}

#[test]
fn wycheproof_json_web_key() {
    // Among the refused: keys under 32 bytes (10, 16), a set with an EC key in it (1), and one with two keys of
    // the same name (4), the second of which is no canonical base64url.
    let tally = run(include_str!("../../../tests/vectors/json_web_key_test.json"), &[]);
    assert_eq!(tally, Tally { as_labelled: 3, foreign_refused: 23, defects: vec![] });
}

#[test]
fn wycheproof_json_web_crypto() {
    let tally = run(include_str!("../../../tests/vectors/json_web_crypto_test.json"), &[]);
    assert_eq!(tally, Tally { as_labelled: 19, foreign_refused: 64, defects: vec![] });
}

#[test]
fn rfc_examples() {
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/rfc_vectors.json")).unwrap();
    let example = &vectors["rfc7515_A1_and_rfc7519_3_1"];
    let secret = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(example["key_k"].as_str().unwrap()).unwrap();
    let keyring = Keyring::new(SecretKey::new(secret).unwrap(), Vec::new());

    let signed = example["token"].as_str().unwrap();
    assert!(accepts(signed, &keyring), "RFC 7515, appendix A.1");
    let verdict = decode_access_token(signed, &keyring, &AccessTokenRules::default(), Timestamp::from_seconds(0));
    assert_eq!(verdict, Err(AccessTokenError::Invalid), "its claims are not ours");

    let detached = &vectors["rfc7797_b64_false"];
    let plain = detached["standard_form_signature_over_eyJhbGciOiJIUzI1NiJ9.JC4wMg"].as_str().unwrap();
    assert!(accepts(&format!("eyJhbGciOiJIUzI1NiJ9.JC4wMg.{plain}"), &keyring), "RFC 7797, section 4.1");
    let text = |member: &str| detached[member].as_str().unwrap();
    for payload in [text("payload_raw"), "JC4wMg"] {
        let token = format!("{}.{payload}.{}", text("header"), text("signature"));
        assert!(!accepts(&token, &keyring), "RFC 7797, section 4.2: b64 is no matter for a JWT (section 7)");
    }
    for refused in ["rfc7515_A5_unsecured", "rfc7515_appE_negative_crit"] {
        assert!(!accepts(vectors[refused]["token"].as_str().unwrap(), &keyring), "{refused}");
    }
}
