//! `users import` from the table of an application on SQLAlchemy, as its `create_all` makes it.

use serde_json::{Value, json};

use crate::application::Home;
use crate::cluster::{Fresh, connect};
use crate::import::foreign;
use crate::on_postgresql::SECRET;

/// What SQLAlchemy 2.1 prints for the model of `docs/guide/migrating.md`.
const TABLE: &str = "
    CREATE TYPE userrole AS ENUM ('USER', 'ADMIN');
    CREATE TABLE users (
        id SERIAL NOT NULL,
        email VARCHAR(320) NOT NULL,
        hashed_password VARCHAR(255) NOT NULL,
        full_name VARCHAR(100),
        role userrole NOT NULL,
        is_active BOOLEAN NOT NULL,
        created_at TIMESTAMP WITHOUT TIME ZONE DEFAULT now() NOT NULL,
        PRIMARY KEY (id)
    );
    CREATE UNIQUE INDEX ix_users_email ON users (email);";

const WITH_UUIDS: &str = "
    CREATE SCHEMA app;
    CREATE TABLE app.\"user\" (
        id UUID NOT NULL, email VARCHAR(320) NOT NULL, hashed_password VARCHAR(1024) NOT NULL,
        is_active BOOLEAN NOT NULL, is_superuser BOOLEAN NOT NULL, is_verified BOOLEAN NOT NULL,
        PRIMARY KEY (id)
    );";

fn execute(url: &str, sql: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { connect(url).await.batch_execute(sql).await.unwrap() });
}

fn fresh() -> Fresh {
    tokio::runtime::Runtime::new().unwrap().block_on(Fresh::create())
}

fn listed(home: &Home, database: &[&str]) -> Vec<Value> {
    serde_json::from_str(&home.run(&[&["users", "list", "--json"], database].concat()).done()).unwrap()
}

#[test]
fn a_service_on_sqlalchemy_comes_over_with_its_ids_and_passwords() {
    let (home, service, ours) = (Home::new(), fresh(), fresh());
    let (password, argon2) = foreign("Django, argon2");
    let argon2 = argon2.trim_start_matches("argon2");
    let (default_password, bcrypt) = foreign("pwdlib, bcrypt, default");
    let argon2 = format!("${}", argon2.trim_start_matches('$'));
    execute(service.url(), TABLE);
    execute(
        service.url(),
        &format!(
            "INSERT INTO users (id, email, hashed_password, full_name, role, is_active, created_at) VALUES
                 (7, 'Ada@example.com', '{argon2}', 'Ada', 'ADMIN', true, '2024-01-02 03:04:05.25'),
                 (9, 'grace@example.com', '{bcrypt}', NULL, 'USER', false, '2023-05-06 07:08:09'),
                 (12, 'bad', '{bcrypt}', NULL, 'USER', true, now())"
        ),
    );
    let database = ["--database-url", ours.url(), "--secret-key", "the same thirty-two bytes or more on every node"];
    home.run(&[&["migrate"], &database[..2]].concat()).done();
    let import = ["users", "import", "--from-postgres", service.url(), "--table", "users"];
    let dry = home.run(&[&import[..], &["--dry-run"], &database].concat());
    assert!(dry.stdout.contains("would import 2 accounts, 1 row refused"), "{dry:?}");
    assert!(listed(&home, &database).is_empty());
    let outcome = home.run(&[&import[..], &database].concat());
    assert!(outcome.stdout.contains("line 3 refused: An email address must have an @-sign."), "{outcome:?}");
    assert_eq!(outcome.status, Some(1));
    let expected = json!([
        {"id": 9, "email": "grace@example.com", "full_name": null, "role": "user", "is_active": false, "email_verified": false,
         "created_at": "2023-05-06T07:08:09Z"},
        {"id": 7, "email": "Ada@example.com", "full_name": "Ada", "role": "admin", "is_active": true, "email_verified": false,
         "created_at": "2024-01-02T03:04:05Z"},
    ]);
    assert_eq!(json!(listed(&home, &database)), expected);

    let server = home.serve(&database);
    let client = server.client();
    assert_eq!(client.login("ada@example.com", &password).status, 200);
    assert_eq!(client.login("grace@example.com", &default_password).code(), "AUTH_ACCOUNT_DEACTIVATED");
    let new = client.register("new@example.com", "correct horse battery staple").tokens();
    assert_eq!(client.me(&new.access).body["id"], 10);
}

