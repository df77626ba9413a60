//! Servers that hang with their connections open, and statements that take long on those that don't.

use std::sync::Arc;
use std::time::Duration;

use doorward::testing::amending::set_role;
use doorward::{Role, Store};
use doorward_postgres::{PostgresOptions, PostgresStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cluster::{Fresh, connect};
use crate::story::{START, count, is_unavailable, register, until_waiting};

/// Only against hanging for ever; no test is about it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A way to the cluster by TCP that can be made to hang: connections stay open, and nothing goes through.
struct Way {
    address: std::net::SocketAddr,
    hangs: watch::Sender<bool>,
}

impl Way {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hangs = watch::Sender::new(false);
        let hung = hangs.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port())).await.unwrap();
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(carry(from_client, to_server, hung.clone()));
                tokio::spawn(carry(from_server, to_client, hung.clone()));
            }
        });
        Self { address, hangs }
    }

    fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut hung: watch::Receiver<bool>) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if hung.wait_for(|hangs| !hangs).await.is_err() || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "where the cluster is, only the script that started it knows")]
fn port() -> u16 {
    std::env::var("DOORWARD_TEST_POSTGRES_PORT").expect("run `scripts/postgres`").parse().unwrap()
}

fn name(database: &Fresh) -> &str {
    database.url().rsplit_once('/').unwrap().1
}

/// With hours for every statement: only the silence ends one.
fn options() -> PostgresOptions {
    let hours = Duration::from_secs(3600);
    let silence_timeout = Duration::from_millis(200);
    PostgresOptions { statement_timeout: hours, acquire_timeout: hours, silence_timeout, ..PostgresOptions::default() }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_found_again() {
    let (database, way) = (Fresh::create().await, Way::open().await);
    let url = format!("postgres://postgres@{}/{}?sslmode=disable", way.address, name(&database));
    let store = PostgresStore::open(&url, options()).await.unwrap();
    let (ada, _) = register(&store, "ada").await;
    way.hang(true);
    let asked = async { tokio::join!(store.find_user(ada.id), store.find_user(ada.id), store.check()) };
    let (first, second, third) = timeout(PATIENCE, asked).await.unwrap();
    assert!(is_unavailable(&first) && is_unavailable(&second) && is_unavailable(&third), "{first:?} {third:?}");
    way.hang(false);
    assert_eq!(timeout(PATIENCE, store.find_user(ada.id)).await.unwrap().unwrap(), Some(ada));
}

#[tokio::test]
async fn from_a_server_that_hangs_the_next_host_is_found_and_listened_to() {
    let (database, way) = (Fresh::create().await, Way::open().await);
    let both = format!("postgres://postgres@{},127.0.0.1:{}/{}?sslmode=disable", way.address, port(), name(&database));
    // Connecting may take hours, too: nobody waits for the one that hangs.
    let options = PostgresOptions { connect_timeout: Duration::from_secs(3600), ..options() };
    let store = PostgresStore::open(&both, options).await.unwrap();
    let other = crate::story::open(&database).await;
    let (ada, _) = register(&store, "ada").await;
    // Somebody stays an administrator.
    let (root, _) = register(&store, "root").await;
    set_role(&other, root.id, Role::Admin, START).await.unwrap();
    // More than one connection leads there.
    let opened = tokio::join!(store.find_user(ada.id), store.find_user(ada.id), store.find_user(ada.id));
    assert!(opened.0.is_ok() && opened.1.is_ok() && opened.2.is_ok());
    way.hang(true);
    assert!(is_unavailable(&timeout(PATIENCE, store.find_user(ada.id)).await.unwrap()));
    for _ in 0..5 {
        assert_eq!(timeout(PATIENCE, store.find_user(ada.id)).await.unwrap().unwrap(), Some(ada.clone()));
    }
    let is_heard = async {
        for role in [Role::User, Role::Admin].into_iter().cycle() {
            let heard = store.ending_hints();
            set_role(&other, ada.id, role, START).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            // More than its own coming back.
            if store.ending_hints() > heard && store.ending_hints() > 3 {
                return;
            }
        }
    };
    timeout(PATIENCE, is_heard).await.unwrap();
}

#[tokio::test]
async fn a_statement_that_waits_on_a_server_that_answers_has_its_time() {
    let (database, way) = (Fresh::create().await, Way::open().await);
    let url = format!("postgres://postgres@{}/{}?sslmode=disable", way.address, name(&database));
    let store = Arc::new(PostgresStore::open(&url, options()).await.unwrap());
    let (ada, _) = register(&store, "ada").await;
    let somebody = connect(database.url()).await;
    somebody.batch_execute("BEGIN; SELECT id FROM users FOR UPDATE").await.unwrap();
    let (node, id) = (Arc::clone(&store), ada.id);
    let waiting = tokio::spawn(async move { set_role(&*node, id, Role::Admin, START).await });
    let observer = connect(database.url()).await;
    until_waiting(&observer, 1).await;
    // Asked several times meanwhile whether it is there.
    tokio::time::sleep(options().silence_timeout * 8).await;
    assert_eq!(count(&observer, "SELECT count(*) FROM pg_locks WHERE NOT granted").await, 1);
    somebody.batch_execute("COMMIT").await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().role, Role::Admin);
}
