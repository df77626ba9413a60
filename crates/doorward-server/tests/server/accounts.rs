//! What the settings of accounts come to in a running server.

use serde_json::json;

use crate::application::Home;

const PEPPER: &str = "Rk3dQ8sYp1LxV6nTz0GhC5uWj9EaM2bF";
const NEXT_PEPPER: &str = "wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd";
const PASSWORD: &str = "a password of Ada's";

fn logs_in(home: &Home, settings: &[&str]) -> u16 {
    let mut server = home.serve(settings);
    let (status, _) = server.post("/auth/login", &json!({"email": "ada@example.com", "password": PASSWORD}));
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    let log = format!("{:?}", server.log);
    assert!(!log.contains(PEPPER) && !log.contains(NEXT_PEPPER) && !log.contains(PASSWORD));
    assert_eq!(log.contains("password_pepper_missing"), status == 401, "{log}");
    status
}

#[test]
fn a_pepper_is_rotated_and_given_up_without_anybody_noticing() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    assert_eq!(server.client().register("ada@example.com", PASSWORD).status, 201);
    server.signal("-TERM");
    server.wait();
    assert_eq!(logs_in(&home, &["--password-pepper", PEPPER]), 200);
    assert_eq!(logs_in(&home, &[]), 401);
    assert_eq!(logs_in(&home, &["--password-pepper", NEXT_PEPPER]), 401);
    assert_eq!(logs_in(&home, &["--password-pepper", NEXT_PEPPER, "--password-pepper-previous", PEPPER]), 200);
    assert_eq!(logs_in(&home, &["--password-pepper", NEXT_PEPPER]), 200);
    assert_eq!(logs_in(&home, &["--password-pepper-previous", NEXT_PEPPER]), 200);
    assert_eq!(logs_in(&home, &[]), 200);
}

#[test]
fn passwords_and_sessions_are_held_to_the_settings() {
    let home = Home::new();
    let settings =
        ["--service-name", "Analytical Engines", "--password-min-length", "12", "--session-absolute-days", "1"];
    let server = home.serve(&settings);
    let client = server.client();
    for refused in ["eleven char", "analytical engines", "123456789012"] {
        assert_eq!(client.register("ada@example.com", refused).code(), "VALIDATION_ERROR", "{refused}");
    }
    let registered = client.register("ada@example.com", "twelve chars");
    assert_eq!(registered.status, 201, "{:?}", registered.body);
    let token = registered.body["access_token"].as_str().unwrap();
    let sessions = client.send("GET", "/auth/sessions", Some(token), None);
    assert_eq!(sessions.body["items"][0]["is_current"], true);
    assert_eq!(sessions.body["items"][0]["address"], "127.0.0.1");
    let change = json!({"current_password": "twelve chars", "new_password": "another twelve"});
    let changed = client.send("POST", "/auth/password", Some(token), Some(change));
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(client.send("GET", "/auth/me", Some(token), None).status, 401, "the old session is over");
    let token = changed.body["access_token"].as_str().unwrap();
    assert_eq!(client.login("ada@example.com", "twelve chars").status, 401);
    assert_eq!(client.login("ada@example.com", "another twelve").status, 200);
    assert_eq!(client.send("POST", "/auth/logout-all", Some(token), None).status, 204);
    assert_eq!(client.send("GET", "/auth/me", Some(token), None).status, 401);
}

#[test]
fn the_secret_on_disk_is_no_pepper() {
    let home = Home::with_database();
    home.run(&["users", "list"]).done();
    let secret = std::fs::read_to_string(home.data("secret.key")).unwrap();
    let refused = home.run_with_environment(&["users", "list"], &[("PASSWORD_PEPPER", secret.trim())]).refused();
    assert!(refused.contains("password_pepper") && !refused.contains(secret.trim()), "{refused}");
}
