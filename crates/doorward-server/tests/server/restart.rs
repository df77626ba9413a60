//! What must outlive the process.

use serde_json::json;

use crate::application::Home;
use crate::client::PASSWORD;

#[test]
fn a_detected_theft_stays_detected_after_a_crash() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = server.client();
    let first = client.register("ada@example.com", PASSWORD).tokens();
    let second = client.refresh(&first.refresh).tokens();
    assert_eq!(client.refresh(&first.refresh).code(), "AUTH_TOKEN_REUSE");
    server.kill();

    let server = home.serve(&[]);
    let client = server.client();
    assert_eq!(client.refresh(&second.refresh).code(), "AUTH_REFRESH_INVALID");
    for access in [&first.access, &second.access] {
        assert_eq!(client.me(access).code(), "AUTH_TOKEN_INVALID");
    }
}

#[test]
fn logout_and_sessions_outlive_a_stop() {
    let home = Home::new();
    let server = home.serve(&[]);
    let kept = server.client().register("ada@example.com", PASSWORD).tokens();
    let left = server.client().login("ada@example.com", PASSWORD).tokens();
    assert_eq!(server.client().logout(&left.refresh).status, 204);
    let (status, log) = server.stop();
    assert_eq!(status, Some(0), "{log}");

    let server = home.serve(&[]);
    assert_eq!(server.client().me(&left.access).code(), "AUTH_TOKEN_INVALID");
    assert_eq!(server.client().me(&kept.access).body["email"], json!("ada@example.com"));
    assert_eq!(server.client().refresh(&kept.refresh).status, 200);
}

#[test]
fn the_command_line_reaches_a_running_server() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = server.client();
    let tokens = client.register("ada@example.com", PASSWORD).tokens();
    assert_eq!(client.get("/admin/users", Some(&tokens.access)).code(), "AUTH_FORBIDDEN");
    let run = |arguments: &[&str]| {
        assert_eq!(home.run(arguments).status, Some(0), "{arguments:?}");
        // Another process learns of it within 250 ms.
        std::thread::sleep(std::time::Duration::from_millis(400));
    };
    run(&["users", "set-role", "ada@example.com", "admin"]);
    // The last administrator can't be lost: there must be another.
    let root = home.run_with_input(
        &["users", "create", "--email", "root@example.com", "--role", "admin", "--password-stdin"],
        PASSWORD,
    );
    assert_eq!(root.status, Some(0), "{root:?}");
    assert_eq!(client.get("/admin/users", Some(&tokens.access)).status, 200);
    run(&["users", "set-role", "ada@example.com", "user"]);
    assert_eq!(client.get("/admin/users", Some(&tokens.access)).code(), "AUTH_FORBIDDEN");
    run(&["users", "deactivate", "ada@example.com"]);
    assert_eq!(client.me(&tokens.access).code(), "AUTH_ACCOUNT_DEACTIVATED");
    assert_eq!(client.refresh(&tokens.refresh).code(), "AUTH_USER_INACTIVE");
    assert_eq!(client.login("ada@example.com", PASSWORD).code(), "AUTH_ACCOUNT_DEACTIVATED");
    run(&["users", "reactivate", "ada@example.com"]);
    assert_eq!(client.me(&tokens.access).code(), "AUTH_TOKEN_INVALID");
    assert_eq!(client.login("ada@example.com", PASSWORD).status, 200);
}
