use serde_json::{Value, json};

use crate::application::{CHEAP, Home};

const PASSWORD: &str = "a password of Ada's";

fn create(home: &Home, email: &str, role: &str) -> String {
    let arguments = [&["users", "create", "--email", email, "--role", role, "--password-stdin"], &CHEAP[..]].concat();
    home.run_with_input(&arguments, &format!("{PASSWORD}\n")).done()
}

fn listed(home: &Home) -> Vec<Value> {
    serde_json::from_str(&home.run(&["users", "list", "--json"]).done()).unwrap()
}

#[test]
fn an_account_is_made_listed_and_changed() {
    let home = Home::new();
    assert!(listed(&home).is_empty());
    assert_eq!(create(&home, "Ada@Example.com", "user"), "created user 1: Ada@example.com (user)\n");
    create(&home, "grace@example.com", "admin");
    let users = listed(&home);
    assert_eq!(users[0]["email"], "grace@example.com");
    let ada = &users[1];
    assert_eq!((&ada["id"], &ada["role"], &ada["is_active"]), (&json!(1), &json!("user"), &json!(true)));
    assert!(ada["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(home.run(&["users", "list"]).done().contains("grace@example.com"));

    home.run(&["users", "deactivate", "ADA@example.com"]).done();
    assert!(home.run(&["users", "show", "ada@example.com"]).done().contains("active   no"));
    home.run(&["users", "reactivate", "ada@example.com"]).done();
    assert!(home.run(&["users", "show", "ada@example.com"]).done().contains("active   yes"));
    home.run(&["users", "set-role", "ada@example.com", "admin"]).done();
    assert!(home.run(&["users", "show", "ada@example.com"]).done().contains("role     admin"));
}

#[test]
fn who_was_made_here_logs_in_there_also_while_it_runs() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    create(&home, "ada@example.com", "user");
    let (status, tokens) = server.post("/auth/login", &json!({"email": "ada@example.com", "password": PASSWORD}));
    assert_eq!((status, &tokens["token_type"]), (200, &json!("bearer")));
    home.run(&["users", "deactivate", "ada@example.com"]).done();
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    assert_eq!(server.post("/auth/refresh", &refresh).1["code"], "AUTH_USER_INACTIVE");
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    let log = format!("{:?}", server.log);
    for secret in [PASSWORD, tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap()] {
        assert!(!log.contains(secret));
    }
}

#[test]
fn refusals_are_one_line() {
    let home = Home::new();
    create(&home, "ada@example.com", "admin");
    let deactivated = home.run(&["users", "deactivate", "ada@example.com"]).refused();
    assert!(deactivated.contains("administrators"), "{deactivated}");
    let unknown = home.run(&["users", "show", "nobody@example.com"]).refused();
    assert!(unknown.contains("nobody@example.com"), "{unknown}");
    let twice = [&["users", "create", "--email", "ADA@example.com", "--password-stdin"], &CHEAP[..]].concat();
    assert!(home.run_with_input(&twice, PASSWORD).refused().contains("already registered"));
    let create = ["users", "create", "--email", "new@example.com", "--password-stdin"];
    assert!(home.run_with_input(&create, "short\n").refused().contains("8 characters"));
    assert!(home.run_with_input(&create, "two lines\nof text\n").refused().contains("more than one line"));
    assert!(home.run_with_input(&create, &"x".repeat(1025)).refused().contains("1024 bytes"));
    assert!(home.run_with_input(&create, "password123\n").refused().contains("leaked most often"));
    let named = [&create[..], &CHEAP[..]].concat();
    assert!(home.run_with_input(&named, "New@Example.com\n").refused().contains("too much like the email address"));
    let longer = [&create[..], &["--password-min-length", "15"]].concat();
    assert!(home.run_with_input(&longer, "fourteen chars\n").refused().contains("15 characters"));
    assert!(home.run(&["users", "show", "no address"]).refused().contains("EMAIL"));
}

#[test]
fn without_a_terminal_a_password_is_not_asked_for() {
    let home = Home::new();
    let reason = home.run(&["users", "create", "--email", "ada@example.com"]).refused();
    assert!(reason.contains("--password-stdin"), "{reason}");
    assert!(!home.data("").exists(), "nothing was made");
}
