use serde_json::{Value, json};

use crate::application::{Home, Outcome};

const OTHER: (&str, &str) = ("SECRET_KEY", "q0FkYX1tZXJyeSBkYW5jZSBvZiBkb29ycw-4711-0815-zweiundvierzig");

fn registered(home: &Home) -> Value {
    let server = home.serve(&[]);
    let (status, tokens) =
        server.post("/auth/register", &json!({"email": "ada@example.com", "password": "a password of Ada's"}));
    assert_eq!(status, 201);
    tokens
}

fn inspect(home: &Home, token: &str) -> Outcome {
    home.run_with_input(&["token", "inspect"], token)
}

#[test]
fn a_good_token_holds() {
    let home = Home::new();
    let tokens = registered(&home);
    let access = tokens["access_token"].as_str().unwrap();
    let output = inspect(&home, &format!("{access}\n")).done();
    assert!(output.lines().all(|line| line.starts_with("ok ")), "{output}");
    assert!(output.contains("made with secret_key") && output.contains("accepted"), "{output}");
    let signature = access.rsplit('.').next().unwrap();
    assert!(!output.contains(signature));
    assert!(inspect(&home, tokens["refresh_token"].as_str().unwrap()).done().contains("a refresh token"));
}

#[test]
fn what_does_not_hold_is_named() {
    let home = Home::new();
    let tokens = registered(&home);
    let access = tokens["access_token"].as_str().unwrap();
    let (_, rest) = access.split_once('.').unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{rest}");
    let (signed, _) = access.rsplit_once('.').unwrap();
    for (token, what) in [
        ("", "segments"),
        ("a.b", "segments"),
        (&none, "header"),
        (&format!("{signed}.AAAA"), "signature"),
        ("!.!.!", "claims"),
    ] {
        let outcome = inspect(&home, token);
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(1), ""));
        let failed = |line: &str| line.starts_with("FAIL") && line.contains(what);
        assert!(outcome.stdout.lines().any(failed), "{what}: {}", outcome.stdout);
    }
}

#[test]
fn another_secret_is_told_from_an_older_one() {
    let home = Home::new();
    let tokens = registered(&home);
    let access = tokens["access_token"].as_str().unwrap();
    let made = std::fs::read_to_string(home.data("secret.key")).unwrap();
    home.write("doorward.toml", &format!("secret_key = \"{}\"", OTHER.1));
    let outcome = inspect(&home, access);
    assert_eq!(outcome.status, Some(1));
    assert!(outcome.stdout.contains("FAIL  signature"), "{}", outcome.stdout);
    home.write("doorward.toml", &format!("secret_key = \"{}\"\nsecret_key_previous = \"{made}\"", OTHER.1));
    let output = inspect(&home, access).done();
    assert!(output.contains("made with secret_key_previous, number 1"), "{output}");
    assert!(!output.contains(&made) && !output.contains(OTHER.1));
}
