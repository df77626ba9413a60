//! `doorward backup`, while the database is served, and a server on the copy.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::application::Home;
use crate::client::PASSWORD;
use crate::readme::{steps, type_all};

#[test]
fn a_copy_made_while_it_is_served_serves() {
    let (home, other) = (Home::new(), Home::new());
    let server = home.serve(&[]);
    let client = server.client();
    assert_eq!(client.register("ada@example.com", PASSWORD).status, 201);
    let copy = home.path().join("copy.db");
    let said = home.run(&["backup", "copy.db"]).done();
    let bytes = fs::metadata(&copy).unwrap().len();
    assert!(said.starts_with(&format!("copy.db: {bytes} bytes, checked\n")) && said.contains("secret.key"), "{said}");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    // What came later is not in it, and a copy that is there is left alone.
    assert_eq!(client.register("bob@example.com", PASSWORD).status, 201);
    let refused = home.run(&["backup", "copy.db"]).refused();
    assert!(refused.contains("copy.db: ") && refused.contains("exists"), "{refused}");
    assert_eq!(fs::metadata(&copy).unwrap().len(), bytes);
    fs::create_dir(other.data("")).unwrap();
    fs::copy(&copy, other.data("doorward.db")).unwrap();
    fs::copy(home.data("secret.key"), other.data("secret.key")).unwrap();
    fs::set_permissions(other.data(""), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(other.data("secret.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let restored = other.serve(&[]);
    assert_eq!(restored.client().login("ada@example.com", PASSWORD).status, 200);
    assert_eq!(restored.client().login("bob@example.com", PASSWORD).status, 401);
}

#[test]
fn what_can_not_be_backed_up_is_refused_and_leaves_nothing() {
    let home = Home::new();
    let refused = home.run(&["backup", "copy.db"]).refused();
    assert!(refused.contains("there is no database at"), "{refused}");
    let home = Home::with_database();
    let refused = home.run(&["backup", "nowhere/copy.db"]).refused();
    assert!(refused.contains("nowhere/copy.db"), "{refused}");
    let postgres = &["backup", "copy.db", "--database-url=postgres://localhost/doorward"];
    assert!(home.run(postgres).refused().contains("pg_dump"));
    fs::write(home.data("doorward.db"), "Dear Doorward, this is no database. ".repeat(100)).unwrap();
    let refused = home.run(&["backup", "copy.db"]).refused();
    assert!(refused.contains("doorward.db"), "{refused}");
    assert!(!home.path().join("copy.db").exists());
}

#[test]
fn upgrading_and_going_back_are_as_the_guide_says() {
    let guide = include_str!("../../../../docs/guide/installing.md");
    let home = Home::new();
    let server = home.serve(&[]);
    assert_eq!(server.client().register("ada@example.com", PASSWORD).status, 201);
    server.stop();
    type_all(&home, &steps(guide, "upgrading one server"), &[]);
    let upgraded = home.serve(&[]);
    assert_eq!(upgraded.client().register("bob@example.com", PASSWORD).status, 201);
    upgraded.stop();
    type_all(&home, &steps(guide, "going back"), &[]);
    let back = home.serve(&[]);
    assert_eq!(back.client().login("ada@example.com", PASSWORD).status, 200);
    assert_eq!(back.client().login("bob@example.com", PASSWORD).status, 401);
}
