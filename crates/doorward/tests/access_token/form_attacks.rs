//! T12–T17 and T25: odd encodings, nesting, and what is no token at all.

use doorward::decode_access_token;
use doorward::token::access::{AccessTokenError, AccessTokenRules};

use crate::forge::*;

fn utf16(text: &str, unit: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn t12_not_utf8() {
    let good = Claims::good().json();
    let mut tokens = Vec::new();
    for dirty in [
        |text: &str| utf16(text, u16::to_le_bytes),
        |text: &str| utf16(text, u16::to_be_bytes),
        |text: &str| [b"\xff\xfe".to_vec(), utf16(text, u16::to_le_bytes)].concat(),
        |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        |text: &str| [text.as_bytes(), b"\xef\xbb\xbf"].concat(),
        |text: &str| [text.as_bytes(), b"\xff"].concat(),
        |text: &str| {
            text.replace('{', "\u{1}").into_bytes().into_iter().map(|b| if b == 1 { 0xfb } else { b }).collect()
        },
    ] {
        tokens.push(sign(dirty(HEADER), &good));
        tokens.push(sign(HEADER, dirty(&good)));
    }
    // Overlong spellings of a quote, a slash and NUL; surrogates encoded and escaped; past U+10FFFF; cut off.
    for bytes in [
        &b"\xc0\xa2"[..],
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xed\xb0\x80",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xff",
        b"\xc3",
        b"\xe2\x82",
        b"\\ud800",
        b"\\udc00",
        b"\\udc00\\ud800",
        b"\\ud800\\u0041",
        b"\\ud8",
    ] {
        let around = |before: &str, after: &str| [before.as_bytes(), bytes, after.as_bytes()].concat();
        tokens.push(sign(around(r#"{"alg":"HS256","typ":"JWT"#, "\"}"), &good));
        tokens.push(sign(around(r#"{"alg":"HS256","kid":""#, "\"}"), &good));
        tokens.push(sign(HEADER, around(r#"{"sub":"42"#, &good[r#"{"sub":"42"#.len()..])));
        let with_issuer = good.replace('}', r#","iss":""#);
        tokens.push(sign(HEADER, around(&with_issuer, "\"}")));
    }
    assert_all_invalid(tokens);
}

#[test]
fn t13_claims_given_twice() {
    let good = Claims::good();
    let mut tokens = Vec::new();
    for (name, escaped, other) in [
        ("sub", "s\\u0075b", "\"43\"".to_owned()),
        ("role", "\\u0072ole", "\"admin\"".to_owned()),
        ("jti", "\\u006a\\u0074\\u0069", "\"00000000-0000-4000-8000-000000000000\"".to_owned()),
        ("iat", "iat", (NOW - 1).to_string()),
        ("exp", "e\\u0078p", (NOW + 1).to_string()),
    ] {
        let own = good.0.iter().find(|(known, _)| known == name).unwrap().1.clone();
        for second in [name, escaped] {
            tokens.extend([&other, &own].map(|value| with_claims(&good.clone().and(second, value))));
            let reversed = Claims(vec![(second.to_owned(), other.clone())]);
            tokens.push(with_claims(&Claims([reversed.0, good.0.clone()].concat())));
        }
        tokens.push(with_claims(&good.clone().and(name, "null")));
    }
    let session = good.set("sid", "\"1f3c9a52-6d0e-4b7a-8f21-5c4d3e2b1a09\"");
    assert!(verdict(&with_claims(&session)).is_ok());
    tokens.push(with_claims(&session.clone().and("sid", "\"1f3c9a52-6d0e-4b7a-8f21-5c4d3e2b1a09\"")));
    assert_all_invalid(tokens);
    let escaped = Claims::good().without("role").and("\\u0072ole", "\"us\\u0065r\"");
    assert!(verdict(&with_claims(&escaped)).is_ok(), "escaped, but once");
}

#[test]
fn t14_deep_nesting() {
    let mut tokens = Vec::new();
    for depth in [1, 2, 1_000, 10_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let unclosed = open.repeat(depth);
            for nested in [&deep, &unclosed] {
                tokens.push(sign(HEADER, nested));
                tokens.push(with_header(nested));
                tokens.push(with_claims(&Claims::good().set("iss", nested)));
                tokens.push(with_claims(&Claims::good().set("exp", nested)));
                tokens.push(with_header(format!(r#"{{"alg":"HS256","kid":{nested}}}"#)));
                tokens.push(with_header(format!(r#"{{"alg":{nested}}}"#)));
            }
        }
    }
    assert_all_invalid(tokens);
}

#[test]
fn t15_base64url_has_one_spelling() {
    let mut tokens = Vec::new();
    // The good segments end in whole groups or not as they please; these cover one, two and three bytes over.
    let headers = [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256" }"#, r#"{"alg":"HS256"  }"#];
    for header in headers.map(encode) {
        for payload in (0..3).map(|spaces| encode(format!("{}{}", Claims::good().json(), " ".repeat(spaces)))) {
            let clean = sign_segments(&header, &payload, SECRET);
            assert!(verdict(&clean).is_ok());
            let signature = clean.rsplit('.').next().unwrap().to_owned();
            for dirt in [
                "=", "==", "===", "+", "/", " ", "\n", "\r\n", "\t", "?", "#", "!", "\0", "\u{200b}", "\u{feff}", "%3D",
            ] {
                for (segment, at) in [(&header, 0), (&header, 5), (&payload, 0), (&payload, 7)] {
                    let mut dirty = segment.clone();
                    dirty.insert_str(at, dirt);
                    let behind = format!("{segment}{dirt}");
                    for dirty in [dirty, behind] {
                        let (header, payload) = if segment == &header { (&dirty, &payload) } else { (&header, &dirty) };
                        // With the MAC of the clean text, and signed anew over the dirty one.
                        tokens.push(format!("{header}.{payload}.{signature}"));
                        tokens.push(sign_segments(header, payload, SECRET));
                    }
                }
                tokens.push(format!("{clean}{dirt}"));
                tokens.push(format!("{dirt}{clean}"));
                tokens.push(format!("{header}.{payload}.{dirt}{signature}"));
                tokens.push(format!("{header}.{payload}.{}{dirt}{}", &signature[..9], &signature[9..]));
                tokens.push(format!("{header}.{payload}.{}{dirt}", &signature[..43 - dirt.len().min(43)]));
            }
            // A character too many: a length of 1 modulo 4 says nothing.
            for text in [&header, &payload] {
                let long = format!("{text}{}", "A".repeat((5 - text.len() % 4) % 4));
                let (header, payload) = if text == &header { (&long, &payload) } else { (&header, &long) };
                if long.len() % 4 == 1 {
                    tokens.push(sign_segments(header, payload, SECRET));
                }
            }
            for segment in [&header, &payload] {
                for twin in twins(segment) {
                    let (header, payload) = if segment == &header { (&twin, &payload) } else { (&header, &twin) };
                    tokens.push(sign_segments(header, payload, SECRET));
                }
            }
            let twins = twins(&signature);
            assert_eq!(twins.len(), 3);
            tokens.extend(twins.iter().map(|signature| format!("{header}.{payload}.{signature}")));
        }
    }
    assert_all_invalid(tokens);
}

/// The other spellings of a text whose last character has bits to spare: 3 or 15 of them.
fn twins(text: &str) -> Vec<String> {
    let spare = match text.len() % 4 {
        2 => 16,
        3 => 4,
        _ => 1,
    };
    let last = ALPHABET.iter().position(|character| text.ends_with(char::from(*character))).unwrap();
    (1..spare).map(|bits| format!("{}{}", &text[..text.len() - 1], char::from(ALPHABET[last ^ bits]))).collect()
}

#[test]
fn t16_segments_and_sizes() {
    let ours = our_token();
    let (header, payload) = (encode(HEADER), encode(Claims::good().json()));
    let mut tokens: Vec<String> =
        ["", ".", "..", "...", "a", "a.b", "a.b.c", " ", "\0", "null", "é.é.é"].map(str::to_owned).into();
    tokens.extend([
        ours.replace('.', ""),
        ours.replacen('.', "", 1),
        ours.replace('.', ".."),
        format!(".{ours}"),
        format!("{ours}."),
        format!("{ours}.."),
        format!("{ours}.{ours}"),
        format!("{ours}.a"),
        format!("a.{ours}"),
        ours.replace('.', ","),
        ".".repeat(65_536),
        format!("{}{ours}", ".".repeat(65_536)),
        format!("{ours}{}", ".".repeat(65_536)),
        "A".repeat(65_536),
        "é".repeat(65_536),
        sign_segments("", &payload, SECRET),
        sign_segments(&header, "", SECRET),
        sign_segments("", "", SECRET),
        sign_segments(&header, &format!("{payload}.{payload}"), SECRET),
        sign_segments(&header, &format!("{payload}."), SECRET),
        sign_segments(&header, &format!(".{payload}"), SECRET),
        sign_segments(&format!("{header}.{header}"), &payload, SECRET),
        sign(HEADER, format!("{}{}", Claims::good().json(), " ".repeat(64 * 1024))),
        with_header(format!("{HEADER}{}", " ".repeat(64 * 1024))),
        // Five segments: a JWE.
        format!("{header}.a.b.{payload}.c"),
    ]);
    assert_all_invalid(tokens);
}

#[test]
fn t16_the_size_limit_is_4096_bytes() {
    let padded = |length: usize| sign(HEADER, format!("{}{}", Claims::good().json(), " ".repeat(length)));
    let fitting = (0..4096).map(padded).take_while(|token| token.len() <= 4096).last().unwrap();
    assert_eq!(fitting.len(), 4096);
    assert!(verdict(&fitting).is_ok());
    let (_, payload) = fitting.rsplit_once('.').unwrap().0.split_once('.').unwrap();
    let longer = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap().len() - Claims::good().json().len() + 1;
    assert_eq!(padded(longer).len(), 4097);
    assert_all_invalid([padded(longer)]);
}

#[test]
fn t17_json_serialization() {
    let ours = our_token();
    let parts: Vec<&str> = ours.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    assert_all_invalid([
        format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#),
        format!(r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#),
        format!(r#"{{"payload":"{payload}","header":{HEADER},"signature":"{signature}"}}"#),
        // Splits into three at its dots, and has the right MAC over the first two.
        sign_segments(r#"{"protected":"a"#, r#"b","payload":"c"#, SECRET),
        format!(r#"{{"a":"{header}.{payload}.{signature}"}}"#),
        format!(r#"["{ours}"]"#),
        format!(r#""{ours}""#),
    ]);
}

#[test]
fn t25_a_token_comes_alone() {
    let ours = our_token();
    let padded = ["Bearer ", "bearer ", "Bearer\t", "Bearer  ", "Basic ", " ", "token=", "access_token=", "\u{a0}"];
    let mut tokens: Vec<String> = padded.iter().map(|prefix| format!("{prefix}{ours}")).collect();
    tokens.extend([
        format!("{ours},{ours}"),
        format!("{ours}, Bearer {ours}"),
        format!("{ours} {ours}"),
        format!("{ours}\n"),
        format!("{ours};"),
        format!("{ours}%00"),
        ours.to_uppercase(),
        ours.to_lowercase(),
        ours.chars().rev().collect(),
    ]);
    assert_all_invalid(tokens);
}

#[test]
fn without_an_algorithm_to_accept_nothing_is_accepted() {
    let rules = AccessTokenRules { algorithms: Vec::new(), ..AccessTokenRules::default() };
    for token in [our_token(), with_claims(&Claims::good()), with_header(r#"{"alg":"none"}"#)] {
        assert_eq!(decode_access_token(&token, &keyring(), &rules, now()), Err(AccessTokenError::Invalid));
    }
}
