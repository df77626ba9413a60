//! What ends on one node ends on the other, and what PostgreSQL does meanwhile passes: on_postgresql.

use serde_json::json;

use crate::application::{Server, UNLIMITED};
use crate::client::{Client, PASSWORD};
use crate::cluster::connect;
use crate::on_postgresql::{SECRET, Site};

/// What another client of the database does.
fn execute(site: &Site, statement: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { connect(site.database.url()).await.batch_execute(statement).await.unwrap() });
}

const CUT_LISTENERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE '%doorward_endings'";

fn administrator(site: &Site, node: &Server, name: &str) -> String {
    let email = format!("{name}@example.com");
    let create = ["users", "create", "--role", "admin", "--password-stdin", "--email", &email];
    let database = ["--database-url", site.database.url()];
    let outcome = site.home.run_with_input(&[&create[..], &database, &SECRET].concat(), PASSWORD);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    node.client().login(&email, PASSWORD).tokens().access
}

fn id_of(client: Client, access: &str) -> i64 {
    client.me(access).body["id"].as_i64().unwrap()
}

/// Asks until the token is refused; the last answer's code.
fn until_refused(ask: impl Fn() -> crate::client::Answer) -> String {
    loop {
        let answer = ask();
        if answer.status != 200 {
            return answer.code().to_owned();
        }
    }
}

fn every_ending_is_seen(site: &Site, (one, other): (&Server, &Server), before_each: impl Fn()) {
    let admin = administrator(site, one, "root");
    let client = other.client();
    let register = |name: &str| {
        let tokens = one.client().register(&format!("{name}@example.com"), PASSWORD).tokens();
        assert_eq!(client.me(&tokens.access).status, 200);
        before_each();
        tokens
    };
    let ada = register("ada");
    assert_eq!(one.client().logout(&ada.refresh).status, 204);
    assert_eq!(until_refused(|| client.me(&ada.access)), "AUTH_TOKEN_INVALID");

    let bob = register("bob");
    let next = one.client().refresh(&bob.refresh).tokens();
    assert_eq!(one.client().refresh(&bob.refresh).code(), "AUTH_TOKEN_REUSE");
    assert_eq!(until_refused(|| client.me(&next.access)), "AUTH_TOKEN_INVALID");

    let eve = register("eve");
    let path = format!("/admin/users/{}/deactivate", id_of(one.client(), &eve.access));
    assert_eq!(one.client().send("PATCH", &path, Some(&admin), Some(json!({}))).status, 200);
    assert_eq!(until_refused(|| client.me(&eve.access)), "AUTH_ACCOUNT_DEACTIVATED");

    let second = administrator(site, other, "second");
    assert_eq!(client.get("/admin/users", Some(&second)).status, 200);
    before_each();
    site.run(&[&["users", "set-role", "second@example.com", "user"], &SECRET[..]].concat()).done();
    assert_eq!(until_refused(|| client.get("/admin/users", Some(&second))), "AUTH_FORBIDDEN");
    assert_eq!(client.me(&second).body["role"], "user");
}

#[test]
fn what_ends_on_one_node_ends_on_the_other_on_postgresql() {
    let site = Site::migrated();
    let (one, other) = (site.node(), site.node());
    every_ending_is_seen(&site, (&one, &other), || {});
}

#[test]
fn an_ending_is_seen_though_the_listening_connections_are_cut_on_postgresql() {
    let site = Site::migrated();
    let (one, other) = (site.node(), site.node());
    every_ending_is_seen(&site, (&one, &other), || execute(&site, CUT_LISTENERS));
}

