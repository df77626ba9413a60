//! Nothing secret is ever written to the log, nor sent back to who shouldn't have it.

use serde_json::json;

use crate::application::{CHEAP, Home};

const SECRET_KEY: &str = "kq0Zr7vTn4XbW9sLd2Hf6JmPy8Gc1Ae5RuQi3Ot";

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
    assert!(holds(b"ada@example.com") && holds(b"$argon2id$"));
    for secret in secrets {
        assert!(!holds(secret.as_bytes()), "the data folder holds {secret}");
    }
}

#[test]
fn the_command_line_shows_no_secret() {
    let home = Home::new();
    let password = "Passphrase-of-the-admin-9";
    home.write("doorward.toml", &format!("secret_key = \"{SECRET_KEY}\"\nlog_level = \"trace\"\n"));
    let create = ["users", "create", "--email", "root@example.com", "--role", "admin", "--password-stdin"];
    let created = home.run_with_input(&[&create[..], &CHEAP[..]].concat(), &format!("{password}\n"));
    let shown = home.run(&["config", "show"]);
    for outcome in [&created, &shown] {
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        let text = outcome.stdout.clone() + &outcome.stderr;
        assert!(!text.contains(SECRET_KEY) && !text.contains(password) && !text.contains("$argon2"), "{text}");
    }
    assert!(shown.stdout.contains("***"));
}
