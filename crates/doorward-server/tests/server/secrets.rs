//! Nothing secret is ever written to the log, nor sent back to who shouldn't have it.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::application::{CHEAP, Home, UNLIMITED};
use crate::authenticator::Authenticator;
use crate::sink::{Manners, Sink};

const SECRET_KEY: &str = "kq0Zr7vTn4XbW9sLd2Hf6JmPy8Gc1Ae5RuQi3Ot";
const PEPPER: &str = "Zp3vQ8sLd2HfT6JmPy9Gc1Ae5RuQi3OtX7bW4nKk";

#[test]
fn no_log_line_holds_a_secret_of_the_run() {
    let home = Home::new();
    let server = home.serve(&["--log-level", "trace", "--secret-key", SECRET_KEY]);
    let client = server.client();
    let mut secrets: Vec<String> = vec![SECRET_KEY.to_owned()];
    let passwords = [
        "Passphrase-good-1",
        "Passphrase-wrong-2",
        "short-3",
        "Passphrase-array-4",
        "Passphrase-dup-5",
        "Passphrase-cut-6",
    ];
    secrets.extend(passwords.map(str::to_owned));

    let registered = client.register("ada@example.com", passwords[0]).tokens();
    let logged_in = client.login("ada@example.com", passwords[0]).tokens();
    let mut refused = vec![
        client.login("ada@example.com", passwords[1]),
        client.login("nobody@example.com", passwords[1]),
        client.register("eve@example.com", passwords[2]),
        client.register("not an address", passwords[1]),
        client.register("ada@example.com", passwords[0]),
        client.send("POST", "/auth/login", None, Some(json!({"email": [passwords[3]], "password": [passwords[3]]}))),
    ];
    for body in [
        format!("{{\"email\":\"a@example.com\",\"password\":\"{}\",\"password\":\"x\"}}", passwords[4]),
        format!("{{\"email\":\"a@example.com\",\"password\":\"{}", passwords[5]),
    ] {
        let request = format!(
            "POST /auth/login HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = crate::client::Answer::read(&client.raw(request.as_bytes()).unwrap()).unwrap();
        assert_eq!((answer.status, answer.code()), (422, "VALIDATION_ERROR"));
        refused.push(answer);
    }
    let refreshed = client.refresh(&registered.refresh).tokens();
    refused.push(client.refresh(&registered.refresh));
    refused.push(client.me(&refreshed.access));
    refused.push(client.me(&format!("{}x", logged_in.access)));
    refused.push(client.get(&format!("/auth/me?access_token={}", logged_in.access), None));
    refused.push(client.get(&format!("/nowhere/{}", logged_in.refresh), None));
    client.me(&logged_in.access);
    client.logout(&logged_in.refresh);
    for tokens in [&registered, &logged_in, &refreshed] {
        secrets.push(tokens.refresh.clone());
        secrets.push(tokens.access.clone());
        secrets.push(tokens.access.rsplit('.').next().unwrap().to_owned());
    }

    let (status, log) = server.stop();
    assert_eq!(status, Some(0));
    assert!(log.lines().count() > 20, "the log is too short to prove anything: {log}");
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "the log holds {secret}");
        for answer in &refused {
            assert!(
                !answer.text.contains(secret.as_str()) && !answer.head.contains(secret.as_str()),
                "{}",
                answer.text
            );
        }
    }
    assert!(!log.contains("$argon2id$"));
    for line in log.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "not JSON: {line}");
    }
    nothing_lies_in_the_database_in_plaintext(&home, &secrets);
}

fn nothing_lies_in_the_database_in_plaintext(home: &Home, secrets: &[String]) {
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(home.path().join("doorward-data")).unwrap() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"ada@example.") && holds(b"$argon2id$"));
    for secret in secrets {
        assert!(!holds(secret.as_bytes()), "the data folder holds {secret}");
    }
}

