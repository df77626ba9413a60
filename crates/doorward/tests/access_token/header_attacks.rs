//! T1–T3 and T6–T11: what an attacker writes into the header.
//!
//! Every header here is signed with the right key, so it is the header alone that is refused.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha384, Sha512};

use crate::forge::*;

/// A header of a good `alg` and one more member.
fn and(member: &str) -> String {
    with_header(format!(r#"{{"alg":"HS256",{member}}}"#))
}

#[test]
fn t1_no_signature_algorithm() {
    let payload = encode(Claims::good().json());
    let ours = our_token();
    let original = ours.rsplit('.').next().unwrap();
    let mut tokens = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "noNe", "none ", "none\\u0000", "\\u006eone", " none", ""] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let random = encode([0x5a; 32]);
        tokens.extend(["", original, &random].map(|mac| format!("{}.{payload}.{mac}", encode(&header))));
        tokens.push(format!("{}.{payload}", encode(&header)));
        tokens.push(with_header(&header));
    }
    assert_all_invalid(tokens);
}

#[test]
fn t2_algorithm_missing_mistyped_or_doubled() {
    let headers = [
        r#"{}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":256}"#,
        r#"{"alg":true}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":{"HS256":1}}"#,
        r#"{"alg":""}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"Hs256"}"#,
        r#"{"alg":"HS256 "}"#,
        r#"{"alg":" HS256"}"#,
        r#"{"alg":"HS256\u0000"}"#,
        r#"{"alg":"HS2560"}"#,
        r#"{"alg":"HS25"}"#,
        r#"{"alg":"HMAC-SHA256"}"#,
        r#"{"Alg":"HS256"}"#,
        r#"{"ALG":"HS256"}"#,
        r#"{"alg ":"HS256"}"#,
        r#"{"alg":"HS256","Alg":"HS256"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"none"}"#,
        r#"{"\u0061lg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061\u006c\u0067":"HS256"}"#,
    ];
    assert_all_invalid(headers.map(with_header));
    assert!(verdict(&with_header(r#"{"\u0061lg":"HS\u003256"}"#)).is_ok(), "JSON's own spelling of the same");
}

const EC_BODY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9mTE1S5GWfnEE95/jQ/UNdxjE1sh\n\
                       T5+t3nVzQWIE544sxGX2qRCOC37GqAWxto6YYipt8YH90KoAo6a9se/MrA==";
const RSA_BODY: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDPPTg8Be04/WPWF9Nc5kDyTeNt\n\
                        b/tWtZ1u9Ej/F0pejhhY9u0YxKAxLKuiS+0yWeJgMOj6VDvq75eiEiL3tx1libCA\n\
                        gLCdoo0ymxMXonkHCPDjJhCK0M2F3pS60gfJ/xQToRu7Ougk6UavwC4n4pyHRXW9\n\
                        muKDopBXaG/GmGuBLwIDAQAB";
const PKCS1_BODY: &str = "MIGJAoGBAM89ODwF7Tj9Y9YX01zmQPJN421v+1a1nW70SP8XSl6OGFj27RjEoDEs\n\
                          q6JL7TJZ4mAw6PpUO+rvl6ISIve3HWWJsICAsJ2ijTKbExeieQcI8OMmEIrQzYXe\n\
                          lLrSB8n/FBOhG7s66CTpRq/ALifinIdFdb2a4oOikFdob8aYa4EvAgMBAAE=";
const JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"9mTE1S5GWfnEE95_jQ_UNdxjE1shT5-t3nVzQWIE544","y":"LMRl9qkQjgt-xqgFsbaOmGIqbfGB_dCqAKOmvbHvzKw"}"#;

#[test]
fn t3_another_algorithm() {
    let signed = |alg: &str| format!("{}.{}", encode(format!(r#"{{"alg":"{alg}"}}"#)), encode(Claims::good().json()));
    let mut tokens = Vec::new();

    let text = signed("HS384");
    let long = <Hmac<Sha384> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(&text).finalize();
    tokens.push(format!("{text}.{}", encode(long.into_bytes())));
    let text = signed("HS512");
    let long = <Hmac<Sha512> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(&text).finalize();
    tokens.push(format!("{text}.{}", encode(long.into_bytes())));

    for alg in ["HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "EdDSA", "Ed25519"] {
        tokens.push(format!("{}.{}", signed(alg), encode(mac(SECRET, signed(alg)))));
    }

    // Wherever a public key also verifies tokens, its published forms must be no HMAC secrets.
    let published = [("PUBLIC KEY", EC_BODY), ("PUBLIC KEY", RSA_BODY), ("RSA PUBLIC KEY", PKCS1_BODY)];
    for (label, body) in published {
        let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----");
        let der = base64_simd::STANDARD.decode_to_vec(body.replace('\n', "")).unwrap();
        for secret in
            [pem.clone(), format!("{pem}\n"), pem.replace('\n', "\r\n"), format!("{pem}\n").replace('\n', "\r\n")]
        {
            tokens.push(sign_segments(&encode(HEADER), &encode(Claims::good().json()), secret));
        }
        tokens.push(sign_segments(&encode(HEADER), &encode(Claims::good().json()), der));
    }
    tokens.push(sign_segments(&encode(HEADER), &encode(Claims::good().json()), JWK));
    assert_all_invalid(tokens);
}

#[test]
fn t6_key_ids_that_are_not_ours() {
    let good = encode(Claims::good().json());
    let hostile = |kid: &str, secret: &str| {
        let header = format!(r#"{{"alg":"HS256","kid":{kid},"typ":"JWT"}}"#);
        sign_segments(&encode(header), &good, secret)
    };
    let long = format!("\"{}\"", "k".repeat(10_000));
    let mut tokens = Vec::new();
    for kid in [
        r#""../../../../../../dev/null""#,
        r#""/dev/null""#,
        r#""x' UNION SELECT 'chosen';--""#,
        r#""|sleep 10""#,
        r#""a\r\nSet-Cookie: a=b""#,
        r#""\u0000""#,
        r#""""#,
        r#""unknown""#,
        "0",
        "null",
        "[\"a\"]",
        "{}",
        "true",
        &long,
    ] {
        tokens.extend(["", "chosen", SECRET].map(|secret| hostile(kid, secret)));
    }
    let ours = kid_of(&our_token());
    for near in
        [format!("{ours} "), format!(" {ours}"), ours.to_uppercase(), ours[1..].to_owned(), format!("{ours}\\u0000")]
    {
        tokens.push(hostile(&format!("\"{near}\""), SECRET));
    }
    tokens.push(hostile(&format!("\"{ours}\""), RETIRED_SECRET));
    tokens.push(hostile(&format!("\"{ours}\",\"kid\":\"{ours}\""), SECRET));
    tokens.push(hostile(&format!("\"{ours}\",\"\\u006bid\":\"{ours}\""), SECRET));

    // A retired key, named and signed with as it was when it was good.
    let retired = doorward::token::keyring::Keyring::new(secret_key(RETIRED_SECRET), Vec::new());
    let rules = doorward::token::access::AccessTokenRules::default();
    let old = doorward::create_access_token(subject(), &retired, &rules, now()).unwrap();
    tokens.push(old.reveal().to_owned());
    tokens.push(hostile(&format!("\"{}\"", kid_of(old.reveal())), SECRET));
    assert_all_invalid(tokens);

    assert!(verdict(&hostile(&format!("\"{ours}\""), SECRET)).is_ok(), "the key's own name");
}

#[test]
fn t7_keys_brought_along() {
    let attacker = "an attacker's own 32 byte secret";
    let oct = format!(r#""jwk":{{"kty":"oct","k":"{}"}}"#, encode(attacker));
    let ec = format!(r#""jwk":{JWK}"#);
    let mut tokens = Vec::new();
    for member in [
        &*oct,
        &ec,
        r#""jwk":"oct""#,
        r#""jku":"https://attacker.example/jwks.json""#,
        r#""jku":"http://169.254.169.254/""#,
        r#""x5u":"https://attacker.example/chain.pem""#,
        r#""x5c":["MIIB"]"#,
        r#""x5c":"MIIB""#,
        r#""x5t":"dGh1bWI""#,
        r#""x5t#S256":"dGh1bWI""#,
    ] {
        let header = encode(format!(r#"{{"alg":"HS256",{member}}}"#));
        tokens.extend([attacker, SECRET].map(|key| sign_segments(&header, &encode(Claims::good().json()), key)));
    }
    assert_all_invalid(tokens);
}

#[test]
fn t8_critical_extensions() {
    let mut tokens: Vec<_> = [
        r#""crit":["http://example.com/UNDEFINED"],"http://example.com/UNDEFINED":true"#,
        r#""crit":["unknown"]"#,
        r#""crit":[]"#,
        r#""crit":"exp""#,
        r#""crit":null"#,
        r#""crit":{}"#,
        r#""crit":0"#,
        r#""crit":["alg"]"#,
        r#""crit":["exp"],"exp":1"#,
        r#""crit":["kid","kid"],"kid":"a""#,
        r#""crit":["b64"]"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""b64":false,"crit":["b64"]"#,
        r#""b64":true,"crit":["b64"]"#,
    ]
    .map(and)
    .into();
    // The payload unencoded, as b64=false has it (RFC 7797), and the example of RFC 7515, appendix E.
    let header = encode(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#);
    tokens.push(sign_segments(&header, &Claims::good().json(), SECRET));
    tokens.push(
        "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS\
         9VTkRFRklORUQiOnRydWUNCn0.RkFJTA."
            .to_owned(),
    );
    assert_all_invalid(tokens);
}

#[test]
fn t9_compression_encryption_and_nesting() {
    let mut tokens: Vec<_> = [
        r#""zip":"DEF""#,
        r#""zip":"none""#,
        r#""enc":"A256GCM""#,
        r#""p2s":"c2FsdA","p2c":2147483647"#,
        r#""p2c":1"#,
        r#""cty":"JWT""#,
        r#""cty":"json""#,
        r#""epk":{}"#,
        r#""iv":"AA""#,
        r#""url":"https://a.example""#,
        r#""nonce":"a""#,
        r#""iss":"doorward""#,
    ]
    .map(and)
    .into();
    tokens.push(sign(r#"{"alg":"HS256","cty":"JWT"}"#, our_token()));
    tokens.push(sign(HEADER, our_token()));
    assert_all_invalid(tokens);
}

#[test]
fn t10_other_types() {
    let types = [
        r#""refresh+jwt""#,
        r#""logout+jwt""#,
        r#""application/logout+jwt""#,
        r#""id+jwt""#,
        r#""JWE""#,
        r#""JOSE""#,
        r#""jwt""#,
        r#""AT+JWT""#,
        r#""at+jwt ""#,
        r#""application/jwt""#,
        r#""application/application/at+jwt""#,
        r#""""#,
        "1",
        "null",
        "true",
        r#"["JWT"]"#,
        r#"{}"#,
        r#""JWT","typ":"JWT""#,
        r#""JWT","\u0074yp":"at+jwt""#,
    ];
    assert_all_invalid(types.map(|name| and(&format!(r#""typ":{name}"#))));
    for name in ["JWT", "at+jwt", "application/at+jwt"] {
        assert!(verdict(&and(&format!(r#""typ":"{name}""#))).is_ok(), "{name}");
    }
}

#[test]
fn t11_headers_that_are_no_object() {
    let headers = [
        "",
        " ",
        "[]",
        r#"["alg","HS256"]"#,
        r#""x""#,
        r#""HS256""#,
        "null",
        "true",
        "0",
        "{",
        r#"{"alg""#,
        r#"{"alg":"#,
        r#"{"alg":"HS256""#,
        r#"{"alg":"HS256"}{"alg":"HS256"}"#,
        r#"{"alg":"HS256"}}"#,
        r#"{"alg":"HS256"} x"#,
        r#"{"alg":"HS256",}"#,
        r#"{,"alg":"HS256"}"#,
        r#"{"alg":"HS256",,"typ":"JWT"}"#,
        r#"{"alg":"HS256" "typ":"JWT"}"#,
        r#"{"alg":"HS256"/**/}"#,
        "{\"alg\":\"HS256\"}//",
        "{\"alg\":\"HS256\"}#",
        r#"{'alg':'HS256'}"#,
        r#"{alg:"HS256"}"#,
        r#"{"alg":HS256}"#,
        r#"{"alg":"HS256","typ":NaN}"#,
        "{\"alg\":\"HS256\"}\0",
        "{\"alg\":\"HS\n256\"}",
        "\u{b}{\"alg\":\"HS256\"}",
    ];
    assert_all_invalid(headers.map(with_header));
    assert!(verdict(&with_header("\r\n {\t\"alg\" : \"HS256\" } \n")).is_ok(), "JSON's own white space");
}
