//! `store copy`: from a file to PostgreSQL and back, interrupted, refused.

use std::process::Stdio;
use std::time::Duration;

use rusqlite::Connection;

use crate::application::{CHEAP, Home, Outcome, Server};
use crate::client::{PASSWORD, Tokens};
use crate::cluster::{Fresh, connect};
use crate::readme::type_guide;

const SECRET: [&str; 2] = ["--secret-key", "the same thirty-two bytes or more on every node 7d1f"];

const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// A file with accounts and sessions, and an empty database.
struct Move {
    home: Home,
    database: Fresh,
    runtime: tokio::runtime::Runtime,
}

impl Move {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let database = runtime.block_on(Fresh::create());
        Self { home: Home::new(), database, runtime }
    }

    fn file(&self) -> String {
        format!("sqlite://{}", self.home.data("doorward.db").display())
    }

    fn copy(&self, more: &[&str]) -> Outcome {
        self.home.run(&[&["store", "copy", "--from", &self.file(), "--to", self.database.url()], more].concat())
    }

    fn serve_from_file(&self) -> Server {
        self.home.serve(&SECRET)
    }

    fn serve_from_database(&self) -> Server {
        self.home.serve(&[&SECRET[..], &["--database-url", self.database.url()]].concat())
    }

    fn ask(&self, sql: &str) -> i64 {
        self.runtime.block_on(async { connect(self.database.url()).await.query_one(sql, &[]).await.unwrap().get(0) })
    }

    /// Waits for the server to notice that a process that ended is gone: it does when it next writes to it.
    fn wait_until_unused(&self) {
        while self.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'doorward/2'") > 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn do_there(&self, sql: &str) {
        self.runtime.block_on(async { connect(self.database.url()).await.batch_execute(sql).await.unwrap() });
    }

    fn sqlite(&self) -> Connection {
        Connection::open(self.home.data("doorward.db")).unwrap()
    }

    /// Rows enough that a copy takes several batches.
    fn fill(&self, sessions: u32) {
        self.home.run(&["migrate"]).done();
        self.sqlite()
            .execute_batch(&format!(
                "INSERT INTO users (email, email_key, full_name, role, password_hash, created_at)
                     VALUES ('Ada@example.com', 'ada@example.com', 'Ada 🔑', 'user', '!', 1700000000000000);
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {sessions})
                 INSERT INTO sessions (handle, id, user_id, created_at, current_hash, issued_at, expires_at)
                     SELECT randomblob(16), randomblob(16), 1, i, randomblob(32), i, i + 1 FROM n;
                 UPDATE users SET email_verified_at = 5, must_change_password = 1, revision = 3,
                     second_factor = '{{}}', tickets = '[]';
                 UPDATE sessions SET authenticated_at = 7, device = 'Firefox on Linux', address = x'c0000207'
                     WHERE created_at = 2;
                 INSERT INTO events VALUES (9, 1, 'login', 1, randomblob(16), 'user', 1, randomblob(16),
                     'curl/8', 'r-1', '{{\"why\":\"\u{e9}\"}}');
                 INSERT INTO outbox VALUES (randomblob(16), 'mail', 1, 1, 2, 3, NULL, x'00ff');"
            ))
            .unwrap();
    }
}

fn register(server: &Server, email: &str) -> Tokens {
    server.client().register(email, PASSWORD).tokens()
}