/// Links and codes out of letters, authenticators, recovery codes: they are in nobody's hands but the person's.
#[test]
fn no_secret_of_an_accounts_life_is_in_the_log_the_database_or_the_audit_trail() {
    let home = Home::new();
    let sink = Sink::start(Manners::default());
    let smtp = format!("smtp://127.0.0.1:{}?tls=none", sink.address.port());
    let mail = ["--mail", "smtp", "--smtp-url", &smtp, "--mail-from", "a@example.org", "--email-verification", "on"];
    let settings = ["--log-level", "trace", "--secret-key", SECRET_KEY, "--password-pepper", PEPPER];
    let server = home.serve(&[&mail[..], &settings, &UNLIMITED].concat());
    let client = server.client();
    let [first, second, third] = ["Passphrase-first-1", "Passphrase-second-2", "Passphrase-third-3"];
    let mut secrets: Vec<String> = [SECRET_KEY, PEPPER, first, second, third].map(str::to_owned).into();
    // Letters may overtake each other.
    let mut read = |subject: &str| {
        let mut letters = (1..).map(|count| sink.wait_for(count).remove(count - 1));
        let letter = letters.find(|letter| letter.header("Subject").starts_with(subject)).unwrap();
        secrets.extend([letter.token(), letter.code()]);
        letter
    };

    let tokens = client.register("ada@example.com", first).tokens();
    let body = json!({"token": read("Confirm your address").token()});
    assert_eq!(client.send("POST", "/auth/email/verify", Some(&tokens.access), Some(body)).status, 204);
    client.send("POST", "/auth/recovery", None, Some(json!({"email": "ada@example.com"})));
    let body = json!({"email": "ada@example.com", "code": read("Choose a new password").code(), "password": second});
    assert_eq!(client.send("POST", "/auth/recovery/complete", None, Some(body)).status, 204);
    let tokens = client.login("ada@example.com", second).tokens();
    client.send(
        "POST",
        "/auth/email",
        Some(&tokens.access),
        Some(json!({"email": "ada@example.net", "password": second})),
    );
    let body = json!({"token": read("Confirm your new address").token()});
    assert_eq!(client.send("POST", "/auth/email/confirm", Some(&tokens.access), Some(body)).status, 204);
    let body = json!({"current_password": second, "new_password": third});
    let changed = client.send("POST", "/auth/password", Some(&tokens.access), Some(body));
    secrets.extend([tokens.access, tokens.refresh]);
    let tokens = changed.tokens();
    let enrolment = client.send("POST", "/auth/totp", Some(&tokens.access), Some(json!({"password": third}))).body;
    let text = |name: &str| enrolment[name].as_str().unwrap().to_owned();
    let body = json!({"enrolment": text("enrolment"), "code": Authenticator::new(&text("secret")).next()});
    let codes = client.send("POST", "/auth/totp/confirm", Some(&tokens.access), Some(body)).body;
    let challenge = client.login("ada@example.net", third).body["challenge"].as_str().unwrap().to_owned();
    let recovery = codes["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned());
    let recovery: Vec<_> = recovery.collect();
    let body = json!({"challenge": challenge, "code": recovery[0]});
    let last = client.send("POST", "/auth/login/second-factor", None, Some(body)).tokens();
    secrets.extend([text("secret"), text("enrolment"), challenge]);
    secrets.extend(recovery);
    secrets.extend([tokens.access, tokens.refresh, last.access, last.refresh]);

    let trail = home.run(&["audit", "export", "--secret-key", SECRET_KEY]).done();
    assert!(["email_changed", "password_changed", "recovery_code_used"].iter().all(|kind| trail.contains(kind)));
    let (_, log) = server.stop();
    assert!(log.contains("recovery_code_used"), "{log}");
    for secret in &secrets {
        // Eight digits may stand in a time by chance; after these signs they don't.
        let is_in = |text: &str| match secret.len() {
            8 => [':', '"', ' ', '='].iter().any(|sign| text.contains(&format!("{sign}{secret}\""))),
            _ => text.contains(secret),
        };
        assert!(!is_in(&log) && !is_in(&trail), "{secret} was written down");
    }
    secrets.retain(|secret| secret.len() != 8);
    nothing_lies_in_the_database_in_plaintext(&home, &secrets);
}

#[test]
fn the_command_line_shows_no_secret() {
    let home = Home::new();
    let password = "Passphrase-of-the-admin-9";
    home.write("doorward.toml", &format!("secret_key = \"{SECRET_KEY}\"\nlog_level = \"trace\"\n"));
    let create = ["users", "create", "--create", "--email", "root@example.com", "--role", "admin", "--password-stdin"];
    let created = home.run_with_input(&[&create[..], &CHEAP[..]].concat(), &format!("{password}\n"));
    let shown = home.run(&["config", "show"]);
    for outcome in [&created, &shown] {
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        let text = outcome.stdout.clone() + &outcome.stderr;
        assert!(!text.contains(SECRET_KEY) && !text.contains(password) && !text.contains("$argon2"), "{text}");
    }
    assert!(shown.stdout.contains("***"));
}

/// A refresh token of that session by its name in the database or in the token, with another secret.
fn forged(name: &[u8], label: &str) -> String {
    let secret = [7; 64];
    let checksum = Sha256::new().chain_update(label).chain_update(name).chain_update(secret).finalize();
    base64_simd::URL_SAFE_NO_PAD.encode_to_string([name, &secret, &checksum[..16]].concat())
}

#[test]
fn who_reads_the_database_can_end_no_session() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = server.client();
    let tokens = client.register("ada@example.com", "Passphrase-good-1").tokens();
    let database = rusqlite::Connection::open(home.data("doorward.db")).unwrap();
    let handle: Vec<u8> = database.query_row("SELECT handle FROM sessions", [], |row| row.get(0)).unwrap();
    for label in ["doorward refresh token v1", "doorward refresh token v2"] {
        assert_eq!(client.refresh(&forged(&handle, label)).code(), "AUTH_REFRESH_INVALID");
        assert_eq!(client.logout(&forged(&handle, label)).status, 204);
    }
    assert_eq!(client.me(&tokens.access).status, 200);
    let tokens = client.refresh(&tokens.refresh).tokens();
    // Who had a token of the session can, as with the token itself.
    let name = &base64_simd::URL_SAFE_NO_PAD.decode_to_vec(&tokens.refresh).unwrap()[..16];
    assert_eq!(client.refresh(&forged(name, "doorward refresh token v2")).code(), "AUTH_TOKEN_REUSE");
}

#[test]
fn a_session_from_before_handles_were_hashed_goes_on() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = server.client();
    let tokens = client.register("ada@example.com", "Passphrase-good-1").tokens();
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(&tokens.refresh).unwrap();
    let (name, secret) = (&bytes[..16], &bytes[16..80]);
    let database = rusqlite::Connection::open(home.data("doorward.db")).unwrap();
    database.execute("UPDATE sessions SET handle = ?1", [name]).unwrap();
    let checksum = Sha256::new().chain_update("doorward refresh token v1").chain_update(&bytes[..80]).finalize();
    let old = base64_simd::URL_SAFE_NO_PAD.encode_to_string([name, secret, &checksum[..16]].concat());
    let second = client.refresh(&old).tokens();
    let third = client.refresh(&second.refresh).tokens();
    assert_eq!(client.refresh(&second.refresh).code(), "AUTH_TOKEN_REUSE");
    assert_eq!(client.refresh(&third.refresh).code(), "AUTH_REFRESH_INVALID");
}
