//! Two nodes on one PostgreSQL database.

use crate::application::{Home, Outcome, Server, UNLIMITED};
use crate::client::PASSWORD;
use crate::cluster::Fresh;
use crate::races::{at_once, count};

pub(crate) const SECRET: [&str; 2] = ["--secret-key", "the same thirty-two bytes or more on every node 7d1f"];

pub(crate) struct Site {
    pub(crate) home: Home,
    pub(crate) database: Fresh,
}

impl Site {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        Self { home: Home::new(), database: runtime.block_on(Fresh::create()) }
    }

    pub(crate) fn migrated() -> Self {
        let site = Self::new();
        site.run(&["migrate"]).done();
        site
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.home.run(&[arguments, &["--database-url", self.database.url()]].concat())
    }

    /// The database through `PgBouncer`.
    #[expect(clippy::disallowed_methods, reason = "where the pooler is, only the script that started it knows")]
    pub(crate) fn pooled_url(&self) -> String {
        let pooler = std::env::var("DOORWARD_TEST_PGBOUNCER").expect("run `scripts/postgres`");
        format!("{pooler}/{}", self.database.url().rsplit_once('/').unwrap().1)
    }

    pub(crate) fn node(&self) -> Server {
        self.node_with(&[])
    }

    pub(crate) fn node_with(&self, more: &[&str]) -> Server {
        self.node_under(&[&SECRET[..], more].concat())
    }

    /// A node with secrets of its own.
    pub(crate) fn node_under(&self, arguments: &[&str]) -> Server {
        self.home.serve(&[&["--database-url", self.database.url()], arguments].concat())
    }
}

#[test]
fn a_node_says_what_it_lacks() {
    let site = Site::new();
    for command in [&["serve"][..], &["config", "check"]] {
        let refusal = site.run(command).refused();
        assert!(refusal.contains("secret_key is not set") && refusal.contains("openssl rand"), "{refusal}");
    }
    let refusal = site.run(&[&["users", "list"], &SECRET[..]].concat()).refused();
    assert!(refusal.contains("run `doorward migrate`"), "{refusal}");
    assert_eq!(
        site.run(&["migrate", "--dry-run"]).done(),
        "would apply 0001_users_and_sessions\nwould apply 0002_endings_by_subject\n\
         would apply 0005_rate_limits\nwould apply 0006_accounts_events_outbox\nwould apply 0007_events_about_others\n\
         would apply 0008_outbox_by_kind\nwould apply 0009_no_wait_is_no_moment\n\
         would apply 0010_data_keys\n"
    );
    assert_eq!(
        site.run(&["migrate"]).done(),
        "applied 0001_users_and_sessions\napplied 0002_endings_by_subject\n\
         applied 0005_rate_limits\napplied 0006_accounts_events_outbox\napplied 0007_events_about_others\n\
         applied 0008_outbox_by_kind\napplied 0009_no_wait_is_no_moment\napplied 0010_data_keys\n"
    );
    assert_eq!(site.run(&["migrate"]).done(), "nothing to do: the database is up to date\n");
    site.run(&[&["users", "list"], &SECRET[..]].concat()).done();
    assert!(!site.home.path().join("doorward-data").exists(), "nothing of this node's own is made");
}

#[test]
fn what_one_node_does_holds_on_the_other() {
    let site = Site::migrated();
    let (one, other) = (site.node(), site.node());
    let first = one.client().register("ada@example.com", PASSWORD).tokens();
    assert_eq!(other.client().me(&first.access).status, 200);
    assert_eq!(other.client().login("ada@example.com", PASSWORD).status, 200);
    assert_eq!(other.client().login("ada@example.com", "something else").code(), "AUTH_INVALID_CREDENTIALS");
    let second = other.client().refresh(&first.refresh).tokens();
    assert_eq!(one.client().refresh(&first.refresh).code(), "AUTH_TOKEN_REUSE");
    assert_eq!(other.client().refresh(&second.refresh).code(), "AUTH_REFRESH_INVALID");
    while other.client().me(&second.access).status == 200 {}
    assert_eq!(other.client().me(&second.access).code(), "AUTH_TOKEN_INVALID");
    assert_eq!(one.client().get("/ready", None).status, 200);
    assert_eq!(one.stop().0, Some(0));
}

#[test]
fn sixty_uses_of_one_refresh_token_over_two_nodes_leave_no_live_successor() {
    let site = Site::migrated();
    let nodes = [site.node(), site.node()];
    for round in 0..3 {
        let first = nodes[0].client().register(&format!("ada{round}@example.com"), PASSWORD).tokens();
        let clients = [nodes[0].client(), nodes[1].client()];
        let answers = at_once(60, |index| clients[index % 2].refresh(&first.refresh));
        let (fresh, reuse, over) = (
            count(&answers, 200, ""),
            count(&answers, 401, "AUTH_TOKEN_REUSE"),
            count(&answers, 401, "AUTH_REFRESH_INVALID"),
        );
        assert_eq!((fresh, reuse, over), (1, 1, 58));
        let successor = answers.iter().find(|answer| answer.status == 200).unwrap().tokens();
        assert_eq!(nodes[1].client().refresh(&successor.refresh).code(), "AUTH_REFRESH_INVALID");
    }
}

#[test]
fn forty_registrations_of_one_address_over_two_nodes_make_one_account() {
    let site = Site::migrated();
    let nodes = [site.node_with(&UNLIMITED), site.node_with(&UNLIMITED)];
    let clients = [nodes[0].client(), nodes[1].client()];
    let answers = at_once(40, |index| clients[index % 2].register("ada@example.com", PASSWORD));
    assert_eq!((count(&answers, 201, ""), count(&answers, 409, "AUTH_EMAIL_CONFLICT")), (1, 39));
}

#[test]
fn guesses_over_two_nodes_are_counted_together() {
    let site = Site::migrated();
    let nodes = [site.node(), site.node()];
    let clients = [nodes[0].client(), nodes[1].client()];
    let answers = at_once(60, |index| clients[index % 2].login("ada@example.com", "a wrong guess"));
    assert_eq!((count(&answers, 401, "AUTH_INVALID_CREDENTIALS"), count(&answers, 429, "RATE_LIMITED")), (5, 55));
    // What one node has learnt the other knows.
    let _ = clients[0].register("bob@example.com", PASSWORD);
    for index in 0..20 {
        assert_eq!(clients[index % 2].login("bob@example.com", PASSWORD).status, 200);
    }
}
