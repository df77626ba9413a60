//! The secret is exchanged, leaked, lost and restored, as the guide says it; people with authenticators stay away meanwhile.

use std::fs;
use std::time::Duration;

use crate::application::{CHEAP, Home, Server};
use crate::authenticator::Authenticator;
use crate::client::PASSWORD;
use crate::cluster::connect;
use crate::on_postgresql::{SECRET, Site};
use crate::readme::{Step, steps, type_all};

const GUIDE: &str = include_str!("../../../../docs/guide/operating.md");
const ADA: &str = "ada@example.com";
const NEW_SECRET: &str = "another thirty-two bytes or more on every node 93be";

/// Somebody with an authenticator and recovery codes, who stays away.
struct Ada {
    phone: Authenticator,
    codes: Vec<String>,
}

impl Ada {
    fn at(server: &Server) -> Self {
        let client = server.client();
        let (phone, codes) = client.guard(&client.register(ADA, PASSWORD).tokens().access);
        Self { phone, codes }
    }

    /// Logs in with the authenticator and with a recovery code.
    fn comes_back(&mut self, server: &Server) {
        let client = server.client();
        assert_eq!(client.second_step(&client.challenge(), &self.phone.next()).status, 200);
        assert_eq!(client.second_step(&client.challenge(), &self.codes.remove(0)).status, 200);
    }
}

/// Types the commands of that block, and serves as its last line says where that serves.
fn type_and_serve(home: &Home, mark: &str) -> Option<Server> {
    let (serving, typed): (Vec<Step>, Vec<Step>) =
        steps(GUIDE, mark).into_iter().partition(|step| step.command.ends_with("doorward serve"));
    type_all(home, &typed, &[]);
    let command = &serving.first()?.command;
    let environment: Vec<_> = command.split(' ').filter_map(|word| word.split_once('=')).collect();
    Some(home.serve_with_environment(&CHEAP, &environment))
}

#[test]
fn a_secret_is_exchanged_and_nobody_is_logged_out() {
    let home = Home::new();
    let before = home.serve(&[]);
    let mut ada = Ada::at(&before);
    let access = before.client().register("bob@example.com", PASSWORD).tokens().access;
    before.stop();
    let with_both = type_and_serve(&home, "exchanging the secret").unwrap();
    assert_eq!(with_both.client().me(&access).status, 200);
    with_both.stop();
    fs::remove_file(home.data("secret.old")).unwrap();
    let after = home.serve(&[]);
    assert_eq!(after.client().me(&access).code(), "AUTH_TOKEN_INVALID");
    ada.comes_back(&after);
}

#[test]
fn a_secret_that_leaked_opens_the_data_key_and_verifies_nothing() {
    let home = Home::new();
    let before = home.serve(&[]);
    let mut ada = Ada::at(&before);
    let tokens = before.client().register("bob@example.com", PASSWORD).tokens();
    before.stop();
    let once = type_and_serve(&home, "a secret that leaked").unwrap();
    assert_eq!(once.client().me(&tokens.access).code(), "AUTH_TOKEN_INVALID");
    assert_eq!(once.client().refresh(&tokens.refresh).status, 200);
    once.stop();
    fs::remove_file(home.data("secret.leaked")).unwrap();
    let after = home.serve(&[]);
    assert!(type_and_serve(&home, "a data key that leaked").is_none());
    ada.comes_back(&after);
}

#[test]
fn a_lost_secret_is_told_with_what_hangs_on_it_and_given_up_when_that_is_meant() {
    let home = Home::new();
    let before = home.serve(&[]);
    Ada::at(&before);
    before.stop();
    let kept = fs::read_to_string(home.data("secret.key")).unwrap();
    fs::remove_file(home.data("secret.key")).unwrap();
    let reason = home.run(&["serve"]).refused();
    assert!(reason.contains("secret.key is missing") && reason.contains("1 second factor hangs on it"), "{reason}");
    assert!(!home.data("secret.key").exists());
    home.write("doorward-data/secret.key", "");
    home.write("doorward.toml", &format!("secret_key = \"{NEW_SECRET}\""));
    for command in [&["serve"][..], &["users", "list"], &["keys", "renew-data-key"]] {
        let reason = home.run(command).refused();
        assert!(reason.contains("no secret here opens the data key in"), "{reason}");
        assert!(reason.contains("1 second factor hangs") && reason.contains("doorward keys forget-sealed"), "{reason}");
    }
    assert!(home.run(&["keys", "forget-sealed"]).refused().contains("--yes"));
    // Nothing has happened yet.
    let with_the_old = home.run_with_environment(&["users", "list"], &[("SEALING_KEY_PREVIOUS", kept.trim())]);
    assert!(with_the_old.done().contains(ADA));
    fs::remove_file(home.path().join("doorward.toml")).unwrap();
    assert!(type_and_serve(&home, "a secret that is lost").is_none());
    let after = home.serve(&[]);
    after.client().login(ADA, PASSWORD).tokens();
}