#[test]
fn other_names_and_ids_are_told_by_flags() {
    let (home, service) = (Home::new(), fresh());
    let (password, hash) = foreign("pwdlib, bcrypt");
    execute(service.url(), WITH_UUIDS);
    execute(
        service.url(),
        &format!(
            "INSERT INTO app.\"user\" VALUES
                 (gen_random_uuid(), 'ada@example.com', '{hash}', true, true, true),
                 (gen_random_uuid(), 'grace@example.com', '{hash}', true, false, true)"
        ),
    );
    home.write("url", service.url());
    let import = ["users", "import", "--create", "--from-postgres-file", "url", "--table", "app.user"];
    let roles = ["--role-column", "is_superuser", "--admin-value", "true"];
    let done = home.run(&[&import[..], &roles].concat()).done();
    assert!(done.contains("imported 2 accounts") && done.contains("ids are new ones"), "{done}");
    let roles: Vec<_> = listed(&home, &[]).iter().map(|user| (user["email"].clone(), user["role"].clone())).collect();
    assert!(roles.contains(&(json!("ada@example.com"), json!("admin"))), "{roles:?}");
    assert!(roles.contains(&(json!("grace@example.com"), json!("user"))), "{roles:?}");
    assert_eq!(home.serve(&[]).client().login("grace@example.com", &password).status, 200);

    let missing = home.run(&["users", "import", "--from-postgres", service.url(), "--table", "x\"; DROP TABLE y"]);
    assert!(missing.refused().contains("there is no table"));
    let column = [&import[..], &["--hash-column", "nothing"]].concat();
    assert!(home.run(&column).refused().contains("no column named nothing"));
}

#[test]
fn numbers_go_on_after_those_of_an_import_from_the_very_first() {
    let (home, ours) = (Home::new(), fresh());
    let database = ["--database-url", ours.url(), "--secret-key", "the same thirty-two bytes or more on every node"];
    home.run(&[&["migrate"], &database[..2]].concat()).done();
    home.write("users.csv", "id,email,hash\n1,ada@example.com,\n");
    home.run(&[&["users", "import", "users.csv"], &database[..]].concat()).done();
    let server = home.serve(&database);
    let grace = server.client().register("grace@example.com", "correct horse battery staple").tokens();
    assert_eq!(server.client().me(&grace.access).body["id"], 2);
}

/// Supabase's own table, by its name: in another schema, with columns of types that nobody listed.
#[test]
fn the_table_of_a_named_service_is_found() {
    let (home, service, ours) = (Home::new(), fresh(), fresh());
    let (password, bcrypt) = foreign("pwdlib, bcrypt, default");
    execute(
        service.url(),
        &format!(
            "CREATE SCHEMA auth;
             CREATE TABLE auth.users (id UUID PRIMARY KEY, email VARCHAR(255), encrypted_password VARCHAR(255),
                 email_confirmed_at TIMESTAMPTZ, banned_until TIMESTAMPTZ, deleted_at TIMESTAMPTZ, created_at TIMESTAMPTZ,
                 raw_user_meta_data JSONB, is_sso_user BOOLEAN);
             INSERT INTO auth.users VALUES (gen_random_uuid(), 'ada@example.com', '{bcrypt}', now(), NULL, NULL,
                 '2024-01-02 03:04:05Z', '{{\"name\": \"Ada\"}}', false)"
        ),
    );
    let database = [&["--database-url", ours.url()][..], &SECRET].concat();
    home.run(&[&["migrate"][..], &database].concat()).done();
    let import = ["users", "import", "--from", "supabase", "--from-postgres", service.url()];
    assert!(home.run(&[&import[..], &database].concat()).done().contains("imported 1 account,"));
    let users = listed(&home, &database);
    assert_eq!((&users[0]["full_name"], &users[0]["email_verified"]), (&json!("Ada"), &json!(true)));
    assert_eq!(home.serve(&database).client().login("ada@example.com", &password).status, 200);
}
