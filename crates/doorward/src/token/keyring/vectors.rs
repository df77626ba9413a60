//! Wycheproof's vectors for HMAC-SHA-256, run on the state that signs and verifies tokens.

use hmac::Mac;
use serde::Deserialize;

use super::{MAC_LENGTH, keyed};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    tc_id: u32,
    key: String,
    msg: String,
    tag: String,
    result: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[test]
fn wycheproof_hmac_sha256() {
    let vectors: Vectors = serde_json::from_str(include_str!("../../../tests/vectors/hmac_sha256_test.json")).unwrap();
    let (mut whole, mut truncated) = (0, 0);
    for test in vectors.test_groups.iter().flat_map(|group| &group.tests) {
        let tag = bytes(&test.tag);
        let holds = keyed(&bytes(&test.key)).chain_update(bytes(&test.msg)).verify_slice(&tag).is_ok();
        if tag.len() == MAC_LENGTH {
            assert_eq!(holds, test.result == "valid", "tcId {}", test.tc_id);
            whole += 1;
        } else {
            assert!(!holds, "tcId {}: a truncated tag is never enough for HS256", test.tc_id);
            truncated += 1;
        }
    }
    assert_eq!((whole, truncated, vectors.number_of_tests), (87, 87, 174));
}