#[test]
fn a_restored_copy_is_served_under_a_new_secret() {
    let home = Home::new();
    let before = home.serve(&[]);
    let mut ada = Ada::at(&before);
    home.run(&["backup", "copy.db"]).done();
    let access = before.client().register("bob@example.com", PASSWORD).tokens().access;
    before.stop();
    let after = type_and_serve(&home, "after a restore").unwrap();
    assert_eq!(after.client().me(&access).code(), "AUTH_TOKEN_INVALID");
    assert_eq!(after.client().login("bob@example.com", PASSWORD).code(), "AUTH_INVALID_CREDENTIALS");
    ada.comes_back(&after);
}

#[test]
fn a_sealing_key_parts_sealing_from_signing() {
    let home = Home::new();
    let before = home.serve(&SECRET);
    let mut ada = Ada::at(&before);
    before.stop();
    let sealing = [("SEALING_KEY", NEW_SECRET)];
    let arguments = [&CHEAP[..], &SECRET].concat();
    home.serve_with_environment(&arguments, &sealing).stop();
    // The secret that signs opens nothing any more, and must not be the one that seals.
    assert!(home.run(&[&["users", "list"], &SECRET[..]].concat()).refused().contains("no secret here opens"));
    let twice = home.run_with_environment(&[&["serve"], &SECRET[..]].concat(), &[("SEALING_KEY", SECRET[1])]);
    assert!(twice.refused().contains("SEALING_KEY) is refused: it is a secret_key, too"));
    ada.comes_back(&home.serve_with_environment(&arguments, &sealing));
    let hint = home.run(&[&["config", "check"], &SECRET[..]].concat()).done();
    assert!(hint.contains("set sealing_key"), "{hint}");
    let settled = home.run_with_environment(&[&["config", "check"], &SECRET[..]].concat(), &sealing).done();
    assert!(!settled.contains("sealing_key"), "{settled}");
}

#[test]
fn nodes_exchange_the_secret_one_by_one_and_the_data_key_while_they_serve_on_postgresql() {
    let site = Site::migrated();
    let old = SECRET[1];
    let (one, other) = (site.node(), site.node());
    let mut ada = Ada::at(&one);
    let node = |secret: &str, previous: &str| {
        let arguments = ["--secret-key", secret, "--secret-key-previous", previous];
        site.node_under(&arguments)
    };
    // First every node reads the new one, then each signs with it.
    one.stop();
    let one = node(old, NEW_SECRET);
    other.stop();
    let other = node(old, NEW_SECRET);
    ada.comes_back(&other);
    one.stop();
    let one = node(NEW_SECRET, old);
    // It has sealed the data key anew: who knows both is not concerned.
    let access = one.client().register("bob@example.com", PASSWORD).tokens().access;
    assert_eq!(other.client().me(&access).status, 200);
    other.stop();
    let other = node(NEW_SECRET, old);
    one.stop();
    let one = site.node_under(&["--secret-key", NEW_SECRET]);
    let printed = site.run(&["keys", "renew-data-key", "--secret-key", NEW_SECRET]).done();
    assert!(printed.contains("done: no second factor is sealed under the old one"), "{printed}");
    let mut challenged = one.client().challenge();
    assert_eq!(other.client().second_step(&challenged, &ada.codes.remove(0)).status, 200);
    challenged = other.client().challenge();
    assert_eq!(one.client().second_step(&challenged, &ada.codes.remove(0)).status, 200);
}

#[test]
fn a_node_of_before_the_data_key_is_waited_for_on_postgresql() {
    let site = Site::migrated();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let connection = || runtime.block_on(connect(site.database.url()));
    let ask = |sql| runtime.block_on(connection().query_one(sql, &[])).unwrap().get::<_, i64>(0);
    // A connection as such a node keeps it, and an account, or there would be nobody to wait for.
    let older = connection();
    runtime.block_on(older.batch_execute("SET application_name = 'doorward'")).unwrap();
    let create = ["users", "create", "--email", "hal@example.com", "--password-stdin"];
    let database = ["--database-url", site.database.url()];
    site.home.run_with_input(&[&create[..], &SECRET, &database].concat(), PASSWORD).done();
    let mut node = site.node();
    node.wait_for_event("data_key_waits");
    let mut ada = Ada::at(&node);
    assert_eq!(ask("SELECT count(*) FROM data_keys"), 0);
    drop(older);
    node.wait_for_event("data_key_active");
    assert_eq!(ask("SELECT count(*) FROM data_keys WHERE state = 'active'"), 1);
    ada.comes_back(&node);
    while ask("SELECT count(*) FROM data_keys WHERE state = 'past'") == 0 {
        std::thread::sleep(Duration::from_millis(100));
    }
    node.stop();
    // Nothing hangs on the secret that sealed.
    let exchanged = ["--secret-key", NEW_SECRET, "--sealing-key-previous", SECRET[1]];
    site.node_under(&exchanged).stop();
    ada.comes_back(&site.node_under(&["--secret-key", NEW_SECRET]));
}