#[test]
fn who_was_logged_in_before_is_logged_in_after() {
    let site = Move::new();
    let server = site.serve_from_file();
    let ada = register(&server, "ada@example.com");
    let grace = register(&server, "grace@example.com");
    let rotated = server.client().refresh(&grace.refresh).tokens();
    let gone = register(&server, "gone@example.com");
    assert_eq!(server.client().logout(&gone.refresh).status, 204);
    assert_eq!(server.stop().0, Some(0));
    // The number of a removed account, of a removed ending, and of a removed event must not come back.
    site.sqlite()
        .execute_batch(
            "UPDATE sqlite_sequence SET seq = 70 WHERE name = 'users';
             UPDATE sqlite_sequence SET seq = 80 WHERE name = 'events';
             DELETE FROM endings;",
        )
        .unwrap();

    let printed = site.copy(&[]).done();
    assert!(printed.contains("the same on both sides"), "{printed}");
    let server = site.serve_from_database();
    let client = server.client();
    assert_eq!(client.me(&ada.access).body["id"], 1);
    assert_eq!(client.refresh(&gone.refresh).code(), "AUTH_REFRESH_INVALID");
    let next = client.refresh(&ada.refresh).tokens();
    assert_eq!(client.refresh(&rotated.refresh).status, 200);
    assert_eq!(client.refresh(&grace.refresh).code(), "AUTH_TOKEN_REUSE", "spent tokens are still known");
    assert_eq!(client.login("GRACE@example.com", PASSWORD).status, 200);
    let new = register(&server, "new@example.com");
    assert_eq!(client.me(&new.access).body["id"], 71);
    assert_eq!(site.ask("SELECT min(position) FROM endings"), 2, "positions go on where they were");
    assert_eq!(site.ask("SELECT count(*) FROM events WHERE position < 80 AND kind = 'user_registered'"), 3);
    assert_eq!(site.ask("SELECT min(position) FROM events WHERE position > 70"), 81);
    assert_eq!(server.stop().0, Some(0));

    let file = format!("sqlite://{}", site.home.path().join("back.db").display());
    site.home.run(&["store", "copy", "--from", site.database.url(), "--to", &file]).done();
    let server = site.home.serve(&[&SECRET[..], &["--database-url", &file]].concat());
    let client = server.client();
    let again = client.refresh(&next.refresh).tokens();
    assert_eq!(client.me(&again.access).body["email"], "ada@example.com");
    assert_eq!(client.me(&register(&server, "newer@example.com").access).body["id"], 72);
}

#[test]
fn the_guide_says_what_happens() {
    let site = Move::new();
    site.fill(3);
    let replacements = [("postgres://doorward@db.example.com/doorward", site.database.url())];
    type_guide(&site.home, "from SQLite to PostgreSQL", &replacements);
}

#[test]
fn a_copy_that_was_killed_goes_on_where_it_was() {
    let site = Move::new();
    site.fill(60_000);
    let arguments = ["store", "copy", "--from", &site.file(), "--to", site.database.url()];
    let mut copying = site.home.command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let exists = "SELECT count(*) FROM pg_class WHERE relname = 'unfinished_copy'";
    while site.ask(exists) == 0 || site.ask("SELECT count(*) FROM sessions") == 0 {
        assert!(copying.try_wait().unwrap().is_none(), "the copy ended before it could be killed");
    }
    copying.kill().unwrap();
    copying.wait().unwrap();
    site.wait_until_unused();
    let present = site.ask("SELECT count(*) FROM sessions");
    assert!((5000..60_000).contains(&present) && present % 5000 == 0, "{present}");

    let serve = site.home.run(&[&["serve", "--database-url", site.database.url()], &SECRET[..]].concat());
    assert_eq!(serve.status, Some(1));
    assert!(serve.stderr.contains("a copy into it is unfinished"), "{}", serve.stderr);
    site.wait_until_unused();
    let printed = site.copy(&[]).done();
    assert!(printed.contains(&format!("{} rows had been brought", present + 1)), "{printed}");
    assert_eq!(site.ask("SELECT count(*) FROM sessions"), 60_000);
    assert_eq!(site.ask(exists), 0);
    assert!(site.copy(&[]).refused().contains("is not empty"));
}

#[test]
fn a_source_that_changed_meanwhile_is_noticed() {
    let site = Move::new();
    site.fill(12_000);
    // An interrupted copy, as it lies there.
    site.copy(&[]).done();
    let unfinish = "
        CREATE TABLE unfinished_copy (table_name TEXT PRIMARY KEY, row_count BIGINT NOT NULL);
        INSERT INTO unfinished_copy VALUES ('users', 1), ('sessions', 12000), ('endings', 0),
            ('events', 1), ('outbox', 1), ('data_keys', 0);
        DELETE FROM sessions WHERE handle > (SELECT handle FROM sessions ORDER BY handle OFFSET 5000 LIMIT 1)";
    site.do_there(unfinish);
    site.sqlite()
        .execute("UPDATE sessions SET issued_at = 0 WHERE handle = (SELECT min(handle) FROM sessions)", [])
        .unwrap();
    let reason = site.copy(&[]).refused();
    assert!(reason.contains("sessions of the target differs"), "{reason}");

    site.sqlite().execute("DELETE FROM sessions WHERE handle = (SELECT min(handle) FROM sessions)", []).unwrap();
    let reason = site.copy(&[]).refused();
    assert!(reason.contains("sessions of the source is not what it was"), "{reason}");
    site.copy(&["--start-over"]).done();
    assert_eq!(site.ask("SELECT count(*) FROM sessions"), 11_999);
    assert!(site.copy(&["--start-over"]).refused().contains("no unfinished copy"));
}

