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
    let home = Home::with_database();
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
fn who_is_invited_chooses_the_password_and_who_is_erased_is_gone() {
    let home = Home::with_database();
    create(&home, "root@example.com", "admin");
    let invite = ["users", "invite", "--email", "ada@example.com", "--full-name", "Ada Lovelace"];
    let invited = home.run(&[&invite[..], &CHEAP[..]].concat()).done();
    assert!(invited.starts_with("invited user 2: ada@example.com (user)"), "{invited}");
    assert_eq!(listed(&home)[0]["full_name"], "Ada Lovelace");
    let twice = home.run(&[&invite[..], &CHEAP[..]].concat()).refused();
    assert!(twice.contains("already registered"), "{twice}");
    // The letter waits for a server: with `mail = log` its text is in the log.
    let mut server = home.serve(&["--mail", "log"]);
    let letter = server.wait_for_event("mail");
    let text = letter.to_string();
    let token =
        text.split("token=").nth(1).unwrap().split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    let chosen = json!({"token": token.clone().next().unwrap(), "password": PASSWORD});
    assert_eq!(server.client().send("POST", "/auth/invitation/accept", None, Some(chosen)).status, 204);
    let tokens = server.client().login("ada@example.com", PASSWORD).tokens();

    let unsure = home.run(&["users", "erase", "ada@example.com"]).refused();
    assert!(unsure.contains("--yes"), "{unsure}");
    assert_eq!(server.client().me(&tokens.access).status, 200);
    let erased = home.run(&["users", "erase", "ada@example.com", "--yes"]).done();
    assert!(erased.starts_with("user 2 is erased"), "{erased}");
    assert_eq!(listed(&home).len(), 1);
    assert_eq!(server.client().refresh(&tokens.refresh).status, 401);
    let last = home.run(&["users", "erase", "root@example.com", "--yes"]).refused();
    assert!(last.contains("administrator"), "{last}");
}

#[test]
fn the_audit_trail_is_exported_filtered_and_ends_where_the_settings_say() {
    let home = Home::with_database();
    create(&home, "ada@example.com", "user");
    create(&home, "bob@example.com", "user");
    home.run(&["users", "deactivate", "bob@example.com"]).done();
    let export = |arguments: &[&str]| -> Vec<Value> {
        let lines = home.run(&[&["audit", "export"], arguments].concat()).done();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let kinds = |events: &[Value]| -> Vec<String> {
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    };
    let all = export(&[]);
    assert_eq!(kinds(&all), ["events_exported", "user_deactivated", "user_created", "user_created"]);
    assert_eq!((&all[1]["actor"], &all[1]["user_id"]), (&json!("operator"), &json!(2)));
    assert_eq!(kinds(&export(&["--user", "2"])), ["user_deactivated", "user_created"]);
    assert_eq!(kinds(&export(&["--type", "user_deactivated"])), ["user_deactivated"]);
    assert!(export(&["--until", all[3]["at"].as_str().unwrap()]).is_empty());
    assert_eq!(export(&["--type", "user_created", "--since", all[3]["at"].as_str().unwrap()]).len(), 2);
    for (flag, value) in [("--type", "no_such"), ("--since", "yesterday"), ("--user", "0")] {
        let outcome = home.run(&["audit", "export", flag, value]);
        assert_eq!(outcome.status, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(value), "{outcome:?}");
    }

    let database = rusqlite::Connection::open(home.data("doorward.db")).unwrap();
    let two_days = 2 * 24 * 60 * 60 * 1_000_000_i64;
    database.execute("UPDATE events SET at = at - ?1 WHERE kind = 'user_created'", [two_days]).unwrap();
    let mut server = home.serve(&["--audit-keep-days", "1"]);
    server.wait_for_event("purged");
    assert!(export(&["--type", "user_created"]).is_empty());
    assert_eq!(export(&["--type", "user_deactivated"]).len(), 1);
}

#[test]
fn who_was_made_here_logs_in_there_also_while_it_runs() {
    let home = Home::with_database();
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
    let home = Home::with_database();
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
    let reason = home.run(&["users", "create", "--create", "--email", "ada@example.com"]).refused();
    assert!(reason.contains("--password-stdin"), "{reason}");
    assert!(!home.data("").exists(), "nothing was made");
}

#[test]
fn only_who_is_told_to_begins_a_service_where_there_is_none() {
    let home = Home::new();
    home.write("users.csv", "email,password_hash\nada@example.com,\n");
    let create = ["users", "create", "--email", "root@example.com", "--role", "admin", "--password-stdin"];
    let commands: [&[&str]; 12] = [
        &["users", "list"],
        &["users", "list", "--json", "--database-url", "sqlite://elsewhere/doorward.db"],
        &["users", "show", "ada@example.com"],
        &["users", "invite", "--email", "ada@example.com"],
        &["users", "deactivate", "ada@example.com"],
        &["users", "reactivate", "ada@example.com"],
        &["users", "set-role", "ada@example.com", "admin"],
        &["users", "remove-second-factor", "ada@example.com"],
        &["users", "erase", "ada@example.com", "--yes"],
        &["users", "import", "users.csv"],
        &["users", "import", "users.csv", "--dry-run"],
        &["audit", "export"],
    ];
    let wrong_folder = |reason: &str| {
        assert!(reason.contains("is this the right folder?") && reason.contains(".db"), "{reason}");
        assert!(reason.contains(home.path().to_str().unwrap()), "{reason}");
    };
    for command in commands {
        wrong_folder(&home.run(&[command, &CHEAP[..]].concat()).refused());
    }
    wrong_folder(&home.run_with_input(&[&create[..], &CHEAP[..]].concat(), PASSWORD).refused());
    let copied = home.run(&["store", "copy", "--to", "sqlite://elsewhere.db"]);
    assert_eq!(copied.status, Some(1), "{copied:?}");
    let mut left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["users.csv"], "something was made");

    let made = home.run_with_input(&[&create[..], &["--create"], &CHEAP[..]].concat(), PASSWORD);
    assert!(made.said.contains("database doorward-data/doorward.db") || made.said.contains("/doorward.db"), "{made:?}");
    assert!(made.said.contains("made a secret in"), "{made:?}");
    assert!(made.done().starts_with("created user 1: root@example.com (admin)"));
    let again = home.run(&["users", "list"]);
    assert!(again.said.contains("doorward.db") && !again.said.contains("secret"), "{again:?}");
    assert!(again.done().contains("root@example.com"));
}