#[test]
fn nodes_behind_pgbouncer_serve_and_see_each_others_endings_on_postgresql() {
    let site = Site::migrated();
    let pooled = site.pooled_url();
    let node = || site.home.serve(&[&SECRET[..], &["--database-url", &pooled]].concat());
    let (mut one, other) = (node(), node());
    // Said while it starts or a moment later.
    if one.log.iter().all(|entry| entry["event"] != "listening_impossible") {
        one.wait_for_event("listening_impossible");
    }
    every_ending_is_seen(&site, (&one, &other), || {});
    assert_eq!(one.get("/ready"), (200, r#"{"status":"ready"}"#.to_owned()));
}

#[test]
fn a_node_whose_connections_are_all_cut_goes_on_without_a_restart_on_postgresql() {
    let site = Site::migrated();
    let node = site.node();
    let mut token = node.client().register("ada@example.com", PASSWORD).tokens().refresh;
    for _ in 0..5 {
        execute(
            &site,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        let first = node.client().refresh(&token);
        match first.status {
            200 => token = first.tokens().refresh,
            status => assert_eq!((status, first.code()), (503, "STORE_UNAVAILABLE")),
        }
        token = node.client().refresh(&token).tokens().refresh;
        assert_eq!(node.get("/ready").0, 200);
    }
}

#[test]
fn a_statement_past_its_time_is_503_in_the_error_shape_on_postgresql() {
    let site = Site::migrated();
    let node = site.node_with(&["--database-statement-timeout-seconds", "1"]);
    let tokens = node.client().register("ada@example.com", PASSWORD).tokens();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let holder = runtime.block_on(connect(site.database.url()));
    runtime.block_on(holder.batch_execute("BEGIN; SELECT id FROM sessions FOR UPDATE")).unwrap();
    let answer = node.client().refresh(&tokens.refresh);
    assert_eq!((answer.status, answer.code()), (503, "STORE_UNAVAILABLE"));
    assert_eq!(answer.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["code", "detail"]);
    assert!(answer.header("retry-after").is_some());
    runtime.block_on(holder.batch_execute("ROLLBACK")).unwrap();
    node.client().refresh(&tokens.refresh).tokens();
}

#[test]
fn a_node_that_cannot_hear_what_ended_is_not_ready_on_postgresql() {
    let site = Site::migrated();
    let node = site.node_with(&["--database-statement-timeout-seconds", "1"]);
    let tokens = node.client().register("ada@example.com", PASSWORD).tokens();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let holder = runtime.block_on(connect(site.database.url()));
    runtime.block_on(holder.batch_execute("BEGIN; LOCK TABLE endings")).unwrap();
    loop {
        let answer = node.client().get("/ready", None);
        if answer.status == 503 {
            assert_eq!(answer.code(), "STORE_UNAVAILABLE");
            break;
        }
    }
    assert_eq!(node.client().me(&tokens.access).code(), "STORE_UNAVAILABLE");
    runtime.block_on(holder.batch_execute("ROLLBACK")).unwrap();
    assert_eq!(node.client().me(&tokens.access).status, 200);
    assert_eq!(node.get("/ready").0, 200);
}

#[test]
fn nodes_go_on_while_a_later_version_changes_the_tables_on_postgresql() {
    let site = Site::migrated();
    let nodes = [site.node_with(&UNLIMITED), site.node_with(&UNLIMITED)];
    let admin = administrator(&site, &nodes[0], "root");
    let mut tokens = nodes[0].client().register("ada@example.com", PASSWORD).tokens();
    let mut everything_is_served = || {
        for node in &nodes {
            let client = node.client();
            tokens = client.refresh(&tokens.refresh).tokens();
            assert_eq!(client.me(&tokens.access).status, 200);
            assert_eq!(client.login("ada@example.com", PASSWORD).status, 200);
            assert_eq!(client.get("/admin/users", Some(&admin)).status, 200);
            let gone = client.login("ada@example.com", PASSWORD).tokens();
            assert_eq!(client.logout(&gone.refresh).status, 204);
            assert_eq!(node.get("/ready").0, 200);
        }
    };
    everything_is_served();
    // What a migration may do that leaves room for older nodes; their statements are prepared by now.
    for step in [
        "ALTER TABLE users ADD COLUMN nickname TEXT",
        "ALTER TABLE sessions ADD COLUMN of_later TEXT DEFAULT 'unknown' NOT NULL",
        "ALTER TABLE endings ADD COLUMN reason TEXT",
        "CREATE INDEX sessions_of_later ON sessions (of_later)",
        "CREATE TABLE later (id BIGINT PRIMARY KEY, user_id BIGINT REFERENCES users (id))",
    ] {
        execute(&site, step);
        everything_is_served();
    }
    for node in nodes {
        let (status, log) = node.stop();
        assert!(status == Some(0) && !log.contains("store_unavailable"), "{log}");
    }
}
