//! T4, T5 and T18: signatures that are none, are made with a guessed key, or belong to another token.

use doorward::token::access::AccessTokenRules;
use doorward::token::keyring::Keyring;
use doorward::{Timestamp, create_access_token};
use sha2::{Digest, Sha256};

use crate::forge::*;

/// Under a header of our own and under another, which are not verified by the same lines.
#[test]
fn t4_signatures_that_do_not_hold() {
    for token in [our_token(), with_claims(&Claims::good())] {
        assert_all_invalid(with_other_signatures(&token));
    }
}

fn with_other_signatures(token: &str) -> Vec<String> {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let right = mac(SECRET, signed);
    assert_eq!(encode(&right), signature);

    let mut forged: Vec<Vec<u8>> = vec![Vec::new(), vec![0; 32], vec![255; 32], vec![0; 64], vec![255; 64]];
    forged.extend([1, 16, 31].map(|length| right[..length].to_vec()));
    forged.push([&right[..], &[0]].concat());
    forged.push([&right[..], &right].concat());
    forged.push([&[0], &right[..31]].concat());
    forged.push(right.iter().rev().copied().collect());
    for bit in 0..256 {
        let mut flipped = right.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        forged.push(flipped);
    }
    forged.push(right.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes());
    forged.push(signature.as_bytes().to_vec());
    forged.push(Sha256::digest(signed).to_vec());
    forged.push(Sha256::digest([SECRET.as_bytes(), signed.as_bytes()].concat()).to_vec());
    forged.push(Sha256::digest([signed.as_bytes(), SECRET.as_bytes()].concat()).to_vec());
    let decoded = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap();
    forged.push(mac(SECRET, payload));
    forged.push(mac(SECRET, header));
    forged.push(mac(SECRET, format!("{payload}.{header}")));
    forged.push(mac(SECRET, format!("{header}{payload}")));
    forged.push(mac(SECRET, format!("{signed}.")));
    forged.push(mac(SECRET, decoded));
    forged.push(mac(signed, SECRET));
    let mut tokens: Vec<String> = forged.iter().map(|mac| format!("{signed}.{}", encode(mac))).collect();
    tokens.push(format!("{signed}.{}", right.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));

    tokens
}

/// What breaks verifiers of curves, under their names: zeros (CVE-2022-21449), DER, values at the order.
#[test]
fn t4_signatures_of_curves() {
    let payload = encode(Claims::good().json());
    let p256_order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let ed25519_order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let (p256_order, ed25519_order) = (hex(p256_order), hex(ed25519_order));
    let der_zero_zero = vec![0x30, 6, 2, 1, 0, 2, 1, 0];
    let ones = [&[0; 31][..], &[1]].concat();
    let mut tokens = Vec::new();
    for alg in ["ES256", "EdDSA", "HS256"] {
        let signed = format!("{}.{payload}", encode(format!(r#"{{"alg":"{alg}"}}"#)));
        for mac in [
            vec![0; 64],
            der_zero_zero.clone(),
            [&p256_order[..], &ones].concat(),
            [&ones[..], &p256_order].concat(),
            [&p256_order[..], &p256_order].concat(),
            [&ones[..], &ed25519_order].concat(),
            [&[0; 32][..], &ed25519_order].concat(),
        ] {
            tokens.push(format!("{signed}.{}", encode(mac)));
        }
    }
    assert_all_invalid(tokens);
}

#[test]
fn t5_guessable_keys() {
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64_simd::STANDARD.encode_to_string(SECRET);
    let unpadded = encode(SECRET);
    let guesses = [
        "",
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        " ",
        "secret",
        "Secret",
        "SECRET",
        "secretkey",
        "secret123",
        "your-256-bit-secret",
        "your-384-bit-secret",
        "your-512-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "your-secret-key",
        "your-secret-key-change-in-production",
        "super-secret-key",
        "supersecret",
        "mysecretkey",
        "changeme",
        "changethis",
        "changeit",
        "password",
        "123456",
        "1234567890",
        "admin",
        "test",
        "default",
        "jwt",
        "jwtsecret",
        "shhhhh",
        "keyboard cat",
        "notasecret",
        "hunter2",
        "qwerty",
        "letmein",
        "null",
        "undefined",
        "None",
        // The right key, not quite.
        &hex,
        &hex.to_uppercase(),
        &base64,
        &unpadded,
        &format!("{SECRET}\n"),
        &format!("{SECRET}\r\n"),
        &format!(" {SECRET}"),
        &format!("\"{SECRET}\""),
        &SECRET[..31],
        &SECRET[..16],
        &SECRET[1..],
        &SECRET.to_lowercase(),
        &SECRET.to_uppercase(),
        &SECRET.repeat(2),
        RETIRED_SECRET,
    ];
    let ours = our_token();
    let (own_header, payload) = ours.rsplit_once('.').unwrap().0.split_once('.').unwrap();
    assert_all_invalid(guesses.iter().flat_map(|guess| {
        [encode(HEADER), own_header.to_owned()].map(|header| sign_segments(&header, payload, guess))
    }));
}

/// HMAC fills short keys up with zeros (RFC 2104, section 2), so these two are one key. No forgery: who has
/// one has the other.
#[test]
fn t5_a_key_and_its_padding_are_one() {
    let padded = format!("{SECRET}\0");
    assert!(verdict(&sign_segments(&encode(HEADER), &encode(Claims::good().json()), padded)).is_ok());
}

#[test]
fn t18_parts_of_two_tokens() {
    let (mine, theirs) = (our_token(), with_claims(&Claims::good().set("role", "\"admin\"")));
    assert!(verdict(&theirs).is_ok());
    let other_key = Keyring::new(secret_key(RETIRED_SECRET), Vec::new());
    let rules = AccessTokenRules::default();
    let foreign = create_access_token(subject(), &other_key, &rules, now()).unwrap().reveal().to_owned();
    let later = create_access_token(subject(), &keyring(), &rules, Timestamp::from_seconds(NOW - 1)).unwrap();
    let tokens = [&*mine, &theirs, &foreign, later.reveal()];
    let parts: Vec<Vec<&str>> = tokens.iter().map(|token| token.split('.').collect()).collect();
    let mut mixed = Vec::new();
    for header in &parts {
        for payload in &parts {
            for signature in &parts {
                mixed.push(format!("{}.{}.{}", header[0], payload[1], signature[2]));
            }
        }
    }
    let whole = [&*mine, &theirs, later.reveal()];
    assert_all_invalid(mixed.iter().filter(|token| !whole.contains(&token.as_str())));
    assert_all_invalid([format!("{}.{}.{}", parts[0][1], parts[0][0], parts[0][2])]);
}