#[test]
fn a_lost_secret_beside_accounts_is_missed_and_not_replaced() {
    let home = Home::with_database();
    create(&home, "ada@example.com", "user");
    let secret = std::fs::read(home.data("secret.key")).unwrap();
    std::fs::remove_file(home.data("secret.key")).unwrap();
    for command in [&["serve", "--bind", "127.0.0.1:0", "--log-format", "text"][..], &["users", "list"]] {
        let outcome = home.run(&[command, &CHEAP[..]].concat());
        assert_eq!(outcome.status, Some(1), "{outcome:?}");
        assert!(
            outcome.stderr.contains("secret.key is missing") && outcome.stderr.contains("has accounts"),
            "{outcome:?}"
        );
    }
    assert!(!home.data("secret.key").exists());
    std::fs::write(home.data("secret.key"), secret).unwrap();
    assert!(home.run(&["users", "list"]).done().contains("ada@example.com"));
}

#[test]
fn a_vouched_address_needs_no_letter() {
    let home = Home::with_database();
    home.write("doorward.toml", "email_verification = \"required\"\n");
    let make = |email, more: &[&str]| {
        let create = ["users", "create", "--email", email, "--password-stdin"];
        home.run_with_input(&[&create[..], more, &CHEAP[..]].concat(), PASSWORD).done()
    };
    make("ada@example.com", &["--verified"]);
    make("bob@example.com", &[]);
    let server = home.serve(&[]);
    let client = server.client();
    assert_eq!(client.login("ada@example.com", PASSWORD).status, 200);
    assert_eq!(client.login("bob@example.com", PASSWORD).status, 403);
    let (_, log) = server.stop();
    let letters: Vec<_> = log.lines().filter(|line| line.contains("mail_not_sent")).collect();
    assert!(letters.iter().all(|line| line.contains("bob@example.com")), "{letters:?}");
    let trail = home.run(&["audit", "export", "--type", "user_created"]).done();
    assert_eq!(trail.lines().filter(|line| line.contains("email_verified")).count(), 1, "{trail}");
}