#[test]
fn nothing_is_copied_from_or_to_what_is_in_use() {
    let site = Move::new();
    let server = site.serve_from_file();
    register(&server, "ada@example.com");
    let reason = site.copy(&[]).refused();
    assert!(reason.contains("it is in use"), "{reason}");
    assert_eq!(server.stop().0, Some(0));

    site.home.run(&["migrate", "--database-url", site.database.url()]).done();
    let server = site.serve_from_database();
    let reason = site.copy(&[]).refused();
    assert!(reason.contains("it is in use"), "{reason}");
    let back = format!("sqlite://{}", site.home.path().join("back.db").display());
    let reason = site.home.run(&["store", "copy", "--from", site.database.url(), "--to", &back]).refused();
    assert!(reason.contains("it is in use"), "{reason}");
    drop(server);
}

#[test]
fn a_server_that_starts_on_the_target_while_the_copy_begins_is_noticed() {
    let site = Move::new();
    site.fill(3);
    site.home.run(&["migrate", "--database-url", site.database.url()]).done();
    // The copy has seen that nobody is there and can't leave its note yet.
    let holder = site.runtime.block_on(connect(site.database.url()));
    let hold = "BEGIN; CREATE TABLE unfinished_copy (table_name TEXT PRIMARY KEY, row_count BIGINT NOT NULL)";
    site.runtime.block_on(holder.batch_execute(hold)).unwrap();
    let arguments = ["store", "copy", "--from", &site.file(), "--to", site.database.url()];
    let copying = site.home.command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while site.ask(WAITING) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let server = site.serve_from_database();
    site.runtime.block_on(holder.batch_execute("ROLLBACK")).unwrap();
    let outcome = copying.wait_with_output().unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    assert!(String::from_utf8(outcome.stderr).unwrap().contains("it is in use"));
    register(&server, "ada@example.com");
    assert_eq!(server.stop().0, Some(0));
    // Nothing of the copy is left that would keep a server from starting.
    assert_eq!(site.ask("SELECT count(*) FROM pg_class WHERE relname = 'unfinished_copy'"), 0);
}

#[test]
fn a_target_that_has_something_is_left_alone() {
    let site = Move::new();
    site.fill(3);
    let database = ["--database-url", site.database.url()];
    site.home.run(&[&["migrate"], &database[..]].concat()).done();
    let create = [&["users", "create", "--email", "x@example.com", "--password-stdin"], &CHEAP[..], &database, &SECRET];
    site.home.run_with_input(&create.concat(), PASSWORD).done();
    assert!(site.copy(&[]).refused().contains("its table users has rows"));
    assert_eq!(site.ask("SELECT count(*) FROM sessions"), 0);
}

#[test]
fn one_side_may_be_the_database_of_the_settings() {
    let site = Move::new();
    site.fill(3);
    site.home.write("url", &format!("{}\n", site.database.url()));
    let (from, environment) = (site.file(), [("DATABASE_URL_FILE", "url")]);
    site.home.run_with_environment(&["store", "copy", "--from", &from], &environment).done();
    assert_eq!(site.ask("SELECT count(*) FROM sessions"), 3);
    assert!(site.home.run(&["store", "copy", "--from", &from, "--to", &from]).refused().contains("the same database"));
    let misused = site.home.run(&["store", "copy", "--from", "mysql://ada:hunter2@db/x"]);
    assert!(misused.status == Some(2) && !misused.stderr.contains("hunter2"), "{misused:?}");
}
